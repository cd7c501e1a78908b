"""`whitesquare explain` prints a rule's own text, at any width, and refuses a rule it does not know."""

import json

import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.errors import UsageError
from whitesquare.report.scan.rules import explain, reflow, rule_of

pytestmark = pytest.mark.usefixtures("one_rule")


def test_the_text_is_the_module_s() -> None:
    rule = explain("square")
    assert rule.rule_id == "SQ01"
    assert rule.needs == ("features", "images")
    assert rule.summary == "Squares: one place is the same in every image."
    assert 'Citation: nobody, "On squares", 2026.\nCost: one pass' in rule.text
    assert "run on everything; see numpy.mean.\nFailure modes:" in rule.text
    assert "- a list\n- stays a list" in rule.text


def test_an_unknown_rule_is_refused_but_a_report_goes_on() -> None:
    with pytest.raises(UsageError, match="square"):
        explain("sqare")
    rule = rule_of("XY01", "foreign", "pixel")
    assert (rule.rule_id, rule.name) == ("XY01", "foreign")
    assert "pixel family" in rule.summary
    assert "not described" in rule_of("XY01", "foreign", "odd").summary


def test_text_that_is_no_prose_stays() -> None:
    text = "One.\n\n    code\n    more code\n\nTwo\nthree.\n"
    assert reflow(text) == "One.\n\n    code\n    more code\n\nTwo three."


def test_the_verb() -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["explain", "SQ01"])
    assert shown.exit_code == 0
    assert "SQ01 square (family: pixel; needs: features, images)" in shown.output
    assert "Failure modes: a [watermark](http://evil)." in shown.output
    found = json.loads(runner.invoke(app, ["explain", "square", "-o", "json"]).output)
    assert set(found) == {"rule_id", "name", "family", "needs", "summary", "text"}
    refused = runner.invoke(app, ["explain", "nothing"])
    assert refused.exit_code == 2
    assert "There is no detector or rule named 'nothing'" in refused.output
