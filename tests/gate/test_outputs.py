"""Table, JSON, SARIF, JUnit and Markdown of the same verdict: complete, valid, and deaf to what names are made of."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitesquare.gating.rules import RULES, decide
from whitesquare.gating.types import FAILED, MISSING, PASSED, WAIVED, RunEvidence, Verdict
from whitesquare.provenance.evidence import TriggerFigure
from whitesquare.report.gate.junit import gate_junit
from whitesquare.report.gate.markdown import escape, gate_markdown
from whitesquare.report.gate.sarif import FINGERPRINT, OF_SECTION, gate_sarif
from whitesquare.report.gate.text import LIMIT, gate_json, lines, meaning

from .test_waivers import alarmed, waiver
from .world import ALARM, ALARM_KEY, FULL, MEASURED, NOW, good, policy, rule, scanned

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "report" / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8")
)
NASTY = "a|b `c` <script>alert(1)</script> [x](http://evil) @all #1 \x1b[31m \u202e \ud800 &amp; **bold**\n## head"


def judged(evidence: RunEvidence, extra: str = "") -> Verdict:
    return decide(policy(FULL + extra), evidence, NOW)


def nasty() -> RunEvidence:
    """Names of an attacker's choice wherever a signed statement can hold one."""
    scan = scanned(
        alarms=(replace(ALARM, class_name=NASTY, rule_id=NASTY),), verdict="suspicious", mode=NASTY, version=NASTY,
        detectors=("spectral-signatures", NASTY), not_run={NASTY: NASTY},
    )  # fmt: skip
    measure = replace(MEASURED, asr=(TriggerFigure(NASTY, 0, replace(MEASURED.asr[0].asr, high=0.9)),))
    found = good()
    return replace(found, scan=replace(found.scan, said=scan), measure=replace(found.measure, said=measure))


def broken() -> RunEvidence:
    found = good()
    lost = replace(found.scan, said=None, subjects=(), signers=(), problem=f"bad {NASTY}", missing=False)
    gone = replace(found.training, said=None, subjects=(), signers=(), problem="gone", missing=True)
    return replace(found, scan=lost, training=gone)


