"""How a command ends: with its own code, quietly, and with 2 where a library ended it or memory ran out."""

import subprocess
import sys

import duckdb
import numpy as np
import pytest
import typer

import whitesquare as ws
from tests.data.forms import GREY
from tests.patience import PATIENCE
from tests.provenance.attesting import key_pair, run
from whitesquare.cli.exits import UNDECIDED, exit_codes
from whitesquare.provenance import manifest
from whitesquare.provenance.types import BUNDLE


def python(*command):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A small data set, signed, and the order to verify it."""
    folder = tmp_path_factory.mktemp("signed")
    images = np.random.default_rng(2).integers(0, 256, (12, 1, 9, 9), np.uint8)
    data = GREY["folder"](folder / "data", images, np.arange(12) % 2)
    (folder / "trust").mkdir()
    ws.attest(str(data), [key_pair(folder / "trust" / "carol", secrets=folder / "secret")], folder / "signed")
    bundle = folder / "signed" / BUNDLE
    return "verify", data, "--bundle", bundle, "--trust", folder / "trust", "--state", folder / "state.json"


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
@pytest.mark.parametrize("how", ["ctypes.CDLL(None).exit(1)", "raise ZeroDivisionError", "raise SystemExit(1)"])
def test_whatever_else_ends_a_command_ends_it_with_2(how):
    """As OpenBLAS does that finds no memory: its exit code would mean findings."""
    done = python("-c", f"import ctypes\nfrom whitesquare.cli.leaving import expect_worse\nexpect_worse()\n{how}")
    assert done.returncode == UNDECIDED


@pytest.mark.parametrize(("code", "expected"), [("None", 0), ("0", 0), ("1", 1), ("3", 3), ("'words'", UNDECIDED)])
def test_a_command_ends_with_its_own_code_and_tidies_up(code, expected):
    program = (
        "import atexit, threading, time\nfrom whitesquare.cli.leaving import expect_worse, leave\nexpect_worse()\n"
        "atexit.register(print, 'tidied')\n"
        f"threading.Thread(target=lambda: (time.sleep(0.3), print('waited for'))).start()\nleave({code})"
    )
    done = python("-c", program)
    assert (done.returncode, done.stdout) == (expected, "waited for\ntidied\n"), done.stderr


def test_what_a_command_says_last_is_its_own(signed):
    """DuckDB tells at the end of everything that nobody took apart, and nobody does."""
    done = python("-m", "whitesquare.cli", *signed)
    assert done.returncode == 0, done.stderr
    assert "VERIFIED" in done.stdout
    assert "leaked" not in done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("hash")] == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3. GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to"),
        duckdb.OutOfMemoryException("Out of Memory Error: Allocation failure"),
        ImportError("a.so: failed to map segment from shared object"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_is_a_sentence(error, capsys):
    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise error
    said = capsys.readouterr().err
    assert ended.value.exit_code == UNDECIDED
    assert "the memory that this process may take is used up" in " ".join(said.split())
    assert "Traceback" not in said


def test_any_other_crash_is_told_as_one(capsys):
    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise RuntimeError("nobody expected this")
    assert ended.value.exit_code == UNDECIDED
    assert "please report this" in capsys.readouterr().err


def test_a_manifest_for_which_there_is_no_memory_is_no_verdict(signed, monkeypatch):
    def short(*_):
        raise duckdb.OutOfMemoryException("Out of Memory Error: Allocation failure")

    monkeypatch.setattr(manifest, "_columns", short)
    done = run(*signed, code=2)
    assert "There is no memory to read" in done.stderr
    assert "VERIFIED" not in done.stdout
