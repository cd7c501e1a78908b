"""A verdict as JUnit XML, for build servers: one case per rule; one that somebody answers for is skipped."""

from xml.etree import ElementTree as Xml

from whitesquare.gating.types import FAILED, MISSING, WAIVED, RuleResult, Verdict
from whitesquare.report.common import formats
from whitesquare.report.common.xml_text import fit
from whitesquare.report.gate.text import headline, left_out, unused


def gate_junit(verdict: Verdict) -> str:
    """Write a verdict as JUnit XML; a failure's type is ``FAILED`` or ``MISSING``."""
    suite = Xml.Element(
        "testsuite",
        name="whitesquare gate",
        tests=str(len(verdict.rules)),
        failures=str(len(verdict.failed)),
        errors="0",
        skipped=str(sum(rule.status == WAIVED for rule in verdict.rules)),
        time="0.000",
    )
    properties = Xml.SubElement(suite, "properties")
    for name in ("result", "model", "manifest", "policy", "decided"):
        Xml.SubElement(properties, "property", name=name, value=fit(str(getattr(verdict, name))))
    for rule in verdict.rules:
        _case(suite, rule)
    Xml.SubElement(suite, "system-out").text = fit(
        "\n".join((headline(verdict), *verdict.notes, *unused(verdict), *left_out(verdict)))
    )
    Xml.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(suite, encoding="unicode")}\n'


def _case(suite: Xml.Element, rule: RuleResult) -> None:
    case = Xml.SubElement(suite, "testcase", classname="whitesquare.gating", name=rule.rule, time="0.000")
    if rule.status in (FAILED, MISSING):
        failure = Xml.SubElement(case, "failure", type=rule.status, message=fit(formats.short(rule.reason, 300)))
        told = [
            *(one.reason for one in rule.faults),
            f"found: {rule.found}",
            f"expected: {rule.expected}",
            f"next: {rule.step}",
        ]
        failure.text = fit("\n".join(formats.visible(line) for line in told))
    elif rule.status == WAIVED:
        said = "; ".join(f"{one.reason} Waived by {one.waiver.by}: {one.waiver.reason}" for one in rule.waived)
        Xml.SubElement(case, "skipped", message=fit(formats.short(said, 600)))
