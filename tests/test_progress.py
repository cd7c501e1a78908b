"""What is said of how far a verb is: in time, with the time left, and never too often."""

import io
import re
from itertools import pairwise

import pytest

from whitesquare.cli import progress as module
from whitesquare.cli.progress import Lines


class Told:
    """Lines with the times at which they were written, on a clock of the test's own."""

    def __init__(self):
        self.now, self.lines = 0.0, []
        self.waiting = []
        self.say = Lines(
            lambda line: self.lines.append((self.now, line)),
            lambda: self.now,
            lambda seconds, call: self.waiting.append((self.now + seconds, call)),
        )

    def at(self, now, *args):
        while due := [one for one in self.waiting if one[0] <= now]:
            first = min(due, key=lambda one: one[0])
            self.waiting.remove(first)
            self.now = first[0]
            first[1]()
        self.now = now
        self.say(*args)


def test_a_step_is_announced_gets_its_time_left_soon_and_is_closed():
    told = Told()
    for second in range(101):
        told.at(float(second), "training", second, 100)
    assert told.lines[0] == (0.0, "training ...")
    assert told.lines[1] == (2.0, "training: 2 of 100, about 98 s left")
    assert [now for now, _ in told.lines[2:]] == [32.0, 62.0, 92.0, 100.0]
    assert told.lines[-1][1] == "training: 100 done in 100.0 s"


def test_however_many_steps_run_at_once_there_are_two_lines_a_second_at_most():
    told = Told()
    for tick in range(2000):
        for step in range(12):
            told.at(tick / 100, f"step {step}", (tick + step) % 40, 40)
    times = [now for now, _ in told.lines]
    assert len(times) > 5
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times))


def test_a_step_that_could_not_be_announced_in_time_is_told_of_later():
    told = Told()
    told.at(0.0, "short", 0, 1)
    told.at(0.1, "long", 0, 10)
    told.at(0.2, "short", 1, 1)
    told.at(4.1, "long", 2, 10)
    assert told.lines == [(0.0, "short ..."), (0.6, "long ..."), (4.1, "long: 2 of 10, about 16 s left")]


def test_a_step_taken_up_in_the_middle_is_estimated_from_there():
    told = Told()
    told.at(0.0, "cells", 90, 100)
    told.at(5.0, "cells", 95, 100)
    assert told.lines[-1][1] == "cells: 95 of 100, about 5 s left"


@pytest.mark.parametrize(
    "step", ["training", "a step with a name that is far too long for a line of eighty columns " * 2]
)
def test_bars_fit_into_eighty_columns_and_finished_steps_leave_them(monkeypatch, step):
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(module, "beside", lambda: console)
    with module.progress() as told:
        told("finished", 1, 1)
        told(step, 0, 1000)
        told(step, 500, 1000)
        told("other", 1, 2)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).replace("\r", "\n").splitlines()
    assert any("500/1000" in line for line in lines)
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert sum("finished" in line for line in lines) <= 1
