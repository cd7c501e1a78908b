"""Waivers: which faults somebody answers for, and what is wrong with those who cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from whitesquare._base.hashing import digest_of
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import FAILED, MISSING, PASSED, WAIVED, Rule, RuleOutcome, RuleResult, Unwaived, Waived


def fingerprint(rule: str, content: Sequence[str]) -> str:
    """Digest what makes a fault the same fault: the rule, and what was found in order."""
    return digest_of((rule, *content))


@dataclass(frozen=True)
class Settled:
    """A rule's result, the waivers it used, and what was wrong with others."""

    result: RuleResult
    used: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def settle(rule: Rule, outcome: RuleOutcome, policy: Policy, now: datetime) -> Settled:
    """Turn what a rule saw into its result: faults that a valid waiver covers do not count, but stay named."""
    waivers = {waiver.fingerprint: waiver for waiver in policy.waivers}
    today = now.astimezone(UTC).date()
    standing: list[Unwaived] = []
    waived: list[Waived] = []
    used: list[str] = []
    notes: list[str] = []
    for fault in outcome.faults:
        key = fingerprint(rule.id, fault.content)
        waiver = waivers.get(key)
        if waiver is not None:
            used.append(key)
        if waiver is not None and fault.waivable and today <= waiver.expires:
            waived.append(Waived(fault.reason, waiver))
            continue
        standing.append(Unwaived(fault.reason, key, fault.waivable))
        if waiver is not None:
            why = f"it expired on {waiver.expires}" if fault.waivable else "nobody can waive that"
            notes.append(f"The waiver by {waiver.by} for {rule.id} does not count: {why}.")
    status = (MISSING if outcome.missing else FAILED) if standing else WAIVED if waived else PASSED
    result = RuleResult(
        rule=rule.id,
        title=rule.title,
        status=status,
        reason=" ".join(one.reason for one in standing) or " ".join(one.reason for one in waived),
        found=outcome.found,
        expected=outcome.expected,
        step=rule.step if standing else "",
        faults=tuple(standing),
        waived=tuple(waived),
        covers={} if standing else outcome.covers,
    )
    return Settled(result, tuple(used), tuple(notes))
