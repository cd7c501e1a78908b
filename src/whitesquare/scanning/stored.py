"""A whole scan read back from ``scan.json``: all but its pictures, and the scores of samples that are not flagged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare._base.schema import build
from whitesquare.deciding.findings import ScanFile, read_scan_file
from whitesquare.scanning.fingerprints import Group
from whitesquare.scanning.types import NOT_DECIDED, Scan, ScanResult, ScanScores

_NOWHERE = -1
"""Position of a flagged sample: the file holds ids, which outlive positions."""


@dataclass(frozen=True)
class StoredFingerprint:
    """What one rule's finding about one class is known by."""

    label: int
    rule_id: str
    fingerprint: str


@dataclass(frozen=True)
class StoredScan:
    """What ``scan.json`` holds: the result, and by what its findings are known; nothing in files of older versions."""

    result: ScanResult
    fingerprints: tuple[StoredFingerprint, ...]

    @property
    def known(self) -> dict[Group, str]:
        """Fingerprints by class and rule."""
        return {(one.label, one.rule_id): one.fingerprint for one in self.fingerprints}


def read_stored(path: Path) -> StoredScan:
    """Read a scan as it was found.

    Raises:
        DataError: the file cannot be read, was not written by a scan, or is damaged.
    """
    return stored_scan(read_scan_file(path))


def stored_scan(file: ScanFile) -> StoredScan:
    """Return a scan as it was found, from its file; names in it are as they can be shown.

    Raises:
        DataError: the file is damaged.
    """
    found = {"result": _result(file.record), "fingerprints": file.record.get("fingerprints", [])}
    return build(StoredScan, found, where=f"{file.name} is not a scan.json of `whitesquare scan`", others=True)


def without_pictures(result: ScanResult) -> Scan:
    """Return a scan that has its numbers and no picture, as a page takes it."""
    none = np.zeros(0, np.float32)
    return Scan(result, ScanScores((), np.zeros(0, np.int64), none, none, {}), ())


def _result(record: dict[str, Any]) -> dict[str, Any]:
    undecided = record.get("verdict") == NOT_DECIDED
    return record | {
        "alarms": _each(record.get("alarms"), _alarm),
        "flagged": _each(record.get("flagged"), _flag),
        "runs": record.get("detectors"),
        "learned": _share(record.get("learned"), "learned"),
        "held_out": _share(record.get("held_out"), "held_out"),
        "fused_auroc": record.get("fused_auroc"),
        "undecided": record["reasons"][0] if undecided and record.get("reasons") else "",
    }


def _alarm(one: dict[str, Any]) -> dict[str, Any]:
    rate = _share(one.get("flip_rate"), "flip_rate")
    return one | {"class_name": one.get("class"), "transplant": None if rate is None else one | {"flip_rate": rate}}


def _flag(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"position": _NOWHERE, "fused": one.get("fused") or 0.0}


def _share(found: Any, name: str) -> Any:
    return found | {"name": name, "method": ""} if isinstance(found, dict) else found


def _each(found: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Change each table of a list; what is none is left for the check that says so."""
    return [change(one) if isinstance(one, dict) else one for one in found] if isinstance(found, list) else found
