"""Processes of this machine: they share arrays through the page cache and do not take each other down.

``concurrent.futures`` gives up every task when one process dies; here the dead one is replaced, its task is tried once
more, and the others do not notice.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.environment import hidden_secrets
from whitesquare.executor.types import Item, Outcome, Outcomes, Result, Shared, Work, attempt

_ATTEMPTS = 2
_PATIENCE, _LAST = 5.0, 0.5
"""Seconds an idle worker gets to leave by itself, and all of them to tidy up when they are told to end."""


@dataclass(frozen=True)
class ProcessExecutor:
    """Run tasks in spawned processes.

    Attributes:
        workers: processes.
        light: no task needs PyTorch, which is not loaded then: it takes two seconds and 200 MB of each process.
    """

    workers: int
    light: bool = False

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`."""
        with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
            size = min(self.workers, len(items))
            crew = _Crew(work, items, Placed(placed(shared, Path(folder))), size, light=self.light)
            try:
                yield from crew.outcomes()
            finally:
                crew.dismiss()


@dataclass(frozen=True)
class Placed(Mapping[str, NDArray[Any]]):
    """Shared arrays as files, mapped into memory when they are read: one copy for all processes."""

    paths: dict[str, str]

    def __getitem__(self, name: str) -> NDArray[Any]:
        # A plain view of it: nothing downstream has to know about memory maps.
        return np.asarray(np.load(self.paths[name], mmap_mode="r"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def placed(shared: Shared, folder: Path) -> dict[str, str]:
    """Write shared arrays to a folder, for :class:`Placed`; return the path of each by its name."""
    paths = {name: str(folder / f"{number}.npy") for number, name in enumerate(shared)}
    for name, path in paths.items():
        np.save(path, shared[name])
    return paths


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    index: int


class _Crew:
    """The processes of one run, what each is at, and what is still to do."""

    def __init__(self, work: Work[Any, Any], items: Sequence[Any], shared: Shared, size: int, *, light: bool) -> None:
        self._work, self._items, self._shared, self._light = work, items, shared, light
        self._waiting = deque((index, 1) for index in range(len(items)))
        self._attempts: dict[int, int] = {}
        self._workers: list[_Worker] = []
        for _ in range(size):
            self._hire()

    def outcomes(self) -> Iterator[Outcome[Any]]:
        """Yield outcomes until every item has one."""
        while self._workers:
            ready = wait([worker.pipe for worker in self._workers])
            for worker in [one for one in self._workers if one.pipe in ready]:
                try:
                    ended = worker.pipe.recv()
                except (EOFError, OSError):
                    outcome = self._bury(worker)
                else:
                    outcome = Outcome(worker.index, *ended)
                    self._give(worker)
                if outcome is not None:
                    yield outcome

    def dismiss(self) -> None:
        """End every process."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        end = time.monotonic() + _LAST
        for worker in self._workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            worker.process.kill()
            worker.process.join()

    def _hire(self) -> None:
        if not self._waiting:
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._work, self._shared, self._light), daemon=True)
        # A spawned process cannot be given an environment; that it inherits which signals are held back, too, is meant:
        # a terminal's Ctrl-C reaches every process, and whoever started this one decides when it ends.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with hidden_secrets():
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()
        worker = _Worker(process, ours, -1)
        self._workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """Send the next task, or send the worker home if there is none."""
        if not self._waiting:
            self._workers.remove(worker)
            worker.pipe.close()
            worker.process.join(_PATIENCE)
            worker.process.terminate()
            return
        worker.index, self._attempts[worker.index] = self._waiting.popleft()
        try:
            worker.pipe.send((self._items[worker.index],))
        except OSError:
            return  # it has just died: its pipe is at its end, and the next wait() finds that

    def _bury(self, worker: _Worker) -> Outcome[Any] | None:
        """Replace a dead worker; give its task back, or report it failed once it has had its attempts."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        attempts, lost = self._attempts[worker.index], None
        if attempts < _ATTEMPTS:
            self._waiting.appendleft((worker.index, attempts + 1))
        else:
            code = worker.process.exitcode
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            lost = Outcome[Any](worker.index, None, f"The worker process died ({how}), {attempts} times in a row.")
        self._hire()
        return lost


def _serve(pipe: Connection, work: Work[Any, Any], shared: Shared, light: bool) -> None:
    """Work off what comes through the pipe until it is closed; runs in the worker process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what it is writing is taken away first
    Thread(target=_end_with_parent, daemon=True).start()
    if not light:
        import torch

        torch.set_num_threads(1)
    while True:
        try:
            (item,) = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(attempt(work, item, shared))


def _end_with_parent() -> None:
    """End this process when the one that started it is no more, however that ended: nobody waits for its result."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
