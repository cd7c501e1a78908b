"""Until when a verdict holds: until the first of all things that it rests on ends."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from whitesquare.gating.settings import Policy
from whitesquare.gating.types import PASSED, RunEvidence, SignedPart, Verdict
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.times import from_text


def expiry(verdict: Verdict, policy: Policy, evidence: RunEvidence, gate: str, now: datetime) -> datetime:
    """Return the last moment at which a verdict may be acted on.

    Args:
        verdict: what was decided.
        policy: by which policy.
        evidence: on what.
        gate: id of the key that signs the verdict.
        now: when it was decided.
    """
    return min(_ends(verdict, policy, evidence, gate, now))


def _ends(verdict: Verdict, policy: Policy, evidence: RunEvidence, gate: str, now: datetime) -> Iterator[datetime]:
    yield _later(now, policy.release.max_age_days)
    for rule in verdict.rules:
        for one in rule.waived:
            yield datetime.combine(one.waiver.expires, time.max, UTC)
    parts: dict[str, SignedPart[object]] = {
        "data": evidence.dataset,
        "scan": evidence.scan,
        "review": evidence.review,
        "training": evidence.training,
        "measure": evidence.measure,
    }
    for section in policy.sections:
        yield from _keys(parts[section].signers)
    yield from _keys([key for key in evidence.trusted if key.keyid == gate])
    if "data" in policy.sections and evidence.dataset.said and evidence.dataset.said.expires:
        yield from_text(evidence.dataset.said.expires)
    passed = {rule.rule for rule in verdict.rules if rule.status == PASSED}
    if "scan-age" in passed and evidence.scan.said:
        yield _later(from_text(evidence.scan.said.finished), policy.scan.max_age_days)
    if "review-age" in passed and evidence.review.said and policy.review.max_age_days is not None:
        yield _later(from_text(evidence.review.said.finished), policy.review.max_age_days)
    if "measure-age" in passed and evidence.measure.said and policy.measure.max_age_days is not None:
        yield _later(from_text(evidence.measure.said.finished), policy.measure.max_age_days)
    if evidence.scan.said and evidence.scan.said.reference and "scan-reference" in passed:
        signers = set(evidence.scan.said.reference.signers)
        yield from _keys([key for key in evidence.trusted if key.keyid in signers])


def _keys(keys: Sequence[TrustedKey]) -> Iterator[datetime]:
    yield from (key.not_after for key in keys if key.not_after is not None)


def _later(when: datetime, days: float) -> datetime:
    try:
        return when + timedelta(days=days)
    except OverflowError:  # a policy that means "for ever"
        return datetime.max.replace(tzinfo=UTC)
