"""What `whitesquare doctor` says of this machine, of a bare one, and of one where something is broken."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.errors import EXTRAS
from whitesquare.jobs import doctor as job
from whitesquare.learning import bfloat16

from .core_install import run_core


def by_name(found: job.Checkup) -> dict[str, job.CheckedPart]:
    return {part.name: part for part in found.parts}


def test_a_whole_machine_is_told_part_by_part() -> None:
    done = CliRunner().invoke(app, ["doctor", "-o", "json"])
    assert done.exit_code == 0, done.output
    parts = {part["name"]: part for part in json.loads(done.stdout)["parts"]}
    assert {"Python", "machine", "[scan]", "[train]", "CPU bfloat16", "GPU", "cache", "mnist"} <= set(parts)
    assert "torch " in parts["[train]"]["found"]
    assert "times as fast" in parts["CPU bfloat16"]["found"]
    assert parts["mnist"]["found"].startswith("70000 images")
    assert all(part["gives"] and part["get"] for part in parts.values() if part["state"] != job.THERE)


def test_a_bare_machine_is_told_what_every_extra_gives(tmp_path: Path) -> None:
    done = run_core("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for extra in ("scan", "train", "ray"):
        assert f"pip install 'whitesquare[{extra}]'" in done.stdout
    assert "Nothing that is installed is broken" in done.stdout


def test_every_extra_is_told_what_it_gives() -> None:
    assert set(EXTRAS.values()) <= set(job.GIVES)


def test_what_is_installed_and_does_not_work_is_exit_code_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brokenpart.py").write_text("raise OSError('libgone.so.1: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(EXTRAS, "brokenpart", "ray")
    done = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "brokenpart cannot be imported: OSError: libgone.so.1" in done.stdout
    assert "pip install 'whitesquare[ray]' --force-reinstall" in done.stdout
    assert "Nothing that is installed is broken" not in done.stdout


def test_a_cache_that_is_no_folder_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHITESQUARE_CACHE", str(tmp_path / "file"))
    assert by_name(job.doctor())["cache"].state == job.BROKEN
    monkeypatch.setenv("WHITESQUARE_CACHE", str(tmp_path / "new"))
    found = by_name(job.doctor())["cache"]
    assert (found.state, found.found) == (job.THERE, f"{tmp_path / 'new'}, empty")
    assert not (tmp_path / "new").exists()


@pytest.mark.long
def test_a_wrong_bfloat16_is_told_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = by_name(job.doctor())["CPU bfloat16"]
    assert usual.state in (job.THERE, job.MISSING)
    monkeypatch.setattr(bfloat16, "TOLERANCE", 1e-9)
    found = by_name(job.doctor())["CPU bfloat16"]
    assert found.state == job.BROKEN
    assert "not used, for it is wrong" in found.found
