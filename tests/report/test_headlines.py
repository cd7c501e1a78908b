"""A result is said in one line, and it is the same line in the terminal, the page, SARIF and JUnit."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.gate.test_outputs import VERDICTS
from whitesquare.provenance.verify import Verification
from whitesquare.report.common import formats
from whitesquare.report.common.shown import Shown, ShownLines
from whitesquare.report.gate import text as gate_text
from whitesquare.report.gate.junit import gate_junit
from whitesquare.report.gate.markdown import gate_markdown
from whitesquare.report.gate.sarif import gate_sarif
from whitesquare.report.scan import text as scan_text
from whitesquare.report.scan.junit import scan_junit
from whitesquare.report.scan.page import render_scan
from whitesquare.report.scan.sarif import scan_sarif
from whitesquare.report.verify import text as verify_text
from whitesquare.report.verify.junit import verification_junit
from whitesquare.report.verify.sarif import verification_sarif
from whitesquare.scanning.types import ScanResult

from .scan_sample import nothing_found, nothing_ran, result, scan


def _scan_sarif(found: ScanResult) -> str:
    return scan_sarif(found, dict.fromkeys((flag.id for flag in found.flagged), "0" * 64))


FOUND = Verification("data", False, "The key of eve [1] is not trusted.", False)
SCANS = {"found": result(flagged=()), "nothing": nothing_found(), "idle": nothing_ran()}
CASES: dict[str, tuple[Any, Any, Callable[[Any], str], Callable[[Any], str]]] = {
    **{name: (one, scan_text, _scan_sarif, scan_junit) for name, one in SCANS.items()},
    **{name: (one, gate_text, gate_sarif, gate_junit) for name, one in VERDICTS.items()},
    "verify": (FOUND, verify_text, verification_sarif, verification_junit),
}


def first_of(parts: list[Shown]) -> str:
    (first, *_) = parts
    text = first.text if isinstance(first, ShownLines) else first
    assert isinstance(text, str)
    return formats.plain(text)


@pytest.mark.parametrize("name", CASES)
def test_every_output_says_the_headline(name: str) -> None:
    found, text, sarif, junit = CASES[name]
    headline = text.headline(found)
    assert "\n" not in headline
    assert first_of(text.shown(found)).startswith(formats.plain(headline))
    (invocation,) = json.loads(sarif(found))["runs"][0]["invocations"]
    assert invocation["exitCodeDescription"] == formats.plain(headline)
    said = Xml.fromstring(junit(found)).findtext("system-out")
    assert said is not None
    assert said.startswith(headline)


@pytest.mark.parametrize("name", SCANS)
def test_the_page_of_a_scan_has_it_as_title(name: str) -> None:
    page = render_scan(scan(SCANS[name]))
    titles = re.findall(r"<(?:title|h1)>([^<]*?)(?: – [^<]*)?</", page)  # noqa: RUF001 - the page's own dash
    assert [unescape(one) for one in titles] == [scan_text.headline(SCANS[name])] * 2


@pytest.mark.parametrize("name", VERDICTS)
def test_json_and_markdown_of_a_verdict_say_it(name: str) -> None:
    headline = gate_text.headline(VERDICTS[name])
    assert json.loads(gate_text.gate_json(VERDICTS[name]))["headline"] == headline
    assert headline in unescape(gate_markdown(VERDICTS[name])).splitlines()[0]
