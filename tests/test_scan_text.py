"""The table of a scan fits 80 columns and says what the page says."""

import pytest

from whitesquare.cli import terminal
from whitesquare.report.common.formats import MISSING
from whitesquare.report.scan import text as scan_text
from whitesquare.scanning.types import NOT_ASKED, Coverage, DetectorRun, ScanResult

from .report.scan_sample import RUNS, alarm, hostile, nothing_found, nothing_ran, result


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def shown(found: ScanResult, capsys: pytest.CaptureFixture[str]) -> str:
    terminal.show(scan_text.shown(found))
    return capsys.readouterr().out


@pytest.mark.parametrize("case", [result(), nothing_found(), nothing_ran(), hostile()])
def test_it_fits_80_columns_and_holds_no_control_character(
    case: ScanResult, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(case, capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert all(sign.isprintable() or sign == "\n" for sign in text)


def test_an_alarm_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "a class with quite a long name"
    text = shown(result(alarms=(alarm(0, wide), alarm(3, "3", "suspicious"))), capsys)
    lines = {line.split()[-1]: line for line in text.splitlines() if line}
    assert "confirmed      312  96.2 [94.8, 97.3]  2.1, 6.4  0.005" in lines["0.005"]
    assert lines["0.012"].endswith(f"not tested         {MISSING}  0.012")
    assert "Not run: nearest-reference (NR01): it needs trusted samples" in text
    assert "Crashed: frequency (FR01): ValueError" in text
    assert "2 files could not be read and are not part of this scan." in text
    command = "  whitesquare cleanse photos/train --scan scan.json -o cleaned/\n"
    assert text.endswith(f"\nNext (after the same scan with -o json=scan.json):\n{command}")


def test_the_next_command_is_one_that_finds_something(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(scan_text.shown(result(alarms=(alarm(3, "3", "suspicious"),)), "my files/scan.json"))
    expected = "\nNext:\n  whitesquare cleanse photos/train --scan 'my files/scan.json' --tier suspicious -o cleaned/\n"
    assert capsys.readouterr().out.endswith(expected)


def test_without_a_finding_nothing_is_certified(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(nothing_found(), capsys)
    assert text.startswith("Nothing found by any of the 5 detectors.")
    assert "not a certificate" in text
    assert "cleanse" not in text
    assert shown(nothing_ran(), capsys).startswith("Nothing was checked: no detector ran.")


def test_a_long_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(result(source="a/" * 60), capsys)
    assert f"  whitesquare cleanse {'a/' * 60} --scan scan.json -o cleaned/\n" in text


def test_the_truth_shows_where_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    found = result(fused_auroc=0.987)
    right = [flag.id for flag in found.flagged if flag.tier == "confirmed"][:300]
    known = (*right, "train/missed")
    terminal.show(scan_text.shown(found, poisoned=known))
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "Beside the truth: 300 of 301 poisons flagged by an alarm, and 12 clean samples; AUROC of the ranking" in text
    )
    assert "Beside the truth" not in shown(found, capsys)


def test_what_was_not_asked_for_is_a_number_and_every_caveat_stands_once(capsys: pytest.CaptureFixture[str]) -> None:
    idle = tuple(DetectorRun(f"slow-{i}", f"SL0{i}", "slow", 0.0, NOT_ASKED) for i in range(5))
    short = tuple(Coverage(f"SL0{i}", 0, 10, NOT_ASKED) for i in range(3))
    note = "Approximate p-values: samples of the classes without an alarm serve as clean ones."
    text = " ".join(shown(nothing_found(runs=(*RUNS, *idle), coverage=short, calibration_note=note), capsys).split())
    assert "Not asked for: 5 detectors more" in text
    assert "slow-1" not in text
    assert "SL00, SL01, SL02 in none" in text
    assert text.lower().count("approximate") == 1
