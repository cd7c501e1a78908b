"""The scan as SARIF 2.1.0, for code scanning: one result per class and rule, its samples as locations.

A result keeps its fingerprint when files or folders are renamed: it is made of the rule, the class and the content of
the flagged samples, so that a finding that was judged once stays judged. Where no sample is flagged, the digest of the
data set takes their place: such an alarm is about these data and no others. Of attested data the fingerprints are those
that are signed and that a waiver names; the root of what was scanned is in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whitesquare.errors import DataError
from whitesquare.records import TIERS
from whitesquare.report.common import formats, sarif
from whitesquare.report.scan.rules import TAGS, ScanRule, rule_of
from whitesquare.report.scan.text import coverage, headline, skipped
from whitesquare.scanning.fingerprints import Group, fingerprints, flags_by_group
from whitesquare.scanning.types import NOT_CHECKED, NOT_DECIDED, Alarm, DetectorRun, Flag, ScanResult

LEVELS = dict(zip(TIERS, ("error", "warning", "note"), strict=True))
REVIEW = TIERS[-1]


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
    return stored_sarif(result, fingerprints(result, contents, root))


def stored_sarif(result: ScanResult, known: Mapping[Group, str]) -> str:
    """Write a scan as SARIF 2.1.0, by fingerprints that are known.

    Args:
        result: what was found.
        known: what :func:`whitesquare.scanning.fingerprints.fingerprints` returned.

    Raises:
        DataError: one is missing.
    """
    groups = _groups(result)
    if missing := [group for group in groups if (group.label, group.rule_id) not in known]:
        raise DataError(
            f"The fingerprint of what {missing[0].rule_id} says of the class {missing[0].class_name!r:.60} is missing, "
            "so that code scanning could not tell it from a new finding; scan again."
        )
    new = {(alarm.label, alarm.rule_id) for alarm in result.new_alarms}
    accepted = {(one.label, one.rule_id): f"{one.why} ({one.by}, {one.when})" for one in result.accepted}
    why = {group: reason for group, reason in accepted.items() if group not in new}
    run = sarif.SarifRun(
        tool="whitesquare",
        rules=[_descriptor(rule) for rule in _rules(result, groups)],
        results=[_result(group, known, why) for group in groups],
        fingerprints=sarif.FINGERPRINT,
        base="DATASET",
        base_text=f"The data set scanned: {formats.short(result.source, 80)}",
        headline=headline(result),
        properties={
            "verdict": result.verdict,
            "dataset": {"sha256": result.digest, "size": result.size},
            "calibration": result.calibration,
            "seed": result.seed,
        },
        successful=result.verdict not in (NOT_DECIDED, NOT_CHECKED) and not any(run.crashed for run in result.runs),
        notes=_notes(result),
    )
    return sarif.write_sarif(run)


def _groups(result: ScanResult) -> list[_Group]:
    """Bring flags and alarms together by class and rule, strongest first.

    What is in the review queue alone is no finding: one clean sample in a hundred is, in every scan of every data set.
    """
    flags = flags_by_group(result.flagged)
    alarms = {(alarm.label, alarm.rule_id): alarm for alarm in reversed(result.alarms)}
    names = {row.label: row.name for row in result.classes} | {one.label: one.class_name for one in result.alarms}
    groups = []
    found_of = {group for group, some in flags.items() if any(flag.tier != REVIEW for flag in some)}
    for label, rule_id in dict.fromkeys([*alarms, *(group for group in flags if group in found_of)]):
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


def _descriptor(rule: ScanRule) -> sarif.SarifRule:
    help = f"{rule.text}\n\nIn a terminal: whitesquare explain {formats.short(rule.rule_id, 80)}"
    summary, about = formats.short(rule.summary, 250), (*TAGS, rule.family)
    return sarif.SarifRule(rule.rule_id, rule.name, summary, rule.text, help, "warning", about)


def _result(group: _Group, known: Mapping[Group, str], why: Mapping[Group, str]) -> sarif.SarifResult:
    key = group.label, group.rule_id
    return sarif.SarifResult(
        rule=group.rule_id,
        level=LEVELS[group.tier],
        text=_message(group),
        places=_places(group),
        fingerprint=known[key],
        accepted=[why[key]] if key in why else (),
        properties={
            "tier": group.tier,
            "class": group.class_name,
            "label": group.label,
            "samples": len(group.flags),
        },
    )


def _message(group: _Group) -> str:
    samples = formats.plain(formats.plural(len(group.flags), "sample"))
    counts = {tier: sum(flag.tier == tier for flag in group.flags) for tier in TIERS}
    known = [f"{number} {tier}" for tier, number in counts.items() if number]
    rule = formats.short(group.rule_id, 80)
    flagged = f"flagged by {rule} ({', '.join(known)})" if len(known) > 1 else f"flagged as {group.tier} by {rule}"
    parts = [f"Class {formats.short(repr(group.class_name), 80)}: {samples} {flagged}."]
    if len(group.flags) > sarif.LOCATIONS:
        parts.append(f"The first {sarif.LOCATIONS} are listed.")
    if group.alarm:
        parts += [formats.short(reason, 500) for reason in group.alarm.reasons]
        if group.alarm.benign:
            parts.append(f"It could also be: {formats.short('; '.join(group.alarm.benign), 300)}.")
    return " ".join(parts)


def _places(group: _Group) -> list[sarif.SarifPlace]:
    name = formats.visible(group.class_name)
    places = [sarif.SarifPlace(flag.id, name, "class") for flag in group.flags[: sarif.LOCATIONS]]
    return places or [sarif.SarifPlace(name=name, kind="class")]


def _notes(result: ScanResult) -> list[sarif.SarifNote]:
    notes = []
    for run in result.runs:
        if run.reason:
            level, verb = ("error", "crashed") if run.crashed else ("warning", "did not run")
            text = f"Detector {formats.short(run.name, 80)} {verb}: {formats.short(run.reason, 500)}"
            notes.append(sarif.SarifNote(level, text, run.rule_id))
    if result.undecided:
        notes.append(sarif.SarifNote("error", f"Not decided: {formats.short(result.undecided, 500)}"))
    if result.verdict == NOT_CHECKED:
        notes.append(sarif.SarifNote("error", formats.short("; ".join((headline(result), *result.reasons)), 500)))
    notes += [sarif.SarifNote("warning", told) for told in (coverage(result), skipped(result)) if told]
    if queued := sum(flag.tier == REVIEW for flag in result.flagged):
        who = formats.plain(formats.plural(queued, "sample"))
        notes.append(sarif.SarifNote("note", f"{who} in the review queue, which is no finding: see scan.json."))
    notes += [sarif.SarifNote("warning", formats.short(warning, 500)) for warning in result.warnings]
    for name, reason in result.skipped.items():
        notes.append(sarif.SarifNote("warning", f"Skipped {formats.short(name, 200)}: {formats.short(reason, 300)}"))
    return notes
