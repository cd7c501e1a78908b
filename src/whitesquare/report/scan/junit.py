"""The scan as JUnit XML, for build servers: one case per class, per detector that did not run, and for the model."""

from xml.etree import ElementTree as Xml

from whitesquare.report.common import formats
from whitesquare.report.common.xml_text import fit
from whitesquare.report.scan.text import headline
from whitesquare.scanning.types import Alarm, ClassRow, DetectorRun, ScanResult


def scan_junit(result: ScanResult) -> str:
    """Write a scan as JUnit XML.

    A class fails if it is confirmed (type ``confirmed``) or suspicious (type ``suspicious``); a detector that did not
    run is skipped; one that crashed, and a model that has learned nothing, is an error. Samples that only rank high
    fail nothing.
    """
    idle = [run for run in result.runs if run.reason]
    crashed = sum(run.crashed for run in idle)
    alarms: dict[int, Alarm] = {}
    for alarm in result.alarms:
        alarms.setdefault(alarm.label, alarm)
    suite = Xml.Element(
        "testsuite",
        name="whitesquare scan",
        tests=str(len(result.classes) + len(idle) + (result.learned is not None)),
        failures=str(sum(row.label in alarms for row in result.classes)),
        errors=str(crashed + bool(result.undecided)),
        skipped=str(len(idle) - crashed),
        time=f"{sum(formats.number(one) or 0.0 for one in result.seconds.values()):.3f}",
    )
    properties = Xml.SubElement(suite, "properties")
    for name in ("source", "digest", "verdict", "calibration", "mode"):
        Xml.SubElement(properties, "property", name=name, value=fit(str(getattr(result, name))))
    for row in result.classes:
        _class_case(suite, row, alarms.get(row.label), result)
    if result.learned is not None:
        case = Xml.SubElement(suite, "testcase", classname="whitesquare.model", name="the model has learned the data")
        if result.undecided:
            Xml.SubElement(case, "error", message=fit(result.undecided))
    for run in idle:
        _detector_case(suite, run)
    Xml.SubElement(suite, "system-out").text = fit("\n".join((headline(result), *result.reasons, *result.warnings)))
    Xml.indent(suite)
    body = Xml.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _class_case(suite: Xml.Element, row: ClassRow, alarm: Alarm | None, result: ScanResult) -> None:
    case = Xml.SubElement(
        suite, "testcase", classname=fit(f"whitesquare.{result.source}"), name=fit(f"class {row.name}")
    )
    if alarm is None:
        return
    message = fit(alarm.reasons[0] if alarm.reasons else f"The class is {alarm.tier}.")
    failure = Xml.SubElement(case, "failure", type=alarm.tier, message=message)
    flagged = [flag.id for flag in result.flagged if flag.label == row.label and flag.tier == alarm.tier]
    lines = [
        *alarm.reasons,
        f"rule {alarm.rule_id}, p = {formats.p_value(alarm.p_value)} ({alarm.p_method})",
        f"{formats.count(alarm.carriers)} samples flagged; the first:",
        *(formats.visible(sample) for sample in flagged[:20]),
    ]
    failure.text = fit("\n".join(lines))


def _detector_case(suite: Xml.Element, run: DetectorRun) -> None:
    case = Xml.SubElement(
        suite, "testcase", classname="whitesquare.detectors", name=fit(run.name), time=f"{run.seconds:.3f}"
    )
    Xml.SubElement(case, "error" if run.crashed else "skipped", message=fit(run.reason))
