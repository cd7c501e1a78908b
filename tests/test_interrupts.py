"""Ctrl-C and SIGTERM end every verb, soon, whatever it is at, and leave nothing; a second one ends it at once."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from whitesquare.data import from_arrays, write_dataset
from whitesquare.signing.keys import generate

from .conftest import part_of_mnist
from .patience import PATIENCE, heed_interrupts, until, worked
from .programs import python

SOON = 10.0
"""Seconds: two on a machine that has nothing else to do."""
CLI = ("-m", "whitesquare.cli")
PLAN = """
title = "to be interrupted"
[[grid]]
data = "{data}"
attack = "adaptive"
count = 300
victim_seeds = 2
"""


def living(session):
    """Return the processes of a session that are not dead."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(folder.name))
    return found


def is_worker(pid):
    """Tell a process that works for another from the others that Python starts beside it."""
    try:
        return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


@contextmanager
def started(folder, *arguments):
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"WHITESQUARE_CACHE": str(folder / "cache"), "TMPDIR": str(folder / "tmp")},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    try:
        yield process
    finally:
        for pid in living(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def told(process, words):
    """Return when a program says so."""
    assert any(words in line for line in process.stderr), f"{words!r} was not said"


def ended(process):
    """Return what a program said last, and how long it took to end, and check that none of it lives on."""
    begun = time.monotonic()
    said = process.communicate(timeout=PATIENCE)[1]
    seconds = time.monotonic() - begun
    until(lambda: not living(process.pid), "end of every process of the command", 60)
    return said, seconds


CASES = {
    "scan, training": (("scan", "digits"), "training scan models", 1.0, signal.SIGINT),
    "scan, training, SIGTERM": (("scan", "digits"), "training scan models", 0.2, signal.SIGTERM),
    "scan, detectors": (("scan", "digits", "--model-free"), "running detectors", 0.3, signal.SIGINT),
    "scan, reading": (("scan", "folder", "--on-error", "skip"), "reading images", 0.0, signal.SIGINT),
    "train": (("train", "digits", "--epochs", "100", "-o", "out"), "training", 0.5, signal.SIGINT),
    "poison": (
        ("poison", "digits", "--attack", "adaptive", "--target", "0", "--count", "200", "-o", "out"),
        "crafting",
        0.5,
        signal.SIGINT,
    ),
    "drill": (("drill", "digits", "--attacks", "stamp", "--rates", "0.01", "-o", "out"), "drill", 0.5, signal.SIGTERM),
    "bench, threads": (("bench", "plan.toml", "-o", "bench"), "poisons", 0.5, signal.SIGINT),
    "bench, processes": (
        ("bench", "plan.toml", "--executor", "processes", "--workers", "2", "-o", "bench"),
        "poisons",
        0.0,
        signal.SIGINT,
    ),
    "attest": (("attest", "large", "--key", "keys/a.pem", "-o", "out"), "", 1.0, signal.SIGINT),
}
"""Arguments, the words after which a verb is at it, the processor seconds that it then gets, and the signal."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What the verbs are asked to read: enough digits for the work to last, a small folder, and one of a huge file."""
    folder = tmp_path_factory.mktemp("given")
    write_dataset(folder / "digits", part_of_mnist("train", 4000), part_of_mnist("test", 200), "npz")
    (folder / "plan.toml").write_text(PLAN.format(data=folder / "digits"))
    rng = np.random.default_rng(0)
    data = from_arrays(rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8), np.arange(40) % 2, layout="NCHW")
    write_dataset(folder / "folder", data, data, "png-folder")
    write_dataset(folder / "large", data, data, "png-folder")
    with (folder / "large" / "other.bin").open("wb") as file:
        file.truncate(2**36)  # takes no room, and minutes to read
    generate(folder / "keys" / "a", "ed25519", None, {"role": "data"})
    return folder


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_an_interrupt_ends_every_verb_and_leaves_nothing(given, tmp_path, case):
    asked, words, seconds, number = CASES[case]
    arguments = [given / one if (given / one).exists() else one for one in asked]
    with started(tmp_path, *CLI, *arguments) as process:
        if words:
            told(process, words)
        worked(process.pid, seconds)  # none where it only waits for its workers
        os.killpg(process.pid, number)  # as a terminal does
        said, took = ended(process)
    assert process.returncode == 2, said
    assert "Interrupted; nothing was left half-written." in said
    assert "Traceback" not in said
    assert took < SOON
    assert not list(tmp_path.rglob("*.part"))
    left = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if "torch" not in path.name}
    assert left <= {"bench", "cache", "tmp"}


