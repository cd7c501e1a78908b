"""The scan as JUnit XML, for build servers.

A case per class, per detector that did not run, per rule that could not have raised an alarm in every class, for the
files that were left out, and for the model.
"""

from whitesquare.report.common import formats
from whitesquare.report.common.junit import JunitCase, JunitSuite, write_junit
from whitesquare.report.scan.text import headline, skipped
from whitesquare.scanning.types import NOT_CHECKED, Alarm, ClassRow, Coverage, DetectorRun, ScanResult

_COVERAGE = "whitesquare.coverage"
_FILES = 1000
"""Files named, of those that were left out."""


def scan_junit(result: ScanResult) -> str:
    """Write a scan as JUnit XML.

    A class fails if it is confirmed (type ``confirmed``) or suspicious (type ``suspicious``), and is skipped if a
    baseline accepts that. A class without samples, a detector that did not run, and a rule that could not have raised
    an alarm in every class are skipped. A class of which too much was left out, a detector that crashed, a scan that
    checked nothing, and a model that has learned nothing are errors. Samples that only rank high fail nothing.
    """
    alarms = {alarm.label: alarm for alarm in reversed((*result.new_alarms, *result.alarms))}
    cases = [_class_case(row, alarms.get(row.label), result) for row in result.classes]
    if result.learned is not None:
        outcome = "error" if result.undecided else ""
        cases.append(JunitCase("whitesquare.model", "the model has learned the data", outcome, result.undecided))
    cases += [_detector_case(run) for run in result.runs if run.reason]
    cases += [_rule_case(one) for one in result.coverage if one.classes < one.of]
    if result.verdict == NOT_CHECKED:
        cases.append(JunitCase(_COVERAGE, "the scan could have found something", "error", headline(result)))
    if result.skipped:
        cases.append(_files_case(result))
    said = "\n".join((headline(result), *result.reasons, *result.warnings))
    seconds = sum(formats.number(one) or 0.0 for one in result.seconds.values())
    properties = {name: str(getattr(result, name)) for name in ("source", "digest", "verdict", "calibration", "mode")}
    return write_junit(JunitSuite("whitesquare scan", cases, seconds, said, properties))


def _class_case(row: ClassRow, alarm: Alarm | None, result: ScanResult) -> JunitCase:
    group, name = f"whitesquare.{result.source}", f"class {row.name}"
    if alarm is None and row.thinned:
        return JunitCase(group, name, "error", f"{row.left_out} of {row.left_out + row.size} samples were left out")
    if alarm is None:
        return JunitCase(group, name) if row.size else JunitCase(group, name, "skipped", "it has no samples")
    if alarm not in result.new_alarms:
        return JunitCase(group, name, "skipped", alarm.reasons[-1])
    message = alarm.reasons[0] if alarm.reasons else f"The class is {alarm.tier}."
    flagged = [flag.id for flag in result.flagged if flag.label == row.label and flag.tier == alarm.tier]
    lines = [
        *alarm.reasons,
        f"rule {alarm.rule_id}, p = {formats.p_value(alarm.p_value)} ({alarm.p_method})",
        f"{formats.count(alarm.carriers)} samples flagged; the first:",
        *(formats.visible(sample) for sample in flagged[:20]),
    ]
    return JunitCase(group, name, "failure", message, alarm.tier, "\n".join(lines))


def _rule_case(covered: Coverage) -> JunitCase:
    said = f"It could have raised an alarm in {covered.classes} of {covered.of} classes: {covered.why}"
    return JunitCase(_COVERAGE, f"rule {covered.rule_id}", "skipped", said)


def _files_case(result: ScanResult) -> JunitCase:
    listed = list(result.skipped.items())
    lines = [f"{formats.visible(name)}: {formats.short(reason, 300)}" for name, reason in listed[:_FILES]]
    if len(listed) > _FILES:
        lines.append(f"and {len(listed) - _FILES} more")
    return JunitCase(_COVERAGE, "every file was scanned", "skipped", skipped(result), text="\n".join(lines))


def _detector_case(run: DetectorRun) -> JunitCase:
    outcome = "error" if run.crashed else "skipped"
    return JunitCase("whitesquare.detectors", run.name, outcome, run.reason, seconds=run.seconds)
