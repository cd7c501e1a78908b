"""Alarms that people have settled: every sample behind them was looked at, and is to be kept.

A false alarm would otherwise stand in the way for ever. It is lifted only where the policy says so, of a tier that it
names, by decisions that are signed as it asks and about this very scan, each by as many people and in the roles that
it asks for. What is to be removed is no matter of an alarm: data without it are scanned anew.
"""

from collections.abc import Callable
from datetime import datetime

from whitesquare.deciding.types import KEEP
from whitesquare.gating.review_rules import review_age, review_signed, review_subject, undecided
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import RuleOutcome, RunEvidence
from whitesquare.provenance.evidence import AlarmRecord
from whitesquare.records import TIERS

Check = Callable[[Policy, RunEvidence, datetime], RuleOutcome]
_ALARMED = TIERS[:2]
"""Tiers of samples behind an alarm."""
_CHECKS: tuple[Check, ...] = (review_signed, review_subject)


def is_asked(policy: Policy) -> bool:
    """Tell whether decisions can lift any alarm under this policy."""
    return "review" in policy.sections and bool(policy.review.lift_alarms)


def standing_because(policy: Policy, evidence: RunEvidence, alarm: AlarmRecord, now: datetime) -> str:
    """Say why people's decisions do not lift an alarm; empty if they do.

    Args:
        policy: one that asks for it, see :func:`is_asked`.
        evidence: with the scan that raised it.
        alarm: the alarm.
        now: the time.
    """
    if alarm.tier not in policy.review.lift_alarms:
        return f"the policy lets nobody lift an alarm that is {alarm.tier!r:.40}"
    if evidence.review.said is None or evidence.dataset.said is None:
        return "nobody whose word counts has signed decisions about it"
    checks = (*_CHECKS, review_age) if policy.review.max_age_days is not None else _CHECKS
    if any(check(policy, evidence, now).faults for check in checks):
        return "the decisions are not signed as the policy asks, not recent, or not about this scan"
    return _open(policy, evidence, alarm)


def _open(policy: Policy, evidence: RunEvidence, alarm: AlarmRecord) -> str:
    """Say what behind an alarm is not settled; empty if all is."""
    flagged = evidence.flagged
    behind = [id for id, tier in flagged.tiers.items() if tier in _ALARMED]
    behind = [id for id in behind if flagged.classes.get(id) == alarm.class_name]
    if not behind:
        return "the scan names no sample behind it, about which anybody could decide"
    if len(behind) < alarm.carriers:
        return f"the scan names {len(behind)} of the {alarm.carriers} samples behind it"
    decided = {one.id: one for one in evidence.review.value.decisions}
    for id in behind:
        one = decided.get(id)
        why = undecided(policy, evidence, id, one)
        if not why and one is not None and one.choice != KEEP:
            why = f"is decided on as {one.choice!r}, and not kept"
        if why:
            return f"{id!r:.80} {why}"
    return ""
