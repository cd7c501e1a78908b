"""Threads that stop: who waits for them and is interrupted, or fails, leaves none of them at work."""

import ctypes
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock, get_ident
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 1.0
"""Seconds that threads get to stop; one inside a long computation of a library goes on to its end, unheard."""
_AGAIN = 0.05


class Stopped(BaseException):
    """Raised in a thread whose work nobody waits for any more; no ``except Exception`` takes it for a failure."""


class Crew:
    """A pool of threads; when its block is left by an exception, an interrupt for one, the work under way is stopped.

    What runs in a thread need not look at anything: :class:`Stopped` is raised in it at its next step in Python, as
    ``KeyboardInterrupt`` is in the main thread. So it holds for detectors and attacks of other packages as well.
    """

    def __init__(self, threads: int, each: Callable[[], object] | None = None) -> None:
        """Make the pool.

        Args:
            threads: at most so many at a time.
            each: called once in every thread.
        """
        self._pool = ThreadPoolExecutor(max(1, threads), initializer=each)
        self._given: set[Future[object]] = set()
        self._busy: set[int] = set()
        self._lock = Lock()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def submit(self, work: Callable[[Item], Result], item: Item) -> "Future[Result]":
        """Have ``work`` done on an item."""
        future = self._pool.submit(self._at_work, work, item)
        self._given.add(future)  # type: ignore[arg-type]  # a future is invariant in what it gives
        # What is done is forgotten: a future holds what it gave, and a crew may be given work for an hour.
        future.add_done_callback(self._given.discard)
        return future

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Return the results in the items' order."""
        return (future.result() for future in [self.submit(work, item) for item in items])

    def _at_work(self, work: Callable[[Item], Result], item: Item) -> Result:
        with self._lock:
            self._busy.add(get_ident())
        try:
            return work(item)
        finally:
            with self._lock:
                self._busy.discard(get_ident())

    def _stop(self) -> None:
        """Raise in the threads again and again, for a destructor or a callback of a library may swallow it."""
        under_way = [future for future in list(self._given) if not future.cancel() and not future.done()]
        end = time.monotonic() + PATIENCE
        while under_way and time.monotonic() < end:
            with self._lock:
                for thread in self._busy:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Stopped))
            under_way = list(wait(under_way, _AGAIN).not_done)
