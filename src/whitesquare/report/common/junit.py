"""JUnit XML, for build servers: what was looked at as plain records, and the one way to write them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as Xml

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class JunitCase:
    """One thing that was looked at.

    ``outcome`` is ``failure``, ``error`` or ``skipped``, or empty where it passed; ``message`` says why in a line,
    ``text`` all of it; ``seconds`` is ``None`` where the time is not known.
    """

    group: str
    name: str
    outcome: str = ""
    message: str = ""
    type: str = ""
    text: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class JunitSuite:
    """Everything that was looked at, in ``seconds`` of time; ``said`` is the answer in words."""

    name: str
    cases: Sequence[JunitCase]
    seconds: float
    said: str
    properties: Mapping[str, str] = field(default_factory=dict)


def write_junit(suite: JunitSuite) -> str:
    """Write a suite as JUnit XML."""
    root = Xml.Element("testsuite", name=suite.name, tests=str(len(suite.cases)))
    for name, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        root.set(name, str(sum(case.outcome == outcome for case in suite.cases)))
    root.set("time", f"{suite.seconds:.3f}")
    if suite.properties:
        properties = Xml.SubElement(root, "properties")
        for name, value in suite.properties.items():
            Xml.SubElement(properties, "property", name=name, value=_fit(value))
    for case in suite.cases:
        _case(root, case)
    Xml.SubElement(root, "system-out").text = _fit(suite.said)
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _case(root: Xml.Element, case: JunitCase) -> None:
    element = Xml.SubElement(root, "testcase", classname=_fit(case.group), name=_fit(case.name))
    if case.seconds is not None:
        element.set("time", f"{case.seconds:.3f}")
    if case.outcome:
        kind = {"type": case.type} if case.type else {}
        Xml.SubElement(element, case.outcome, kind, message=_fit(case.message)).text = _fit(case.text)


def _fit(text: str) -> str:
    """Replace what XML 1.0 cannot hold, not even escaped."""
    return _UNFIT.sub("\ufffd", text)
