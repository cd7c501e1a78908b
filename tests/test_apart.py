"""A cluster that is lost, silent or none at all is a sentence and exit code 2, whatever Ray does to its process.

No cluster runs here: what stands for Ray does what Ray does.
"""

import os
import socket
from contextlib import contextmanager

import numpy as np
import pytest

from tests.data.forms import GREY
from tests.provenance.attesting import run
from tests.ray_like import FromWay, GivesUp, IsLost, Refuses, SaysNothing, Waits, Works, summed
from whitesquare.errors import UnfinishedError, UsageError
from whitesquare.executor import apart
from whitesquare.executor.apart import ApartExecutor

ITEMS = [3, 4]


@pytest.fixture
def listening():
    """Somebody who answers, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def ended():
    """What was started is ended, and nothing that is lost is kept for the next step."""
    yield
    assert not apart._idle


def test_what_is_done_apart_is_what_is_done_here_and_its_process_serves_again(listening):
    place, shared = ApartExecutor(Works(listening[1])), {"numbers": np.arange(4.0)}
    first, again = (list(place.run(summed, [*ITEMS, 0], shared)) for _ in range(2))
    assert [one.value[1] for one in first[:2]] == [8.0, 7.5]
    assert first[2].failure == "ZeroDivisionError: division by zero"
    (process,) = {one.value[0] for one in (*first[:2], *again[:2])}
    assert process != os.getpid()
    (driver,) = apart._idle.values()
    apart._end_all()
    assert driver._process.returncode is not None


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        (
            IsLost,
            UnfinishedError,
            r"The Ray cluster at 127.* was lost \(Ray ended the process .* what is finished is kept",
        ),
        (
            GivesUp,
            UnfinishedError,
            r"The Ray cluster at 127.* gave the work up \(RuntimeError: ActorDiedError: .*\.\.\.\)",
        ),
        (Refuses, UsageError, "it asks for a token"),
        (SaysNothing, UsageError, "is no Ray cluster, or one that let nobody join for 3 s"),
    ],
)
def test_a_cluster_that_is_lost_is_a_sentence(listening, kind, error, said):
    place = ApartExecutor(kind(listening[1]), joins=3.0 if kind is SaysNothing else 180.0)
    with ended(), pytest.raises(error, match=said) as found:
        list(place.run(summed, ITEMS, {}))
    assert len(str(found.value)) < 600


def test_a_cluster_at_whose_address_nobody_answers_any_more_is_lost(listening):
    server, address = listening
    outcomes = ApartExecutor(Waits(address), gone=0.3).run(summed, ITEMS, {})
    assert next(outcomes).value == 1
    server.close()
    with ended(), pytest.raises(UnfinishedError, match="nobody answers there any more"):
        list(outcomes)


def test_what_nobody_waits_for_any_more_is_ended(listening):
    outcomes = ApartExecutor(Waits(listening[1])).run(summed, ITEMS, {})
    next(outcomes)
    with ended():
        outcomes.close()


@pytest.mark.long
def test_the_command_says_that_its_cluster_was_lost(listening, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    images = np.random.default_rng(2).integers(0, 256, (12, 1, 9, 9), np.uint8)
    data = GREY["folder"](tmp_path / "data", images, np.arange(12) % 2)
    monkeypatch.setattr("whitesquare.executor.ray_data.RayDataExecutor", FromWay)
    how = ("--ray", listening[1], "--resume", tmp_path / "kept")
    done = run("scan", data, "--model-free", *how, code=2)
    assert "was lost (Ray ended the process that spoke to it)" in " ".join(done.stderr.split())
    assert not done.stdout
