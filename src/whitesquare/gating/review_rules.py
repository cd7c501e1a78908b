"""Rules about what people decided: who signed it, of which scan it is, what is open, and whether it was done.

What people say of a sample counts only while its content is the one that they looked at. Roles stand in the statement
as people gave them: one counts only if a key of that role signed the statement.
"""

from collections.abc import Sequence
from datetime import datetime

from whitesquare._base.safe_text import printable
from whitesquare.deciding.held import SignedDecision
from whitesquare.deciding.types import DISAGREED, RELABEL, REMOVE, UNSURE
from whitesquare.gating.checks import about, aged, brief, names, signed_by_each
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import Fault, Rule, RuleOutcome, RunEvidence
from whitesquare.records import TIERS

_FEW = 3


def review_signed(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Enough different keys of every role signed the decisions, and all are valid."""
    return signed_by_each(evidence.review, policy.review.signatures, "The decisions are", now)


def review_subject(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The decisions are about this very scan, whose ``scan.json`` lies here as its scanner signed it."""
    review, report, flagged = evidence.review.value, evidence.scan.value.report, evidence.flagged
    if not report:
        reason = "The scan was signed without its scan.json, so that nobody can say which samples it flagged."
        return RuleOutcome("not signed", "a signed scan.json", (Fault(reason, (evidence.scan.sha256,)),))
    found = about(evidence.review, report, "the scan")
    faults = list(found.faults)
    if flagged.problem or flagged.scan != report:
        reason = flagged.problem or f"The scan.json here is {brief(flagged.scan)}; the signed one is {brief(report)}."
        faults.append(Fault(reason, (flagged.scan, report)))
    elif (review.scan, review.dataset) != (flagged.scan, flagged.dataset):
        reason = (
            f"The decisions say that they are about the scan {brief(review.scan)} of the data {brief(review.dataset)}; "
            f"the one here is {brief(flagged.scan)} of {brief(flagged.dataset)}."
        )
        faults.append(Fault(reason, (review.scan, review.dataset, flagged.scan, flagged.dataset)))
    return RuleOutcome(found.found, found.expected, tuple(faults), missing=flagged.missing and not found.faults)


def review_complete(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """People decided about enough of the samples that the scan flagged."""
    asked, flagged, root = policy.review, evidence.flagged, evidence.scan.value.root
    expected = f"{asked.min_decided:.0%} of those that are {asked.tier} or worse"
    if flagged.problem or flagged.scan != evidence.scan.value.report:
        reason = flagged.problem or "The scan.json here is not the signed one, so nobody knows what had to be decided."
        return RuleOutcome("not known", expected, (Fault(reason, (flagged.scan, root)),), missing=flagged.missing)
    allowed = TIERS[: TIERS.index(asked.tier) + 1]
    wanted = [id for id, tier in flagged.tiers.items() if tier in allowed]
    decided = {one.id: one for one in evidence.review.value.decisions}
    open_ = {id: why for id in wanted if (why := undecided(policy, evidence, id, decided.get(id)))}
    done = len(wanted) - len(open_)
    found = f"{done} of {len(wanted)} decided"
    if done >= asked.min_decided * len(wanted):
        return RuleOutcome(found, expected)
    some = "; ".join(f"{id!r:.80} {why}" for id, why in list(open_.items())[:_FEW])
    more = f"; and {len(open_) - _FEW} more" if len(open_) > _FEW else ""
    reason = f"People decided about {done} of {len(wanted)} flagged samples: {some}{more}."
    return RuleOutcome(found, expected, (Fault(reason, (root, *sorted(open_))),))


def undecided(policy: Policy, evidence: RunEvidence, id: str, one: SignedDecision | None) -> str:
    """Say why a sample counts as undecided; empty if it is decided.

    Args:
        policy: says by how many people, and in which roles.
        evidence: holds what the sample is in the signed manifest, and who signed the decisions.
        id: of the sample.
        one: what was decided about it; ``None`` for nothing.
    """
    asked, signed = policy.review, evidence.flagged.contents.get(id)
    if one is None:
        return "is open"
    if signed is None:
        return "is not in the signed manifest"
    if one.content != signed:
        return "was decided on with another content than the signed one"
    vouched = {key.role for key in evidence.review.signers}
    said = {mark.role for mark in one.marks if mark.role in vouched}
    if missing := [role for role in asked.roles if role not in said]:
        return f"was decided on by nobody in the role {missing[0]}"
    if (people := len({mark.by for mark in one.marks})) < asked.people:
        return f"was decided on by {people} of {asked.people} people"
    return ""


def review_sure(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """No sample is left about which somebody is unsure."""
    unsure = [one for one in evidence.review.value.decisions if any(mark.choice == UNSURE for mark in one.marks)]
    return _none(evidence, unsure, "unsure", "People are unsure about")


def review_agreed(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """No sample is left about which people say different things."""
    differ = [one for one in evidence.review.value.decisions if one.choice == DISAGREED]
    return _none(evidence, differ, "disagreed", "People disagree about")


def review_done(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """No sample is in the signed data that somebody decided to remove or to relabel."""
    wanted = (REMOVE, RELABEL)
    left = [one for one in evidence.review.value.decisions if any(mark.choice in wanted for mark in one.marks)]
    here = [one for one in left if one.choice != DISAGREED or not policy.review.allow_disagreement]
    return _none(evidence, here, "left in the data", "The signed data still hold, as they were scanned,")


def review_age(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The newest decision is recent."""
    limit = policy.review.max_age_days
    return aged(evidence.review.value.finished, limit or 0.0, now, evidence.scan.value.root)


def _none(evidence: RunEvidence, ones: Sequence[SignedDecision], found: str, what: str) -> RuleOutcome:
    """Return the outcome of a rule that no sample may break."""
    said = f"{len(ones)} {found}"
    if not ones:
        return RuleOutcome(said, "none")
    some = names([f"{one.id!r:.80} ({_said(one)})" for one in ones[:_FEW]])
    more = f" and {len(ones) - _FEW} more" if len(ones) > _FEW else ""
    reason = f"{what} {len(ones)} sample{'s' * (len(ones) != 1)}: {some}{more}."
    content = (evidence.scan.value.root, *sorted(one.id for one in ones))
    return RuleOutcome(said, "none", (Fault(reason, content),))


def _said(one: SignedDecision) -> str:
    return "; ".join(f"{printable(mark.by):.40}: {mark.choice}" for mark in one.marks[:_FEW])


_SIGN = "Decide with `whitesquare review RUN`, then sign with `whitesquare review RUN --sign review.pem`"
_BOTH = ("scan", "review")
_ALL = ("dataset", "scan", "review")
RULES = (
    Rule(
        "review-signed", "review", "Enough trusted keys of every role signed the decisions", f"{_SIGN}.", ("review",),
        review_signed,
    ),
    Rule(
        "review-subject", "review", "The decisions are about this scan",
        "Decide about the scan in this run, whose scan.json was signed with it.", _BOTH, review_subject,
    ),
    Rule("review-complete", "review", "People decided about what the scan flagged", f"{_SIGN}.", _ALL, review_complete),
    Rule(
        "review-sure", "review", "No sample is left about which people are unsure",
        "Look again, decide, and sign again.", _BOTH, review_sure, lambda policy: not policy.review.allow_unsure,
    ),
    Rule(
        "review-agreed", "review", "No sample is left about which people disagree",
        "Talk it over until one of them decides otherwise, and sign again.", _BOTH, review_agreed,
        lambda policy: not policy.review.allow_disagreement,
    ),
    Rule(
        "review-done", "review", "What people decided to remove or relabel is done",
        "Write the data without it: `whitesquare cleanse DATA --scan scan.json --decisions decisions.jsonl`; then "
        "attest, scan, review and train again.", _BOTH, review_done,
    ),
    Rule(
        "review-age", "review", "The decisions are recent", f"{_SIGN}.", _BOTH, review_age,
        lambda policy: policy.review.max_age_days is not None,
    ),
)  # fmt: skip
