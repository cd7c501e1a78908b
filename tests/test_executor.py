"""Executors: the same results everywhere, and a task that fails or kills its worker harms nothing else."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from whitesquare.errors import UnfinishedError
from whitesquare.executor import make_executor
from whitesquare.executor.alike import check_alike, computing

ITEMS = list(range(6))


def total(item, shared):
    assert torch.get_num_threads() == 1
    return float(shared["numbers"].sum()) + item


def fragile(item, shared):
    if item == 1:
        raise ValueError("one failed\nin two lines")
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def dies_once(item, shared):
    """Kill the worker at the first attempt; the file remembers it."""
    path = Path(f"{item}")
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def writes(item, shared):
    shared["numbers"][0] = 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["local", "processes"])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_gets_its_outcome(name, workers):
    shared = {"numbers": np.arange(1000, dtype=np.float64)}
    outcomes = list(make_executor(name, workers=workers).run(total, ITEMS, shared))
    assert sorted(outcome.index for outcome in outcomes) == ITEMS
    assert {outcome.index: outcome.value for outcome in outcomes} == {i: 499500.0 + i for i in ITEMS}


@pytest.mark.parametrize("name", ["local", "processes"])
def test_nothing_to_do_is_done_at_once(name):
    assert list(make_executor(name, workers=2).run(total, [], {})) == []


def test_the_threads_of_this_process_are_given_back():
    before = torch.get_num_threads()
    list(make_executor("local", workers=2).run(total, ITEMS, {"numbers": np.zeros(1)}))
    assert torch.get_num_threads() == before


@pytest.mark.long
def test_a_worker_that_dies_fails_its_task_alone():
    outcomes = {outcome.index: outcome for outcome in make_executor("processes", workers=2).run(fragile, ITEMS, {})}
    assert {i: outcomes[i].value for i in (0, 3, 4, 5)} == {0: 0, 3: 3, 4: 4, 5: 5}
    assert outcomes[1].failure == "ValueError: one failed in two lines"
    assert outcomes[2].failure == "The worker process died (signal 9), 2 times in a row."


@pytest.mark.long
def test_a_task_whose_worker_died_is_tried_once_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcomes = list(make_executor("processes", workers=1).run(dies_once, [0, 1], {}))
    assert [(outcome.value, outcome.failure) for outcome in outcomes] == [(0, None), (1, None)]


def test_shared_arrays_of_processes_cannot_be_written_to():
    (outcome,) = make_executor("processes", workers=1).run(writes, [0], {"numbers": np.zeros(3)})
    assert "read-only" in outcome.failure


@pytest.mark.long
def test_a_run_that_is_given_up_leaves_no_process():
    import multiprocessing

    running = make_executor("processes", workers=2).run(total, ITEMS, {"numbers": np.zeros(3)})
    next(running)
    running.close()
    assert multiprocessing.active_children() == []


def test_another_version_or_other_code_is_named_before_anything_is_computed():
    check_alike(computing())
    with pytest.raises(UnfinishedError, match=r"has numpy .*expected 0.1.*, code of whitesquare .*expected abc"):
        check_alike(computing() | {"numpy": "0.1", "code of whitesquare": "abc"})
    with pytest.raises(UnfinishedError, match=r"has more missing \(expected 1\)"):
        check_alike(computing() | {"more": "1"})
