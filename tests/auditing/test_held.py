"""Decisions that lie beside their statement, as a dossier tells of them."""

from pathlib import Path

import pytest

from tests.gate.world import NOW, trusted
from whitesquare.auditing.verify import MISSING, verify_dossier
from whitesquare.deciding import signed
from whitesquare.jobs.dossier import dossier
from whitesquare.provenance.evidence import DOSSIER, HELD, REVIEW

from .made import full_run, statement, told


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(signed, "_ROOM", 0)
    return full_run(tmp_path / "run")


def test_the_statement_rests_on_both_files_and_both_are_vouched_for(run: Path) -> None:
    found = statement(told(run), "decided.signed")
    assert found.shown
    assert found.signed
    assert [one.file for one in found.rests] == [REVIEW, HELD]
    assert told(run).problems == ()


def test_a_changed_file_is_named_and_nobody_answers_for_the_decisions(run: Path) -> None:
    dossier(run, trusted(), now=NOW)
    (run / HELD).write_text((run / HELD).read_text().replace("keep", "gone"))
    found = told(run)
    assert not statement(found, "decided.signed").shown
    assert HELD in statement(found, "decided.signed").text
    assert {one.name for one in found.problems} >= {REVIEW, HELD}
    check = verify_dossier(run / DOSSIER, run, trusted(), NOW)
    assert HELD in {one.name for one in check.wrong}
    (run / HELD).unlink()
    assert f"There is no file {HELD}" in statement(told(run), "decided.signed").text
    check = verify_dossier(run / DOSSIER, run, trusted(), NOW)
    assert HELD in {one.name for one in check.missing if one.state == MISSING}


def test_a_file_that_no_statement_names_is_told_as_such(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run")
    (run / HELD).write_text("[]")
    assert [one.name for one in told(run).problems] == [HELD]
    assert statement(told(run), "decided.signed").signed