VERDICTS = {
    "passed": judged(good()),
    "failed": judged(alarmed()),
    "waived": judged(alarmed(), waiver(ALARM_KEY) + waiver("99" * 32)),
    "nasty": judged(nasty()),
    "broken": judged(broken()),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_table_fits_80_columns_verdict_first_every_rule_one_line(name: str) -> None:
    verdict = VERDICTS[name]
    shown = lines(verdict)
    assert all(len(line) <= 80 and line.isprintable() for line in shown)
    assert shown[0].startswith(f"{verdict.result}: ")
    for one in verdict.rules:
        assert sum(re.match(rf"{one.rule} +{one.status}\b", line) is not None for line in shown) == 1
    for one in verdict.failed:
        if not one.because:
            assert any(line.startswith(f"{one.rule}: ") for line in shown)
    assert (LIMIT in " ".join(shown)) is (verdict.result == PASSED)


def test_what_the_policy_did_not_ask_is_said() -> None:
    verdict = decide(policy("[data]"), good(), NOW)
    assert meaning(verdict) == (
        "PASSED means: these keys approved these samples with these labels. Not asked by the policy, so not known: "
        f"scan, review, training, measure. No rule covers the weights, so that no model can be released. {LIMIT}"
    )
    assert "Not asked" not in meaning(VERDICTS["passed"])


def test_the_table_names_what_to_do_and_what_to_waive() -> None:
    text = "\n".join(lines(VERDICTS["failed"]))
    assert "next: Look at the scan's report" in text
    assert f"to waive: {ALARM_KEY}" in text
    text = "\n".join(lines(VERDICTS["waived"]))
    assert "scan-alarms: waived by Ada until 2026-06-30: a watermark" in text
    assert "covers nothing (9999999999999999)" in text


def test_every_fault_of_many_has_its_own_fingerprint_until_there_are_too_many() -> None:
    idle = {f"detector-{i:02}": "crashed" for i in range(23)}
    verdict = judged(replace(good(), scan=replace(good().scan, said=scanned(not_run=idle))))
    shown = lines(verdict)
    assert "scan-not-run: 23 faults" in shown
    assert "  and 3 more, in -o json" in shown
    first = shown.index("  - The detector detector-00 did not run: crashed.")
    assert shown[first + 1] == f"    to waive: {rule(verdict, 'scan-not-run').faults[0].fingerprint}"
    (told,) = [one for one in json.loads(gate_json(verdict))["rules"] if one["rule"] == "scan-not-run"]
    assert len({one["fingerprint"] for one in told["faults"]}) == 23
    assert gate_markdown(verdict).count("to waive") == 20


def test_a_rule_with_nothing_to_check_points_to_the_one_that_says_why() -> None:
    text = "\n".join(lines(VERDICTS["broken"]))
    assert re.search(r"scan-age +FAILED +see scan-signed", text)
    assert "\nscan-age: " not in text
    assert re.search(r"training-model +MISSING +see training-signed", text)


@pytest.mark.parametrize("name", VERDICTS)
def test_json_holds_the_whole_verdict(name: str) -> None:
    verdict = VERDICTS[name]
    record = json.loads(gate_json(verdict))
    assert record["format"] == "whitesquare gate 1"
    assert record["result"] == verdict.result
    assert [one["rule"] for one in record["rules"]] == [one.rule for one in verdict.rules]
    assert [one["status"] for one in record["rules"]] == [one.status for one in verdict.rules]
    for one in record["rules"]:
        assert set(one) >= {"reason", "found", "expected", "step", "faults", "waived", "because"}


def sarif(verdict: Verdict) -> dict[str, Any]:
    log = json.loads(gate_sarif(verdict))
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    return dict(log["runs"][0])


@pytest.mark.parametrize("name", VERDICTS)
def test_sarif_follows_the_schema_with_a_result_for_every_rule_that_failed(name: str) -> None:
    verdict = VERDICTS[name]
    run = sarif(verdict)
    rules = run["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == [one.id for one in RULES]
    standing = [one for one in run["results"] if "suppressions" not in one]
    assert [one["ruleId"] for one in standing] == [one.rule for one in verdict.failed]
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["locations"]
        assert len(one["partialFingerprints"][FINGERPRINT]) == 64
    levels = {one["properties"]["status"]: one["level"] for one in standing}
    assert levels.items() <= {FAILED: "error", MISSING: "warning"}.items()


def test_what_is_waived_is_suppressed_not_hidden() -> None:
    (one,) = sarif(VERDICTS["waived"])["results"]
    assert one["properties"]["status"] == WAIVED
    assert one["suppressions"][0]["justification"] == "a watermark (Ada, until 2026-06-30)"


def test_rules_are_known_by_their_names_in_atlas_and_owasp() -> None:
    run = sarif(VERDICTS["failed"])
    listed = {taxon["id"]: taxon["name"] for taxonomy in run["taxonomies"] for taxon in taxonomy["taxa"]}
    assert listed == {term.id: term.name for terms in OF_SECTION.values() for term in terms}
    for known, descriptor in zip(RULES, run["tool"]["driver"]["rules"], strict=True):
        targets = [one["target"] for one in descriptor["relationships"]]
        assert {one["id"] for one in targets} == {term.id for term in OF_SECTION[known.section]}
        for one in targets:
            taxonomy = run["taxonomies"][one["toolComponent"]["index"]]
            assert taxonomy["taxa"][one["index"]]["id"] == one["id"]
            assert taxonomy["name"] == one["toolComponent"]["name"]


def test_a_fingerprint_is_of_the_finding_not_of_the_day() -> None:
    later = decide(policy(), alarmed(), NOW.replace(hour=13))
    first, second = (sarif(one)["results"][0]["partialFingerprints"] for one in (VERDICTS["failed"], later))
    assert first == second


@pytest.mark.parametrize("name", VERDICTS)
def test_junit_has_a_case_for_every_rule(name: str) -> None:
    verdict = VERDICTS[name]
    suite = Xml.fromstring(gate_junit(verdict))
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [one.rule for one in verdict.rules]
    assert suite.get("tests") == str(len(cases))
    failures = {case.get("name"): case[0].get("type") for case in cases if case.find("failure") is not None}
    assert failures == {one.rule: one.status for one in verdict.failed}
    assert suite.get("failures") == str(len(failures))
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]
    assert skipped == [one.rule for one in verdict.rules if one.status == WAIVED]
    assert suite.get("skipped") == str(len(skipped))


@pytest.mark.parametrize("name", VERDICTS)
def test_markdown_has_a_row_for_every_rule_and_the_meaning(name: str) -> None:
    verdict = VERDICTS[name]
    text = gate_markdown(verdict)
    assert text.startswith("## ")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "| ---" not in line][1:]
    assert [row.split("|")[1].strip() for row in rows] == [one.rule for one in verdict.rules]
    assert all(row.count("|") == 4 for row in rows)
    assert (unescape(text.strip().splitlines()[-1]) == meaning(verdict)) is (verdict.result == PASSED)
    for sign in ("<script", "](http", "\x1b", "\u202e", "@all", "#1 ", "\n## head", "**bold**"):
        assert sign not in text


@given(st.text(st.characters()))
def test_escaped_text_has_no_markup_left_and_reads_as_it_was(name: str) -> None:
    shown = escape(name)
    assert re.fullmatch(r"(?:[A-Za-z0-9 ,;()%=]|&#\d+;)*", shown)
    assert not re.search(r"[@#]\w", unescape(shown))


def test_no_renderer_and_no_part_of_the_gate_loads_numpy() -> None:
    code = (
        "import sys\n"
        "import whitesquare.cli.gate, whitesquare.cli.release\n"
        "from whitesquare.gating import collect, policy, release, rules, vsa\n"
        "from whitesquare.report.gate import junit, markdown, sarif, text\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'matplotlib', 'jinja2', 'PIL', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
