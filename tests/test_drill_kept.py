"""A drill that was stopped goes on where it was; and one without attacks counts false alarms alone."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest

from tests.patience import until
from tests.provenance.attesting import run
from tests.report.scan_sample import nothing_found
from tests.test_drill import drill as typed
from tests.test_interrupts import CLI, ended, started
from whitesquare._base import machine
from whitesquare._base.cache import Cache
from whitesquare._base.schema import decode
from whitesquare.cli.exits import PASS, UNDECIDED
from whitesquare.data import from_arrays, write_npz
from whitesquare.errors import UsageError
from whitesquare.report.drill.page import render_drill
from whitesquare.report.drill.text import shown
from whitesquare.scanning.stored import without_pictures
from whitesquare.study import drill as job
from whitesquare.study.drill import DrillSettings
from whitesquare.study.drill_types import DrillResult

from .conftest import halved

ASKED = DrillSettings(("stamp", "label-flip"), (0.1,), seeds=2, clean=2)
"""One scan of the data as they are, two of clean resamples, four of poisoned copies."""


@pytest.fixture
def scans(monkeypatch):
    """Count scans, which find nothing; from the number in it on, they are interrupted."""
    made = []

    def quick(part, settings):
        if len(made) == getattr(quick, "most", None):
            raise KeyboardInterrupt
        made.append((len(part.labels), settings.seed))
        return without_pictures(replace(nothing_found(), runs=getattr(quick, "runs", nothing_found().runs)))

    monkeypatch.setattr(job, "run_scan", quick)
    quick.made = made
    return quick


def same(one, other):
    """Two drills that found the same, whenever and however fast."""
    return replace(one, seconds=0.0) == replace(other, seconds=0.0)


@pytest.mark.parametrize("most", [0, 1, 2, 3, 5, 6])
def test_what_was_finished_is_not_made_again(tiny, tmp_path, scans, most):
    cache, told = Cache(tmp_path), []
    scans.most = most
    with pytest.raises(KeyboardInterrupt):
        job.drill(tiny, ASKED, cache=cache)
    assert len(scans.made) == most
    scans.most = None
    found = job.drill(tiny, ASKED, cache=cache, on_note=told.append)
    assert len(scans.made) == 7
    assert (f"Taken up from a drill before: {most} of 7 scans" in " ".join(told)) == (most > 0)
    scans.made.clear()
    again = job.drill(tiny, ASKED, cache=cache, on_note=told.append)
    assert scans.made == []
    assert same(again, found)
    assert "7 of 7 scans" in told[-1]


@pytest.mark.parametrize(
    "changed",
    [{"seed": 9}, {"target": 1}, {"rates": (0.2,)}, {"trigger": "patch:size=3"}],
    ids=lambda changed: next(iter(changed)),
)
def test_other_settings_take_up_nothing_of_an_attack(tiny, tmp_path, scans, changed):
    cache, asked = Cache(tmp_path), replace(ASKED, attacks=("stamp",), seeds=1, clean=0)
    job.drill(tiny, asked, cache=cache)
    before = len(scans.made)
    job.drill(tiny, replace(asked, **changed), cache=cache)
    assert len(scans.made) - before == (2 if "seed" in changed else 1)


def test_other_data_and_libraries_take_up_nothing(tiny, tmp_path, scans, monkeypatch):
    cache = Cache(tmp_path)
    job.drill(tiny, ASKED, cache=cache)
    images = tiny.images(slice(None)).copy()
    images[0, 0, 0, 0] ^= 1
    other = from_arrays(images, tiny.labels, classes=tiny.classes, layout="NCHW")
    job.drill(other, ASKED, cache=cache)
    assert len(scans.made) == 14
    real = machine.version
    monkeypatch.setattr(machine, "version", lambda name: "99.0" if name == "torch" else real(name))
    machine.making_digest.cache_clear()
    try:
        job.drill(tiny, ASKED, cache=cache)
    finally:
        monkeypatch.undo()
        machine.making_digest.cache_clear()
    assert len(scans.made) == 21


def test_a_scan_whose_detector_crashed_is_made_again(tiny, tmp_path, scans):
    cache, whole = Cache(tmp_path), nothing_found().runs
    scans.runs = (replace(whole[0], crashed=True, reason="it divided by zero"), *whole[1:])
    first = job.drill(tiny, ASKED, cache=cache)
    assert len(first.failures) == 4
    assert "A detector did not finish" in first.failures[0].reason
    assert (first.clean.undecided, first.clean.alarmed) == (2, None)
    del scans.runs
    second = job.drill(tiny, ASKED, cache=cache)
    assert not second.failures
    assert second.clean.undecided == 0
    assert len(scans.made) == 14


def test_a_drill_of_false_alarms_of_which_no_scan_came_to_a_verdict_decides_nothing(tiny, tmp_path, scans, monkeypatch):
    monkeypatch.setenv("WHITESQUARE_CACHE", str(tmp_path / "cache"))
    write_npz(tmp_path / "one.npz", tiny)
    order = ("drill", tmp_path / "one.npz", "--attacks", "none", "--clean", 2, "-o")
    whole = nothing_found().runs
    scans.runs = (replace(whole[0], crashed=True, reason="it divided by zero"), *whole[1:])
    assert "none of the 2 scans" in " ".join(run(*order, tmp_path / "out", code=UNDECIDED).stdout.split())
    del scans.runs
    run(*order, tmp_path / "other", code=PASS)


def test_what_was_found_on_another_device_is_not_taken_up(tiny, tmp_path, scans, monkeypatch):
    cache, asked = Cache(tmp_path), DrillSettings((), clean=1, device="auto")
    for device in ("cpu", "cuda:0"):
        monkeypatch.setattr("whitesquare.study.drill_kept.resolve", {"auto": device}.get)
        job.drill(tiny, asked, cache=cache)
        job.drill(tiny, asked, cache=cache)
    assert len(scans.made) == 4


def test_a_drill_without_attacks_counts_false_alarms_alone(tiny, scans):
    found = job.drill(tiny, DrillSettings((), clean=3))
    assert len(scans.made) == 4
    assert len(found.clean.runs) == 3
    assert not found.rows
    assert not found.notices
    said = "\n".join(str(part) for part in shown(found))
    page = render_drill(found)
    for told in (said, page):
        assert found.clean.sentence in told
        assert "Nothing could be rehearsed" not in told
    assert "false alarms alone" in page
    assert "How often the scan raises a false alarm" in page


def test_a_drill_of_nothing_is_refused_with_what_to_ask_for(tmp_path):
    with pytest.raises(UsageError, match="--attacks none --clean 60"):
        DrillSettings(())
    done = typed("mnist", "--attacks", "none", "-o", tmp_path / "out")
    assert done.returncode == UNDECIDED
    assert "--clean 60" in " ".join(done.stderr.split())


@pytest.fixture
def small(tmp_path, small_train):
    write_npz(tmp_path / "one.npz", halved(small_train, 300, digits=3))
    return tmp_path / "one.npz"


@pytest.mark.slow
def test_the_same_command_goes_on_after_it_was_killed(small, tmp_path):
    asked = ("drill", small, "--attacks", "label-flip", "--rates", "0.1", "--seeds", 1, "--clean", 2, "-o", "out")
    with started(tmp_path, *CLI, *asked) as process:
        kept = tmp_path / "cache" / "drills"
        until(lambda: process.poll() is not None or len(list(kept.glob("*.safetensors"))) >= 2, "finished scan")
        process.kill()
        said, _ = ended(process)
    assert process.returncode == -signal.SIGKILL, said
    assert not (tmp_path / "out").exists()
    finished = len(list(kept.glob("*.safetensors")))
    with started(tmp_path, *CLI, *asked) as process:
        said, _ = ended(process)
    assert process.returncode == PASS, said
    assert f"Taken up from a drill before: {finished} of 4 scans" in " ".join(said.split())
    assert json.loads((tmp_path / "out" / "drill.json").read_text())["clean"]["runs"]


@pytest.mark.slow
def test_the_command_states_the_false_alarms_alone(small, tmp_path):
    done = typed(small, "--attacks", "none", "--clean", 2, "-o", tmp_path / "out")
    assert done.returncode == PASS, done.stderr
    found = decode(DrillResult, (tmp_path / "out" / "drill.json").read_text(), where="drill.json")
    assert (found.rows, found.smallest, found.failures, found.notices) == ((), (), (), ())
    assert found.clean.sentence in " ".join(done.stdout.split())
    assert np.isfinite(found.clean.alarmed_at_most)
    assert (tmp_path / "out" / "report.html").is_file()
