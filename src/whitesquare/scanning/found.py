"""An acceptance, which a scan's files hold beside its findings (see :mod:`whitesquare.deciding.findings`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Acceptance:
    """An alarm that somebody has looked at and accepted: it is told, and fails nothing.

    Attributes:
        label: the class of the alarm.
        rule_id: its rule.
        tier: its tier.
        by: who accepted it.
        when: on which day.
        why: for what reason.
    """

    label: int
    rule_id: str
    tier: str
    by: str
    when: str
    why: str
