"""What a scan found, as its ``scan.json`` has it: what people decide about, and what ``cleanse`` takes out."""

import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from whitesquare._base.formats import other_form
from whitesquare._base.schema import build
from whitesquare._base.strictjson import parse_named
from whitesquare.errors import DataError
from whitesquare.records import NOT_CHECKED, NOT_DECIDED, NOTHING_FOUND, TIERS

SCAN_FORMAT = "whitesquare scan 1"
"""Value of ``format``; it changes when a reader of the old form would misread the new one."""

VERDICTS = (*TIERS, NOTHING_FOUND, NOT_CHECKED, NOT_DECIDED)


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
class FoundClass:
    """A class of the data that were scanned, as it can be shown: its label and its name."""

    label: int
    name: str


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
        classes: of the data set; none in what other programs wrote.
    """

    source: str
    digest: str
    size: int
    verdict: str
    skipped: dict[str, str]
    flagged: tuple[Finding, ...]
    classes: tuple[FoundClass, ...] = ()


@dataclass(frozen=True)
class ScanFile:
    """A written scan, read once for all who need something of it.

    Attributes:
        name: of the file, for errors.
        sha256: of its bytes, hexadecimal.
        findings: what a later step needs of it; names as they are written.
        record: all that it holds, as JSON has it; names as they can be shown.
    """

    name: str
    sha256: str
    findings: ScanFindings
    record: dict[str, Any]


def read_scan(path: Path) -> ScanFindings:
    """Read what a scan wrote, as far as a later step needs it.

    Raises:
        DataError: see :func:`read_scan_file`.
    """
    return read_scan_file(path).findings


def read_scan_file(path: Path) -> ScanFile:
    """Read what a scan wrote.

    Raises:
        DataError: the file cannot be read, was not written by a scan, or is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read as a scan ({error.strerror}); write one with `whitesquare scan DATA "
            f"-o json={path}`."
        ) from error
    return parse_scan(data, str(path))


def parse_scan(data: bytes, name: str) -> ScanFile:
    """Read the content of a ``scan.json``, see :func:`read_scan_file`: for who must know of which bytes it speaks.

    Args:
        data: the content.
        name: of the file, for the errors.

    Raises:
        DataError: it was not written by a scan, or is damaged.
    """
    where = f"{name} is not a scan.json of `whitesquare scan`"
    try:
        found = parse_named(data)
    except UnicodeDecodeError as error:
        raise DataError(f"{name} cannot be read as a scan: {error}.") from error
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error
    said = found.shown.get("format") if isinstance(found.shown, dict) else None
    if said != SCAN_FORMAT:
        raise DataError(f"{where}: {other_form(said, SCAN_FORMAT)}.")
    findings = build(ScanFindings, _needed(found.shown), where=where, others=True)
    if found.written is not found.shown:
        findings = _named(findings, _needed(found.written))
    if findings.verdict not in VERDICTS:
        raise DataError(f"{where}: the verdict {findings.verdict!r:.80} is unknown.")
    if odd := {one.tier for one in findings.flagged} - set(TIERS):
        raise DataError(f"{where}: the tier {min(odd)!r:.80} is unknown.")
    if len({one.id for one in findings.flagged}) < len(findings.flagged):
        raise DataError(f"{where}: a sample is flagged twice.")
    if len(findings.flagged) > findings.size:
        raise DataError(f"{where}: {len(findings.flagged)} samples are flagged, but only {findings.size} were scanned.")
    return ScanFile(name, hashlib.sha256(data).hexdigest(), findings, found.shown)


def _needed(record: dict[str, Any]) -> dict[str, Any]:
    return {item.name: record[item.name] for item in fields(ScanFindings) if item.name in record}


def _named(findings: ScanFindings, record: dict[str, Any]) -> ScanFindings:
    """Give what was checked the names as they stand in the file."""
    flagged = tuple(
        replace(one, id=found["id"], rule_id=found["rule_id"])
        for one, found in zip(findings.flagged, record["flagged"], strict=True)
    )
    return replace(findings, **record | {"flagged": flagged, "classes": findings.classes})
