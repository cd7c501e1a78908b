"""Waiting for other programs: for a condition and never for a time, with a bound that no busy machine reaches."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Found = TypeVar("Found")

PATIENCE = 600.0
"""Seconds after which a program is thought to hang; it ends a broken run and judges nothing."""


def until(true: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """Ask again and again until the answer is true, and return it."""
    last = time.monotonic() + seconds
    while True:
        if found := true():
            return found
        if time.monotonic() > last:
            raise AssertionError(f"no {what} within {seconds:.0f} s")
        time.sleep(0.02)


def waits_for_lock(pid: int) -> bool:
    """Whether a process is held up by a lock of somebody else, as the kernel tells it."""
    locks = Path("/proc/locks")
    if not locks.is_file():
        pytest.skip("who waits for a lock is told by /proc/locks")
    return any("->" in line.split() and str(pid) in line.split() for line in locks.read_text().splitlines())


def heed_interrupts() -> None:
    """Undo, as ``preexec_fn``, what a shell does to its background jobs: they and all they start ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def worked(pid: int, seconds: float) -> None:
    """Return when a process has computed for so long from now on, however long that takes it; or has ended."""
    end = _computed(pid) + seconds
    until(lambda: _computed(pid) >= end, f"process {pid} that computes")


def _computed(pid: int) -> float:
    """Processor seconds of a process; infinite once it is no more."""
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("inf")
    return float("inf") if fields[0] in "ZX" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
