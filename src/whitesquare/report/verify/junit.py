"""A verification as JUnit XML, for build servers: one case per thing that was checked."""

from xml.etree import ElementTree as Xml

from whitesquare.provenance.changes import read_changes
from whitesquare.provenance.types import KINDS
from whitesquare.provenance.verify import Verification
from whitesquare.report.common import formats
from whitesquare.report.common.xml_text import fit
from whitesquare.report.verify.text import described, headline

_FIRST = 20


def verification_junit(found: Verification) -> str:
    """Write a verification as JUnit XML; where the statement is not to be believed, the rest is skipped."""
    suite = Xml.Element("testsuite", name="whitesquare verify", time=f"{found.seconds:.3f}")
    compared = found.compared
    _case(suite, "signed, trusted and no older than before", "" if compared else found.reason)
    for kind in KINDS:
        _case(suite, f"no sample {kind}", _named(found, kind), skipped=not compared)
    refused = "\n".join(formats.visible(f"{id} {reason}") for id, reason in list(found.refused.items())[:_FIRST])
    _case(suite, "plain files only", refused, skipped=not compared)
    failed = bool(found.refused) or any(found.counts.values())
    other = found.reason if compared and not found.ok and not failed else ""
    _case(suite, "classes and shape as signed", other, skipped=not compared)
    for name, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    suite.set("errors", "0")
    Xml.SubElement(suite, "system-out").text = fit(headline(found))
    Xml.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(suite, encoding="unicode")}\n'


def _named(found: Verification, kind: str) -> str:
    if found.changes is None or not found.counts[kind]:
        return ""
    shown = [formats.visible(described(one)) for one in read_changes(found.changes, kind, limit=_FIRST)]
    return "\n".join([f"{found.counts[kind]} {kind}; the first:", *shown])


def _case(suite: Xml.Element, name: str, failure: str, *, skipped: bool = False) -> None:
    case = Xml.SubElement(suite, "testcase", classname="whitesquare.verify", name=name)
    if skipped:
        Xml.SubElement(case, "skipped", message="nothing was compared")
    elif failure:
        lines = fit(failure).splitlines()
        Xml.SubElement(case, "failure", message=lines[0]).text = "\n".join(lines)