STUCK = """
import hashlib, sys, whitesquare.cli.exits as exits, whitesquare.cli.interrupts as interrupts
with interrupts.heeded(), exits.exit_codes():
    print("begun", file=sys.stderr, flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)  # one step in C, of many minutes
"""


@pytest.mark.long
@pytest.mark.parametrize("times", [1, 2])
def test_what_cannot_be_interrupted_is_ended(tmp_path, times):
    with started(tmp_path, "-c", STUCK) as process:
        told(process, "begun")
        time.sleep(1)  # it is told before the step that hears nothing
        for _ in range(times):
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.7)
        said, took = ended(process)
    assert process.returncode == 2, said
    assert ("Interrupted, twice; ended" in said) == (times == 2)
    assert "Interrupted" in said
    assert ".part" in said
    assert took < SOON


@pytest.mark.long
def test_signals_that_come_together_are_one(given, tmp_path):
    """As ``timeout`` sends them, to the program and to all of its group."""
    with started(tmp_path, *CLI, "train", given / "digits", "--epochs", "100", "-o", "out") as process:
        told(process, "training")
        for _ in range(3):
            os.kill(process.pid, signal.SIGTERM)
        said, _ = ended(process)
    assert "Interrupted; nothing was left half-written." in said


def test_what_ignores_interrupts_from_its_start_goes_on_ignoring_them(tmp_path):
    code = (
        "import os, signal, whitesquare.cli.interrupts as i\nwith i.heeded():\n os.kill(os.getpid(), signal.SIGINT)\n"
    )
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{code}"
    with started(tmp_path, "-c", ignoring + " print('still here')") as process:
        out, _ = process.communicate(timeout=PATIENCE)
    assert out == "still here\n"


@pytest.mark.long
def test_a_killed_bench_leaves_no_worker_behind(given, tmp_path):
    asked = ("bench", given / "plan.toml", "--executor", "processes", "--workers", "2", "-o", "bench")
    with started(tmp_path, *CLI, *asked) as process:
        told(process, "poisons")
        until(lambda: any(is_worker(pid) for pid in living(process.pid)), "worker")
        process.kill()
        until(lambda: not living(process.pid), "end of the worker", 120)


@pytest.mark.long
def test_a_scan_that_was_killed_in_its_training_begins_anew(tmp_path):
    rng = np.random.default_rng(1)
    labels = np.arange(900) % 3  # so many that training takes a while
    images = rng.integers(0, 60, (900, 1, 20, 20), dtype=np.uint8)
    images[np.arange(900), 0, 4 * labels] += 150
    write_dataset(tmp_path / "data", from_arrays(images, labels, layout="NCHW"), None, "npz")
    few = ("--detectors", "activation-clustering,loss-isolation")
    with started(tmp_path, *CLI, "scan", "data", *few, "-o", "json=killed.json") as process:
        told(process, "training scan models")
        process.kill()
    assert not (tmp_path / "killed.json").exists()
    said, found = {}, {}
    for name in ("after", "fresh"):
        folder = tmp_path if name == "after" else tmp_path / "elsewhere"
        folder.mkdir(exist_ok=True)
        cached = os.environ | {"WHITESQUARE_CACHE": str(folder / "cache")}
        said[name] = python(
            *CLI, "scan", tmp_path / "data", *few, "-o", f"json={name}.json", env=cached, cwd=folder
        ).stderr
        found[name] = json.loads((folder / f"{name}.json").read_text())
    assert "training scan models" in said["after"]
    for part in ("verdict", "classes", "flagged", "alarms", "learned"):
        assert found["after"][part] == found["fresh"][part]
