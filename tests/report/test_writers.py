"""The one SARIF builder and the one JUnit writer: whatever they are told stays text, and the counts are the cases'."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import jsonschema

from whitesquare._base.taxonomy import POISON_MODEL
from whitesquare.report.common.junit import JunitCase, JunitSuite, write_junit
from whitesquare.report.common.sarif import SarifNote, SarifPlace, SarifResult, SarifRule, SarifRun, write_sarif

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
LINK = r"[click](http://evil) \ "
ESCAPED = r"\[click\](http://evil) \\ "


def test_no_text_of_a_run_is_a_link_and_what_is_empty_is_left_out() -> None:
    rules = [SarifRule("A1", "a-rule", LINK, LINK, LINK, "note", (), (POISON_MODEL,)),
             SarifRule("B2", "other", "b", "b", "b", "error", ("tag",))]  # fmt: skip
    full = SarifResult("B2", "error", LINK, (SarifPlace(LINK, LINK, "class", LINK),), "f" * 64, {"n": 1}, (LINK,))
    bare = SarifResult("A1", "note", "text", (SarifPlace(name="data set", kind="module"),), "e" * 64)
    text = write_sarif(
        SarifRun("tool", rules, (full, bare), "kind/v1", "HERE", LINK, LINK, {}, notes=(SarifNote("note", LINK, "B2"),))
    )
    log = json.loads(text)
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    (run,) = log["runs"]
    first, second = run["results"]
    texts = [
        first["message"]["text"],
        first["locations"][0]["message"]["text"],
        first["suppressions"][0]["justification"],
        run["originalUriBaseIds"]["HERE"]["description"]["text"],
        run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"],
        *(run["tool"]["driver"]["rules"][0][key]["text"] for key in ("shortDescription", "fullDescription", "help")),
    ]
    assert set(texts) == {ESCAPED}
    assert (first["ruleIndex"], second["ruleIndex"]) == (1, 0)
    assert not {"properties", "suppressions"} & set(second)
    assert second["locations"] == [{"logicalLocations": [{"name": "data set", "kind": "module"}]}]
    assert "relationships" not in run["tool"]["driver"]["rules"][1]


def test_a_run_without_terms_and_notes_speaks_of_neither() -> None:
    (run,) = json.loads(write_sarif(SarifRun("tool", (), (), "kind/v1", "HERE", "here", "done", {})))["runs"]
    assert "taxonomies" not in run
    assert "supportedTaxonomies" not in run["tool"]["driver"]
    assert run["invocations"] == [{"executionSuccessful": True, "exitCodeDescription": "done"}]


def test_the_counts_of_a_suite_are_those_of_its_cases() -> None:
    outcomes = ("", "failure", "failure", "error", "skipped", "skipped", "skipped")
    cases = [JunitCase("g", f"{i}\x00", one, "why\x01", "t" * (i % 2), "all", i / 2) for i, one in enumerate(outcomes)]
    suite = Xml.fromstring(write_junit(JunitSuite("s", cases, 1.25, "said", {"p": "\ud800"})))
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped", "time")] == [
        "7",
        "2",
        "1",
        "3",
        "1.250",
    ]
    assert [[child.tag for child in case] for case in suite.findall("testcase")] == [
        [one] if one else [] for one in outcomes
    ]
    second = suite.findall("testcase")[1]
    assert (second.get("name"), second.get("time")) == ("1\ufffd", "0.500")
    assert second[0].attrib == {"type": "t", "message": "why\ufffd"}
    assert suite.find("properties/property").attrib == {"name": "p", "value": "\ufffd"}  # type: ignore[union-attr]
