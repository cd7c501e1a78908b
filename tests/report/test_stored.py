"""A stored result is shown again as it was, without computing anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.test_published_schemas import drill
from whitesquare._base.schema import encode
from whitesquare.cli import app
from whitesquare.gating.types import FAILED, RuleResult, Unwaived, Verdict
from whitesquare.report.gate.sarif import gate_sarif
from whitesquare.report.gate.text import gate_json
from whitesquare.report.scan.junit import scan_junit
from whitesquare.report.scan.sarif import scan_sarif
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.fingerprints import fingerprints
from whitesquare.scanning.found import Acceptance
from whitesquare.scanning.stored import read_stored
from whitesquare.scanning.types import ScanResult

from .sample import DIGITS, measurement, victim
from .scan_sample import alarm, hostile, nothing_found, nothing_ran, result

ACCEPTED = (Acceptance(0, "SS01", "confirmed", "ann", "2026-01-01", "a watermark"),)
CASES = {
    "alarms": result(alarms=(alarm(), alarm(3, "3", "suspicious"))),
    "nothing found": nothing_found(),
    "nothing ran": nothing_ran(),
    "all": result(fused_auroc=0.9, undecided="None.", reasons=("None.", "Also."), model="ab" * 32, accepted=ACCEPTED),
}


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="whitesquare")
    assert done.exit_code == code, done.stdout + done.stderr
    return done.stdout, " ".join(done.stderr.split())


def contents(found: ScanResult) -> dict[str, str]:
    return {flag.id: f"{i:064x}" for i, flag in enumerate(found.flagged)}


def stored(found: ScanResult, folder: Path) -> Path:
    file = folder / "scan.json"
    file.write_text(scan_json(found, None, fingerprints(found, contents(found))), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", CASES)
def test_a_scan_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    found = CASES[name]
    file = stored(found, tmp_path)
    again = read_stored(file)
    assert scan_json(again.result, None, again.known) == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_its_other_forms_are_those_of_the_scan(name: str, tmp_path: Path) -> None:
    found = CASES[name]
    file = stored(found, tmp_path)
    run(
        "report", file, "-o", f"sarif={tmp_path / 's'}", "-o", f"junit={tmp_path / 'j'}", "-o", f"html={tmp_path / 'h'}"
    )
    assert (tmp_path / "s").read_text() == scan_sarif(found, contents(found))
    assert (tmp_path / "j").read_text() == scan_junit(found)
    page = (tmp_path / "h").read_text()
    assert page.startswith("<!doctype html>")
    assert "holds no pictures of samples" in page
    out, _ = run("report", file)
    assert f"--scan {file}" in out or not found.alarms


def test_a_scan_of_an_older_version_has_no_sarif_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    file.write_text(scan_json(result()))
    run("report", file, "-o", "junit")
    _, err = run("report", file, "-o", "sarif", code=2)
    assert "fingerprint of what SS01 says of the class '0' is missing" in err
    assert "scan again" in err


def test_a_scan_whose_numbers_are_none_is_one_sentence(tmp_path: Path) -> None:
    _, err = run("report", stored(hostile(), tmp_path), code=2)
    assert "p_value is None; expected a number" in err


def test_a_damaged_scan_is_one_sentence(tmp_path: Path) -> None:
    record = json.loads(scan_json(result()))
    for field, value in (("alarms", 3), ("classes", None), ("detectors", "x"), ("size", "many")):
        (tmp_path / "scan.json").write_text(json.dumps(record | {field: value}))
        _, err = run("report", tmp_path / "scan.json", code=2)
        assert err.startswith("Error: ")
        assert "Traceback" not in err


def test_victims_measurements_and_drills_are_shown(tmp_path: Path) -> None:
    one = encode(victim(DIGITS, 0, 7, 0.98, 0.9, 1.0))
    (tmp_path / "one.json").write_text(one)
    (tmp_path / "two.json").write_text(f"[{one},{one}]")
    assert "attack success" in run("report", tmp_path / "one.json")[0]
    assert run("report", tmp_path / "two.json")[0].count("reaction to the trigger") == 2
    (tmp_path / "measurement.json").write_text(encode(measurement()))
    assert run("report", tmp_path / "measurement.json", "-o", "json")[0] == encode(measurement())
    _, err = run("report", tmp_path / "measurement.json", "-o", "html", code=2)
    assert "it can be shown as: table, json" in err
    (tmp_path / "drill.json").write_text(encode(drill()))
    out, _ = run("report", tmp_path / "drill.json", "-o", "html")
    assert out.startswith("<!doctype html>")
    assert run("report", tmp_path)[0] == run("report", tmp_path / "drill.json")[0]


def test_a_verdict_of_the_gate_is_shown_and_not_decided(tmp_path: Path) -> None:
    rule = RuleResult("scan-alarms", "t", FAILED, "found", "expected", "next", "", (Unwaived("why", "ab" * 32, True),))
    verdict = Verdict(FAILED, (rule,), "", "", "", "policy.toml", "")
    (tmp_path / "gate.json").write_text(gate_json(verdict))
    out, err = run("report", tmp_path / "gate.json")
    assert "FAILED" in out
    assert "nothing is decided anew" in err
    assert json.loads(run("report", tmp_path / "gate.json", "-o", "sarif")[0]) == json.loads(gate_sarif(verdict))


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "[[]]", '{"format": "x"}', "\u0000"])
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    _, err = run("report", tmp_path / "x.json", code=2)
    assert "x.json" in err


def test_it_needs_no_torch(tmp_path: Path) -> None:
    file = stored(result(), tmp_path)
    code = (
        "import sys; from typer.testing import CliRunner; from whitesquare.cli import app\n"
        f"assert CliRunner().invoke(app, ['report', {str(file)!r}, '-o', 'html']).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
