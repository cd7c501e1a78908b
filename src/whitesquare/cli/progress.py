"""How far a verb is, on stderr: bars on a terminal, else lines, few and far between."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from threading import Lock, Timer
from typing import TYPE_CHECKING

from whitesquare._base.safe_text import printable, unordering
from whitesquare.cli.terminal import beside, complain, is_quiet
from whitesquare.records import silent

if TYPE_CHECKING:
    from whitesquare.records import Progress

_FIRST, _EVERY = 2.0, 30.0
"""Seconds after which the time left of a step is told first, and then again, where there is no terminal for bars."""
_APART = 0.5
"""Seconds between any two lines, whichever steps they are of."""


@contextmanager
def progress() -> Iterator["Progress"]:
    """Show progress on stderr: bars with the time left on a terminal, else a line now and then.

    What a user's own code prints meanwhile, such as that of a model, goes there, too: results alone go to stdout.
    """
    with redirect_stdout(sys.stderr), _drawn() as told:
        yield told


@contextmanager
def _drawn() -> Iterator["Progress"]:
    if is_quiet():
        yield silent
        return
    console = beside()
    if not console.is_terminal:
        yield Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True, expand=True) as bars:
        tasks: dict[str, TaskID] = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(unordering(printable(step)), total=total)
            bars.update(tasks[step], completed=done, total=total)
            if done >= total:
                bars.remove_task(tasks.pop(step))

        yield told


@dataclass
class _Step:
    """When a step began, how far it was then, and when it was told of last."""

    began: float
    before: int
    announced: bool = False
    told: float | None = None


def _later(seconds: float, call: Callable[[], None]) -> None:
    timer = Timer(seconds, call)
    timer.daemon = True
    timer.start()


class Lines:
    """Tells of steps in lines: that one began, how long it will take, and how long it took.

    Many short steps may begin in one second, so a line that would come too soon after another is left out; that a step
    began is said a little later, if it is still under way.
    """

    def __init__(
        self,
        write: Callable[[str], None] = complain,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], None] = _later,
    ) -> None:
        """Make one.

        Args:
            write: takes a line.
            clock: seconds.
            later: calls a function after so many of them.
        """
        self._write, self._clock, self._later = write, clock, later
        self._steps: dict[str, _Step] = {}
        self._last = float("-inf")
        self._lock = Lock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Be told how far a step is."""
        with self._lock:
            self._told(step, done, total)

    def _told(self, step: str, done: int, total: int) -> None:
        now = self._clock()
        new = step not in self._steps
        known = self._steps.setdefault(step, _Step(now, done))
        if done >= total:
            del self._steps[step]
            self._tell(f"{step}: {total} done in {now - known.began:.1f} s", now)
        elif self._is_due(known, now) and done > known.before:
            left = (now - known.began) / (done - known.before) * (total - done)
            if self._tell(f"{step}: {done} of {total}, about {left:.0f} s left", now):
                known.told, known.announced = now, True
        elif new:
            self._announce(step, known)

    def _announce(self, step: str, known: _Step) -> None:
        """Say that a step began, or try again; one that has ended meanwhile, or was told of, needs no word."""
        if known.announced or self._steps.get(step) is not known:
            return
        known.announced = self._tell(f"{step} ...", self._clock())
        if not known.announced:
            self._later(_APART, partial(self._again, step, known))

    def _again(self, step: str, known: _Step) -> None:
        with self._lock:
            self._announce(step, known)

    def _is_due(self, step: _Step, now: float) -> bool:
        return now - step.began >= _FIRST if step.told is None else now - step.told >= _EVERY

    def _tell(self, line: str, now: float) -> bool:
        if now - self._last < _APART:
            return False
        self._last = now
        self._write(line)
        return True
