"""Threads: their results, and that none goes on working for somebody who has left."""

import threading
import time
import weakref
from contextlib import suppress

import pytest

from whitesquare._base.crew import Crew, Stopped
from whitesquare.executor import run_all
from whitesquare.executor.threads import ThreadExecutor

from .patience import until


def test_results_come_in_the_order_of_the_items():
    with Crew(3) as crew:
        assert list(crew.map(lambda n: n * n, range(20))) == [n * n for n in range(20)]


class Endless:
    """Work that ends by itself in no time that a test would wait, and swallows what it can."""

    def __init__(self):
        self.begun, self.ended = threading.Semaphore(0), []

    def __call__(self, item, shared=None):
        self.begun.release()
        try:
            while True:
                with suppress(Exception):  # as a detector of another package may
                    time.sleep(0.01)
        except Stopped:
            self.ended.append(item)
            raise


def test_an_interrupt_stops_all_that_is_under_way():
    work = Endless()
    with suppress(KeyboardInterrupt), Crew(2) as crew:
        futures = [crew.submit(work, number) for number in range(5)]
        assert work.begun.acquire(timeout=60)
        assert work.begun.acquire(timeout=60)
        raise KeyboardInterrupt
    until(lambda: len(work.ended) == 2, "end of the work that was under way")
    assert sorted(work.ended) == [0, 1]
    assert all(future.cancelled() for future in futures[2:])


def test_a_task_that_fails_stops_the_others():
    work = Endless()

    def one(number):
        if number:
            work(number)
        assert work.begun.acquire(timeout=60)
        raise ValueError("the first fails")

    with pytest.raises(ValueError, match="the first fails"):
        run_all(one, range(2), workers=2)
    until(lambda: work.ended == [1], "end of the other task")


def test_an_executor_that_is_closed_stops_its_tasks():
    work = Endless()

    def one(number, shared):
        return number if not number else work(number)

    outcomes = ThreadExecutor(2).run(one, range(2), {})
    assert next(outcomes).value == 0
    assert work.begun.acquire(timeout=60)
    outcomes.close()
    until(lambda: work.ended == [1], "end of the other task")


def test_what_is_swallowed_once_is_raised_again():
    left, begun = [], threading.Event()

    def stubborn(number):
        begun.set()
        for _ in range(3):
            try:
                while True:
                    time.sleep(0.01)
            except Stopped:
                left.append(number)

    with suppress(KeyboardInterrupt), Crew(1) as crew:
        crew.submit(stubborn, 7)
        assert begun.wait(60)
        raise KeyboardInterrupt
    until(lambda: len(left) == 3, "end of the work")


class Large:
    """A result that tells when it is let go."""


def test_what_is_done_is_not_kept():
    with Crew(2) as crew:
        found = [weakref.ref(crew.submit(lambda _: Large(), n).result()) for n in range(20)]
        # A thread lets go of its last result when it is next given work.
        until(lambda: sum(one() is not None for one in found) <= 2, "results to be let go", 20)
