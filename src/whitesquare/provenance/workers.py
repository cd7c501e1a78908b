"""Hashing on all cores: small sets of files in this process, larger ones in worker processes.

Threads are slower than one process here, since most of the time per file is spent in Python. A worker is a bare
interpreter that is sent names and sends digests back: nothing is forked, so nothing is inherited, and whoever calls
this may have threads and needs no guard around the main module.
"""

import json
import sys
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from signal import SIGKILL
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from typing import IO

from whitesquare._base.environment import child_environment
from whitesquare._base.machine import usable_cores
from whitesquare.errors import UnfinishedError
from whitesquare.provenance.hashing import Hashed, Piece, hash_files, receive, send
from whitesquare.provenance.reading import SignedSizes

_MOST_WORKERS = 8
"""More would wait for this process, which builds the tree and the table."""
_LAST = 5.0
"""Seconds to wait for the end of a worker whose answers ended."""
_WORKER = """import sys; sys.path[:] = {path!r}
from whitesquare.provenance.hashing import serve
serve({root}, {pixels}, {lock})"""


def hash_all(
    root: int,
    tasks: Iterable[list[Piece]],
    *,
    pixels: bool,
    signed: SignedSizes | None = None,
    workers: int | None = None,
) -> Generator[tuple[list[Piece], Hashed], None, None]:
    """Hash files task by task, in order; only a few tasks are under way at any time.

    Args:
        root: file descriptor of the folder.
        tasks: each some thousand files.
        pixels: decode images and digest their pixels, too.
        signed: which large files are to be read, see :func:`~whitesquare.provenance.hashing.hash_files`.
        workers: number of processes; by default, one for each core, and none for a single task.

    Raises:
        UnfinishedError: one of them died, or found no memory.
    """
    tasks = iter(tasks)
    ahead = list(islice(tasks, 2))
    if workers is None:
        workers = min(usable_cores(), _MOST_WORKERS) if len(ahead) > 1 else 0
    if workers < 1:
        yield from ((task, hash_files(root, task, pixels=pixels, signed=signed)) for task in chain(ahead, tasks))
        return
    with _Workers(workers, root, signed, pixels=pixels) as pool:
        waiting: deque[tuple[list[Piece], Future[Hashed]]] = deque()
        for task in chain(ahead, tasks):
            waiting.append((task, pool.submit(task)))
            if len(waiting) > 2 * workers:
                first, answer = waiting.popleft()
                yield first, answer.result()
        for task, answer in waiting:
            yield task, answer.result()


class _Workers:
    """Worker processes, and a thread for each that waits for its answers."""

    def __init__(self, count: int, root: int, signed: SignedSizes | None, *, pixels: bool) -> None:
        self._count, self._root, self._pixels = count, root, pixels
        self._settings = json.dumps(signed.message() if signed else None).encode()
        self._idle: SimpleQueue[Popen[bytes]] = SimpleQueue()
        self._processes: list[Popen[bytes]] = []
        self._stack = ExitStack()

    def __enter__(self) -> "_Workers":
        self._threads = self._stack.enter_context(ThreadPoolExecutor(self._count))
        self._stack.callback(self._stop)
        path = [str(Path(__file__).parents[2]), *(item for item in sys.path if Path(item).is_absolute())]
        lock = self._stack.enter_context(TemporaryFile()).fileno()
        code = _WORKER.format(path=path, root=self._root, pixels=self._pixels, lock=lock)
        environment = child_environment()
        for _ in range(self._count):
            # -I and -S: no user code runs in it, and it starts in a few milliseconds.
            command = [sys.executable, "-I", "-S", "-c", code]
            process = Popen(  # noqa: S603
                command, stdin=PIPE, stdout=PIPE, pass_fds=(self._root, lock), env=environment
            )
            self._processes.append(process)
            with suppress(OSError):  # one that has ended already: its first task will say so
                send(_streams(process)[0], self._settings)
            self._idle.put(process)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def submit(self, task: list[Piece]) -> "Future[Hashed]":
        return self._threads.submit(self._ask, task)

    def _ask(self, task: list[Piece]) -> Hashed:
        process = self._idle.get()
        try:
            requests, answers = _streams(process)
            send(requests, json.dumps(task).encode())
            answer = json.loads(receive(answers))
            if isinstance(answer, str):
                raise UnfinishedError(answer)
            sizes, failed, traits = answer
            blob = receive(answers)
            if len(blob) != 32 * len(sizes) * (3 if self._pixels else 2):
                raise ValueError("the answer is cut off")
        except (OSError, ValueError) as error:
            raise _lost(process) from error
        finally:
            self._idle.put(process)
        end = 32 * len(sizes)
        reasons = {int(position): reason for position, reason in failed.items()}
        return Hashed(sizes, blob[:end], blob[end : 2 * end], blob[2 * end :], reasons, traits)

    def _stop(self) -> None:
        """End all workers; a thread that waits for one then sees its answer end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
            process.wait()
        self._threads.shutdown()
        for process in self._processes:
            for stream in _streams(process):
                with suppress(OSError):  # a request that was on its way when the worker ended
                    stream.close()


def _lost(process: "Popen[bytes]") -> UnfinishedError:
    """Say how a worker ended that gave no answer, and what to do."""
    how, then = "gave no answer", "start it again"
    with suppress(TimeoutExpired):
        code = process.wait(_LAST)
        how = f"was killed (signal {-code})" if code < 0 else f"ended early (exit code {code})"
        if code == -SIGKILL:
            then = "that is how processes end that the machine has no memory for, so take fewer --workers"
    return UnfinishedError(f"A process that reads files {how}, so nothing is known of the data; {then}.")


def _streams(process: "Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no streams")
    return process.stdin, process.stdout
