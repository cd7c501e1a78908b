"""SARIF and JUnit hold to their formats whatever the names are, and a finding keeps its fingerprint."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whitesquare
from whitesquare.errors import DataError
from whitesquare.report.common.sarif import FINGERPRINT, LOCATIONS, sample_uri
from whitesquare.report.scan.junit import scan_junit
from whitesquare.report.scan.sarif import scan_sarif
from whitesquare.scanning.types import NOT_CHECKED, Flag, ScanResult

from .scan_sample import RUNS, alarm, hostile, nothing_found, nothing_ran, result

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
CASES = {"found": result(), "clean": nothing_found(), "idle": nothing_ran(), "hostile": hostile()}

pytestmark = pytest.mark.usefixtures("one_rule")


def contents(found: ScanResult) -> dict[str, str]:
    return {flag.id: hashlib.sha256(flag.id.encode()).hexdigest() for flag in found.flagged}


def run_of(found: ScanResult, digests: dict[str, str] | None = None) -> dict[str, Any]:
    log = json.loads(scan_sarif(found, contents(found) if digests is None else digests))
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    assert len(log["runs"]) == 1
    return dict(log["runs"][0])


def fingerprints(run: dict[str, Any]) -> list[str]:
    return [one["partialFingerprints"][FINGERPRINT] for one in run["results"]]


@pytest.mark.parametrize("name", CASES)
def test_sarif_follows_the_published_schema(name: str) -> None:
    run = run_of(CASES[name])
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["version"] == whitesquare.__version__
    assert len({rule["id"] for rule in rules}) == len(rules)
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["locations"]
    for rule in rules:
        assert {"MITRE ATLAS AML.T0020", "OWASP ML02:2023"} <= set(rule["properties"]["tags"])
        assert rule["help"]["text"]


def test_one_result_per_class_and_rule() -> None:
    run = run_of(result())
    (first,) = run["results"]
    assert (first["ruleId"], first["level"], first["properties"]["label"]) == ("SS01", "error", 0)
    assert first["properties"]["samples"] == 312
    assert len(first["locations"]) == LOCATIONS
    assert first["locations"][1]["physicalLocation"]["artifactLocation"]["uri"] == "train/00037"
    assert first["message"]["text"].startswith("Class '0': 312 samples flagged as confirmed by SS01.")
    assert "watermark" in first["message"]["text"]


def test_a_class_without_flagged_samples_is_a_result_too() -> None:
    found = result(alarms=(alarm(), alarm(3, "3", "suspicious")), flagged=())
    run = run_of(found)
    assert [one["level"] for one in run["results"]] == ["error", "warning"]
    assert run["results"][1]["locations"] == [{"logicalLocations": [{"name": "3", "kind": "class"}]}]


def test_what_did_not_run_is_told() -> None:
    call = run_of(result())["invocations"][0]
    assert call["executionSuccessful"] is False
    told = {(note["level"], note.get("associatedRule", {}).get("id")) for note in call["toolExecutionNotifications"]}
    assert {("warning", "NR01"), ("error", "FR01"), ("warning", None), ("note", None)} == told
    assert run_of(nothing_found())["invocations"][0] == {
        "executionSuccessful": True,
        "exitCodeDescription": "Nothing found by any of the 5 detectors",
        "toolExecutionNotifications": [
            {"level": "note", "message": {"text": "9 samples in the review queue, which is no finding: see scan.json."}}
        ],
    }


def test_a_known_rule_brings_its_text() -> None:
    runs = (replace(RUNS[0], name="square", rule_id="SQ01"),)
    rule = run_of(nothing_found(runs=runs, flagged=()))["tool"]["driver"]["rules"][0]
    assert rule["name"] == "Square"
    assert rule["shortDescription"]["text"] == "Squares: one place is the same in every image."
    assert r"\[watermark\](http://evil)" in rule["fullDescription"]["text"]
    assert "whitesquare explain SQ01" in rule["help"]["text"]


def test_nothing_in_a_message_becomes_a_link() -> None:
    text = scan_sarif(hostile(), contents(hostile()))
    run = json.loads(text)["runs"][0]
    assert r"\[x\](http://evil)" in run["results"][0]["message"]["text"]
    shown = json.dumps([[rule["fullDescription"], rule["help"]] for rule in run["tool"]["driver"]["rules"]])
    shown += json.dumps([[one["message"], one["locations"][0]["logicalLocations"]] for one in run["results"]])
    assert "\\u001b" not in shown
    assert "\\u202e" not in shown


def test_fingerprints_survive_renaming() -> None:
    found, digests = result(), contents(result())
    renamed = replace(
        found, source="elsewhere",
        flagged=tuple(replace(flag, id=f"moved/{i}.png", position=i) for i, flag in enumerate(reversed(found.flagged))),
    )  # fmt: skip
    moved = {f"moved/{i}.png": digests[flag.id] for i, flag in enumerate(reversed(found.flagged))}
    assert fingerprints(run_of(renamed, moved)) == fingerprints(run_of(found))


def test_fingerprints_change_with_content_class_and_rule() -> None:
    found = result(alarms=(alarm(), replace(alarm(1, "1", "suspicious"), rule_id="LS01")))
    digests = contents(found)
    before = fingerprints(run_of(found))
    changed = digests | {found.flagged[312].id: "0" * 64}
    after = fingerprints(run_of(found, changed))
    assert len(set(before)) == len(before)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    last = digests | {found.flagged[311].id: "0" * 64}  # beyond the locations that are written
    assert fingerprints(run_of(found, last))[0] != before[0]
    other = replace(found, alarms=(replace(alarm(), class_name="zero"), *found.alarms[1:]))
    assert fingerprints(run_of(other))[0] != before[0]


def test_a_missing_digest_is_refused() -> None:
    with pytest.raises(DataError, match="train/00000"):
        scan_sarif(result(), {})


@given(st.text(st.characters(), min_size=1))
def test_a_location_is_a_relative_reference_that_leads_back(sample: str) -> None:
    uri = sample_uri(sample)
    parts = urlsplit(uri)
    assert not parts.scheme
    assert not parts.netloc
    assert not uri.startswith("/")
    assert uri.isascii()
    assert not {".", ".."} & set(unquote(uri).split("/"))
    if "." not in sample.split("/") and ".." not in sample.split("/") and sample.strip("/") and sample.isprintable():
        assert unquote(uri) == sample.lstrip("/")


@pytest.mark.parametrize("name", CASES)
def test_junit_is_whole(name: str) -> None:
    found = CASES[name]
    suite = Xml.fromstring(scan_junit(found))
    cases = suite.findall("testcase")
    short = sum(one.classes < one.of for one in found.coverage)
    told = len(found.classes) + len(found.not_run) + short + bool(found.skipped) + (found.verdict == NOT_CHECKED)
    assert suite.get("tests") == str(len(cases)) == str(told)
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.get(attribute) == str(len(suite.findall(f"testcase/{tag}")))


def test_junit_tells_confirmed_from_suspicious_from_not_run() -> None:
    suite = Xml.fromstring(scan_junit(result(alarms=(alarm(), alarm(3, "3", "suspicious")))))
    failures = {case.get("name"): one.get("type") for case in suite for one in case.findall("failure")}
    assert failures == {"class 0": "confirmed", "class 3": "suspicious"}
    assert [case.get("name") for case in suite if case.find("skipped") is not None] == [
        "nearest-reference",
        "every file was scanned",
    ]
    assert [case.get("name") for case in suite if case.find("error") is not None] == ["frequency"]
    assert Xml.fromstring(scan_junit(nothing_found())).get("failures") == "0"


@given(st.text(st.characters()))
def test_junit_holds_any_text(text: str) -> None:
    found = replace(nothing_found(), source=text, reasons=(text,), alarms=(replace(alarm(0, text), reasons=(text,)),))
    flagged = (Flag(text, 0, 0, "confirmed", text, 1.0, None),)
    assert Xml.fromstring(scan_junit(replace(found, flagged=flagged)).encode()).tag == "testsuite"
