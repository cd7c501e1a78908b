"""Defaults in `[tool.whitesquare]`: found upwards, told, overruled by what is typed, and never about trust."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import from_arrays, write_dataset

SCAN = ("scan", "data", "--model-free", "-o", "json")
FEW = 3
"""What a scan of so few images ends with: no rule could have raised an alarm."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with data in it, worked on from a folder below."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 1, 28, 28), dtype=np.uint8)
    data = from_arrays(images, np.arange(60) % 3, classes=("bird", "cat", "dog"))
    write_dataset(tmp_path / "project" / "work" / "data", data, None, "npz")
    monkeypatch.chdir(tmp_path / "project" / "work")
    return tmp_path / "project"


def configure(project: Path, text: str, name: str = "pyproject.toml") -> None:
    (project / name).write_text(text)


def run(*arguments: object, code: int | None = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="whitesquare")
    assert code is None or done.exit_code == code, done.stdout + done.stderr
    return done.stdout, " ".join(done.stderr.split())


def asked_detectors(text: str) -> list[str]:
    return [run["name"] for run in json.loads(text)["detectors"] if not run["reason"].startswith("not asked for")]


def test_the_nearest_file_gives_defaults_and_is_told(project: Path) -> None:
    configure(project, '[tool.whitesquare.scan]\ndetectors = "pixel-contrast"\nseed = 5\n')
    configure(project / "work", '[project]\nname = "nothing for us"\n')
    out, err = run(*SCAN, code=FEW)
    assert asked_detectors(out) == ["pixel-contrast"]
    assert json.loads(out)["seed"] == 5
    assert f"Options from {project}/pyproject.toml ([tool.whitesquare.scan]): detectors, seed." in err
    out, err = run(*SCAN, "--seed", 6, "-q", code=FEW)
    assert json.loads(out)["seed"] == 6
    assert "Options from" not in err


@pytest.mark.parametrize("how", ["option", "variable"])
def test_it_can_be_left_unread(project: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(project, "[tool.whitesquare.scan]\nseed = 5\nnonsense = 1\n")
    if how == "variable":
        monkeypatch.setenv("WHITESQUARE_NO_CONFIG", "1")
    more = ["--no-config"] if how == "option" else []
    out, err = run(*SCAN, "--detectors", "pixel-contrast", *more, code=FEW)
    assert json.loads(out)["seed"] == 0
    assert "Options from" not in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.whitesquare.scan]\nsede = 5", "no option named 'sede'; known:"),
        ("[tool.whitesquare.scan]\nsede = 5", "Did you mean 'seed'?"),
        ("[tool.whitesquare.scna]\nseed = 5", "Did you mean 'scan'?"),
        ("[tool.whitesquare]\nscan = 5", "must be a table of options"),
        ("[tool.whitesquare.scan]\nmodel-free = 1", "model-free must be true or false; got 1"),
        ("[tool.whitesquare.scan]\nseed = true", "seed must be text or a number; got True"),
        ("[tool.whitesquare.scan]\nseed = [1]", "seed must be text or a number; got [1]"),
        ('[tool.whitesquare.scan]\nseed = "x"', "Invalid value for '--seed'"),
        ('[tool.whitesquare.scan]\ntrust = "keys"', "says whom to trust"),
        ('[tool.whitesquare.scan]\nkey = "a.pem"', "says whom to trust"),
        ('[tool.whitesquare.scan]\nreference-attested = "b"', "says whom to trust"),
        ("[tool.whitesquare.train]\nthreshold = 1", None),
        ('[tool.whitesquare.gate]\npolicy = "mine.toml"', "[tool.whitesquare.gate], and what decides whom to trust"),
        ('[tool.whitesquare.verify]\ntrust = "keys"', "[tool.whitesquare.verify], and what decides whom to trust"),
        ("[tool.whitesquare.scan\n", "cannot be read"),
    ],
)
def test_what_is_wrong_or_loosens_trust_is_refused(project: Path, text: str, said: str | None) -> None:
    configure(project, text)
    _, err = run(*SCAN, "--detectors", "pixel-contrast", code=2 if said else FEW)
    assert (said or "") in err


def test_what_decides_reads_no_defaults_and_says_so(project: Path) -> None:
    configure(project, '[tool.whitesquare.verify]\ntrust = "keys"\nbundle = "b.json"\n')
    _, err = run("verify", "data", "--bundle", "b.json", "--trust", "keys", code=2)
    assert "not taken from a file of the project" in err
    configure(project, "[tool.whitesquare.scan\n")  # a damaged file is nothing to it
    _, err = run("verify", "data", "--bundle", "b.json", "--trust", "keys", code=None)
    assert "pyproject" not in err


def test_the_data_do_not_choose_how_they_are_judged(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(project / "work" / "data", '[tool.whitesquare.scan]\nfail-on = "confirmed"\nseed = 9\n')
    monkeypatch.chdir(project / "work" / "data")
    out, err = run("scan", ".", "--model-free", "--detectors", "pixel-contrast", "-o", "json", code=FEW)
    assert json.loads(out)["seed"] == 0
    assert "its options are ignored" in err


def test_a_file_beside_the_data_counts(project: Path) -> None:
    configure(project / "work", "[tool.whitesquare.scan]\nseed = 5\n")
    out, err = run(*SCAN, "--detectors", "pixel-contrast", "--device", "cpu", code=FEW)
    assert json.loads(out)["seed"] == 5
    assert "ignored" not in err


def test_flags_lists_and_paths_are_read_as_they_are_meant(project: Path) -> None:
    configure(
        project,
        '[tool.whitesquare.scan]\nmodel_free = true\noutput = ["json"]\ndetectors = "pixel-contrast"\n'
        'baseline = "known.json"\n',
    )
    (project / "known.json").write_text('{"format": "whitesquare baseline 1", "source": "", "accepted": []}')
    out, _ = run("scan", "data", code=FEW)
    assert json.loads(out)["mode"] == "model-free"
    (project / "known.json").write_text("{}")
    _, err = run("scan", "data", code=2)
    assert f"{project}/known.json" in err


def test_help_needs_no_valid_configuration(project: Path) -> None:
    configure(project, "[tool.whitesquare.scan\n")
    assert "Usage" in run("scan", "--help")[0]


def test_a_table_that_is_none_is_refused_and_the_mark_of_an_editor_is_not(project):
    configure(project, "[tool]\nwhitesquare = 3\n")
    assert "[tool.whitesquare] holds tables of options by verb, and it is 3" in run(*SCAN, code=2)[1]
    configure(project, '\ufeff[tool.whitesquare.scan]\ndetectors = "pixel-contrast"\n')
    assert asked_detectors(run(*SCAN, code=FEW)[0]) == ["pixel-contrast"]
