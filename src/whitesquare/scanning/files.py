"""What a scan leaves behind: ``scan.json`` for people and tools, ``scores.parquet`` with every score of every sample.

``scan.json`` names its form in ``format``; :func:`whitesquare.deciding.findings.read_scan` reads that form and no
other.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.files import whole_file
from whitesquare.deciding.findings import SCAN_FORMAT
from whitesquare.deciding.findings import VERDICTS as VERDICTS
from whitesquare.deciding.findings import read_scan as read_scan  # one reader, which needs no NumPy
from whitesquare.errors import DataError
from whitesquare.records import Estimate
from whitesquare.scanning.fingerprints import Group
from whitesquare.scanning.types import (
    Alarm,
    Flag,
    ScanResult,
    ScanScores,
)
from whitesquare.types import FloatArray

FORMAT = SCAN_FORMAT
"""Value of ``format``."""

_ROWS = 65_536
"""Samples handed to DuckDB at a time: ids become Python strings only for so many."""

_MEMORY = "256MB"
"""What DuckDB may hold of a table at a time."""

_TESTED = ("untouched_rate", "control_mean", "control_worst", "controls", "strength")
_RESERVED = ("id", "label", "fused", "p_value")


def scan_json(
    result: ScanResult,
    scores: ScanScores | None = None,
    fingerprints: Mapping[Group, str] | None = None,
    contents: Mapping[str, str] | None = None,
) -> str:
    """Write ``scan.json``.

    Args:
        result: what was found.
        scores: with them, every flagged sample also gets the raw score that each detector gave it.
        fingerprints: what each finding is known by, so that it can be told again as SARIF.
        contents: by id the SHA-256 of the content of the flagged samples, so that one that changes is known again.

    Returns:
        Indented JSON; what is not a finite number is ``null``.
    """
    return to_json(_record(result, scores, contents or {}) | _known(fingerprints or {}))


def to_json(record: dict[str, Any]) -> str:
    """Write a record as strict, indented JSON, whatever the names in it are made of."""
    text = json.dumps(_finite(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # UTF-8 has no unpaired surrogates; what Python escapes them with is JSON's escape, so ids come back as they were.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _record(result: ScanResult, scores: ScanScores | None, contents: Mapping[str, str]) -> dict[str, Any]:
    names = {row.label: row.name for row in result.classes}
    record: dict[str, Any] = {
        "format": FORMAT,
        **_said(result, "verdict", "reasons", "source", "digest", "size", "mode", "model"),
        "learned": _share(result.learned),
        "held_out": _share(result.held_out),
        **_said(result, "features", "trained", "calibration", "calibration_note", "reference_size"),
        "coverage": [asdict(one) for one in result.coverage],
        "alarms": [_alarm(alarm) for alarm in result.alarms],
        **_said(result, "not_run", "skipped", "warnings"),
        "classes": [asdict(row) for row in result.classes],
        "detectors": [asdict(run) for run in result.runs],
        **_said(result, "seed", "seconds", "versions", "machine"),
        "flagged": [_flag(flag, names, scores, contents) for flag in result.flagged],
    }
    if result.made is not None:
        record["made"] = asdict(result.made)
    if result.accepted:
        record["accepted"] = [asdict(one) for one in result.accepted]
    if result.fused_auroc is not None:
        record["fused_auroc"] = result.fused_auroc
    if result.thresholds:
        record["thresholds"] = result.thresholds
    if result.losses is not None:
        record["losses"] = asdict(result.losses)
    if result.sharding is not None:
        record["sharding"] = asdict(result.sharding)
    return record


def _known(fingerprints: Mapping[Group, str]) -> dict[str, Any]:
    listed = [
        {"label": label, "rule_id": rule_id, "fingerprint": one} for (label, rule_id), one in fingerprints.items()
    ]
    return {"fingerprints": listed} if listed else {}


def _said(found: object, *names: str) -> dict[str, Any]:
    return {name: getattr(found, name) for name in names}


def _share(found: Estimate | None) -> dict[str, Any] | None:
    return None if found is None else _said(found, "value", "low", "high", "n")


def _alarm(alarm: Alarm) -> dict[str, Any]:
    test = alarm.transplant
    return {
        "class": alarm.class_name,
        **_said(alarm, "label", "tier", "rule_id", "reasons", "p_value", "p_method", "carriers"),
        "trigger": asdict(alarm.trigger) if alarm.trigger else None,
        "flip_rate": _share(test.flip_rate) if test else None,
        **{name: test and getattr(test, name) for name in _TESTED},
        "benign": alarm.benign,
    }


def _flag(
    flag: Flag, names: Mapping[int, str], scores: ScanScores | None, contents: Mapping[str, str]
) -> dict[str, Any]:
    record = {
        **_said(flag, "id", "label"),
        "class": names.get(flag.label),
        **_said(flag, "tier", "rule_id", "fused", "p_value"),
    }
    if flag.id in contents:
        record["content"] = contents[flag.id]
    if scores is not None:
        record["scores"] = {name: float(column[flag.position]) for name, column in scores.by_detector.items()}
    return record


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_scores(path: Path, scores: ScanScores) -> None:
    """Write every score as Parquet, whole or not at all: one row per sample, in the order of the data set.

    Columns: ``id``, ``label``, ``fused``, ``p_value`` and one per detector, in alphabetical order; what was not
    scored is NULL.

    Raises:
        DataError: the columns differ in length, or a detector has a column's name.
    """
    import duckdb

    columns = _columns(scores)
    quoted = [_quote(name) for name in columns]
    # Columns of a chunk are numbered, so that no name of a plug-in is ever part of a query unquoted.
    picked = ", ".join(f"CASE WHEN isnan(c{i}) THEN NULL ELSE c{i} END" for i in range(len(columns)))
    # On disk, not in memory: a table of any size takes what DuckDB's limit allows, the rest of it waits in a file.
    with whole_file(path) as part, TemporaryDirectory() as folder, duckdb.connect(f"{folder}/scores.db") as connection:
        connection.execute("SET threads = 1")  # the same rows give the same bytes
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        declared = ", ".join(f"{name} FLOAT" for name in quoted)
        connection.execute(f"CREATE TABLE scores (id VARCHAR, label BIGINT, {declared})")
        for chunk in _chunks(scores, columns):
            connection.register("chunk", chunk)
            connection.execute(f"INSERT INTO scores SELECT id, label, {picked} FROM chunk")  # noqa: S608 - c0, c1, ...
            connection.unregister("chunk")
        target = str(part).replace("'", "''")
        connection.execute(f"COPY scores TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def _columns(scores: ScanScores) -> dict[str, FloatArray]:
    names = sorted(scores.by_detector)
    if taken := {name.lower() for name in names} & set(_RESERVED):
        raise DataError(f"A detector is named {min(taken)!r}, which is a column of every table of scores; rename it.")
    columns = {"fused": scores.fused, "p_value": scores.p_values} | {name: scores.by_detector[name] for name in names}
    every: dict[str, NDArray[Any]] = {"label": scores.labels, **columns}
    for name, column in every.items():
        if len(column) != len(scores.ids):
            raise DataError(f"{len(column)} values of {name!r} were given for {len(scores.ids)} samples.")
    return columns


def _chunks(scores: ScanScores, columns: Mapping[str, FloatArray]) -> Iterator[dict[str, NDArray[Any]]]:
    for start in range(0, len(scores.ids), _ROWS):
        end = min(start + _ROWS, len(scores.ids))
        ids = [scores.ids[i].encode("utf-8", "backslashreplace").decode() for i in range(start, end)]
        chunk: dict[str, NDArray[Any]] = {
            "id": np.array(ids, dtype=object),
            "label": np.asarray(scores.labels[start:end], np.int64),
        }
        for i, column in enumerate(columns.values()):
            chunk[f"c{i}"] = np.ascontiguousarray(column[start:end], np.float32)
        yield chunk


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
