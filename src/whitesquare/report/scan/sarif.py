"""The scan as SARIF 2.1.0, for code scanning: one result per class and rule, its samples as locations.

A result keeps its fingerprint when files or folders are renamed: it is made of the rule, the class and the content of
the flagged samples, so that a finding that was judged once stays judged. Where no sample is flagged, the digest of the
data set takes their place: such an alarm is about these data and no others. Of attested data the fingerprints are those
that are signed and that a waiver names; the root of what was scanned is in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import whitesquare
from whitesquare.records import TIERS
from whitesquare.report.common import formats
from whitesquare.report.common.sarif_parts import (
    BASE,
    FINGERPRINT,
    LOCATIONS,
    escape,
    safe,
    sample_uri,
    write_log,
)
from whitesquare.report.scan.rules import TAGS, ScanRule, rule_of
from whitesquare.report.scan.text import headline
from whitesquare.scanning.fingerprints import flags_by_group, group_fingerprint
from whitesquare.scanning.types import Alarm, DetectorRun, Flag, ScanResult

LEVELS = dict(zip(TIERS, ("error", "warning", "note"), strict=True))


@dataclass(frozen=True)
class _Group:
    """What one rule says about one class; ``flags`` may be empty where only the class as a whole stands out."""

    label: int
    class_name: str
    rule_id: str
    tier: str
    flags: tuple[Flag, ...]
    alarm: Alarm | None


def scan_sarif(result: ScanResult, contents: Mapping[str, str], root: str = "") -> str:
    """Write a scan as SARIF 2.1.0.

    Args:
        result: what was found.
        contents: SHA-256 of the content of every flagged sample (see ``ImageDataset.content``), by id.
        root: of what was scanned, where the data are attested.

    Raises:
        DataError: the digest of a flagged sample is missing.
    """
    groups = _groups(result)
    rules = _rules(result, groups)
    position = {rule.rule_id: i for i, rule in enumerate(rules)}
    driver = {
        "name": "whitesquare",
        "semanticVersion": whitesquare.__version__,
        "version": whitesquare.__version__,
        "rules": [_descriptor(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(result, position)],
        "originalUriBaseIds": {BASE: {"description": {"text": f"The data set scanned: {safe(result.source)}"}}},
        "results": [_result(group, position, _fingerprint(group, contents, root, result.digest)) for group in groups],
        "properties": {
            "verdict": result.verdict,
            "dataset": {"sha256": result.digest, "size": result.size},
            "calibration": result.calibration,
            "seed": result.seed,
        },
    }
    return write_log(run)


def _groups(result: ScanResult) -> list[_Group]:
    """Bring flags and alarms together by class and rule, strongest first."""
    flags = flags_by_group(result.flagged)
    alarms = {(alarm.label, alarm.rule_id): alarm for alarm in reversed(result.alarms)}
    names = {row.label: row.name for row in result.classes} | {one.label: one.class_name for one in result.alarms}
    groups = []
    for label, rule_id in dict.fromkeys([*alarms, *flags]):
        found, alarm = flags.get((label, rule_id), []), alarms.get((label, rule_id))
        tiers = {flag.tier for flag in found} | ({alarm.tier} if alarm else set())
        tier = min(tiers, key=TIERS.index)
        groups.append(_Group(label, names.get(label, str(label)), rule_id, tier, tuple(found), alarm))
    return sorted(groups, key=lambda group: (TIERS.index(group.tier), group.label, group.rule_id))


def _rules(result: ScanResult, groups: Sequence[_Group]) -> list[ScanRule]:
    runs = {run.rule_id: run for run in result.runs}
    missing = {group.rule_id for group in groups} - set(runs)
    runs |= {rule_id: DetectorRun(rule_id, rule_id, "unknown", 0.0) for rule_id in missing}
    return [rule_of(rule_id, run.name, run.family) for rule_id, run in sorted(runs.items())]


def _descriptor(rule: ScanRule) -> dict[str, Any]:
    return {
        "id": rule.rule_id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": safe(rule.summary, 250)},
        "fullDescription": {"text": escape(rule.text)},
        "help": {"text": f"{escape(rule.text)}\n\nIn a terminal: whitesquare explain {safe(rule.rule_id)}"},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": [*TAGS, rule.family]},
    }


def _fingerprint(group: _Group, contents: Mapping[str, str], root: str, digest: str) -> str:
    within = root or ("" if group.flags else digest)
    return group_fingerprint(group.rule_id, group.class_name, group.flags, contents, within)


def _result(group: _Group, position: Mapping[str, int], fingerprint: str) -> dict[str, Any]:
    return {
        "ruleId": group.rule_id,
        "ruleIndex": position[group.rule_id],
        "level": LEVELS[group.tier],
        "message": {"text": _message(group)},
        "locations": _locations(group),
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "properties": {
            "tier": group.tier,
            "class": group.class_name,
            "label": group.label,
            "samples": len(group.flags),
        },
    }


def _message(group: _Group) -> str:
    samples = formats.plural(len(group.flags), "sample").replace(formats.SPACE, " ")
    counts = {tier: sum(flag.tier == tier for flag in group.flags) for tier in TIERS}
    known = [f"{number} {tier}" for tier, number in counts.items() if number]
    rule = safe(group.rule_id)
    flagged = f"flagged by {rule} ({', '.join(known)})" if len(known) > 1 else f"flagged as {group.tier} by {rule}"
    first = f"Class {safe(repr(group.class_name))}: {samples} {flagged}."
    more = f"The first {LOCATIONS} are listed." if len(group.flags) > LOCATIONS else ""
    reasons = [safe(reason, 500) for reason in group.alarm.reasons] if group.alarm else []
    benign = (
        [f"It could also be: {safe('; '.join(group.alarm.benign), 300)}."] if group.alarm and group.alarm.benign else []
    )
    return " ".join(part for part in (first, more, *reasons, *benign) if part)


def _locations(group: _Group) -> list[dict[str, Any]]:
    place = [{"name": formats.visible(group.class_name), "kind": "class"}]
    if not group.flags:
        return [{"logicalLocations": place}]
    return [
        {
            "physicalLocation": {"artifactLocation": {"uri": sample_uri(flag.id), "uriBaseId": BASE}},
            "logicalLocations": place,
        }
        for flag in group.flags[:LOCATIONS]
    ]


def _invocation(result: ScanResult, position: Mapping[str, int]) -> dict[str, Any]:
    notes: list[dict[str, Any]] = []
    for run in result.runs:
        if run.reason:
            verb = "crashed" if run.crashed else "did not run"
            notes.append(
                {
                    "level": "error" if run.crashed else "warning",
                    "message": {"text": f"Detector {safe(run.name)} {verb}: {safe(run.reason, 500)}"},
                    "associatedRule": {"id": run.rule_id, "index": position[run.rule_id]},
                }
            )
    if result.undecided:
        notes.append({"level": "error", "message": {"text": f"Not decided: {safe(result.undecided, 500)}"}})
    notes += [{"level": "warning", "message": {"text": safe(warning, 500)}} for warning in result.warnings]
    for name, reason in result.skipped.items():
        notes.append({"level": "warning", "message": {"text": f"Skipped {safe(name, 200)}: {safe(reason, 300)}"}})
    return {
        "executionSuccessful": not result.undecided and not any(run.crashed for run in result.runs),
        "exitCodeDescription": formats.plain(headline(result)),
        "toolExecutionNotifications": notes,
    }
