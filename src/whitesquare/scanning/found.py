"""What `cleanse` and `report` read back from a scan's files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One flagged sample as ``scan.json`` holds it; ``fused`` is ``None`` where it was not a finite number.

    ``content`` is the SHA-256 of its content; empty in files of older versions.
    """

    id: str
    label: int
    tier: str
    rule_id: str
    fused: float | None
    content: str = ""


@dataclass(frozen=True)
class ScanFindings:
    """What a later step needs of a written scan.

    Attributes:
        source: name or path of the data set that was scanned.
        digest: its SHA-256 digest then: a data set with another one is not what the scan speaks of.
        size: number of samples scanned.
        verdict: one of :data:`TIERS`, ``nothing found``, ``not checked`` or ``not decided``.
        skipped: files that were left out of the scan because they could not be read, with the reason.
        flagged: strongest tier first.
    """

    source: str
    digest: str
    size: int
    verdict: str
    skipped: dict[str, str]
    flagged: tuple[Finding, ...]


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
