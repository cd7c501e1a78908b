"""The scan as JUnit XML, for build servers: one case per class, per detector that did not run, and for the model."""

from whitesquare.report.common import formats
from whitesquare.report.common.junit import JunitCase, JunitSuite, write_junit
from whitesquare.report.scan.text import headline
from whitesquare.scanning.types import Alarm, ClassRow, DetectorRun, ScanResult


def scan_junit(result: ScanResult) -> str:
    """Write a scan as JUnit XML.

    A class fails if it is confirmed (type ``confirmed``) or suspicious (type ``suspicious``), and is skipped if a
    baseline accepts that; a detector that did not run is skipped; one that crashed, and a model that has learned
    nothing, is an error. Samples that only rank high fail nothing.
    """
    alarms = {alarm.label: alarm for alarm in reversed((*result.new_alarms, *result.alarms))}
    cases = [_class_case(row, alarms.get(row.label), result) for row in result.classes]
    if result.learned is not None:
        outcome = "error" if result.undecided else ""
        cases.append(JunitCase("whitesquare.model", "the model has learned the data", outcome, result.undecided))
    cases += [_detector_case(run) for run in result.runs if run.reason]
    said = "\n".join((headline(result), *result.reasons, *result.warnings))
    seconds = sum(formats.number(one) or 0.0 for one in result.seconds.values())
    properties = {name: str(getattr(result, name)) for name in ("source", "digest", "verdict", "calibration", "mode")}
    return write_junit(JunitSuite("whitesquare scan", cases, seconds, said, properties))


def _class_case(row: ClassRow, alarm: Alarm | None, result: ScanResult) -> JunitCase:
    group, name = f"whitesquare.{result.source}", f"class {row.name}"
    if alarm is None:
        return JunitCase(group, name)
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


def _detector_case(run: DetectorRun) -> JunitCase:
    outcome = "error" if run.crashed else "skipped"
    return JunitCase("whitesquare.detectors", run.name, outcome, run.reason, seconds=run.seconds)
