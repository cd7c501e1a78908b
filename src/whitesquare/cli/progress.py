"""How far a verb is, on stderr: bars on a terminal, else lines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from whitesquare._base.safe_text import printable, unordering
from whitesquare.cli.terminal import beside, complain, is_quiet
from whitesquare.records import silent

if TYPE_CHECKING:
    from whitesquare.records import Progress

_EVERY = 30.0
"""Seconds between two lines about one step, where there is no terminal to draw bars on."""


@contextmanager
def progress() -> Iterator["Progress"]:
    """Show progress on stderr: bars with the time left on a terminal, else a line when a step starts and ends."""
    if is_quiet():
        yield silent
        return
    console = beside()
    if not console.is_terminal:
        yield _lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(unordering(printable(step)), total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield told


def _lines() -> "Progress":
    started: dict[str, float] = {}
    told_last: dict[str, float] = {}
    before: dict[str, int] = {}

    def told(step: str, done: int, total: int) -> None:
        now = time.perf_counter()
        if step not in started:
            started[step] = told_last[step] = now
            before[step] = done
            complain(f"{step} ...")
        if done >= total:
            complain(f"{step}: {total} done in {now - started.pop(step):.1f} s")
        elif now - told_last[step] >= _EVERY and done > before[step]:
            told_last[step] = now
            left = (now - started[step]) / (done - before[step]) * (total - done)
            complain(f"{step}: {done} of {total}, about {left:.0f} s left")

    return told
