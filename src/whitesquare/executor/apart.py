"""Another executor, in a process of its own that speaks to a Ray cluster: its end, or its silence, is not that of ours.

Ray ends the process that it runs in when its cluster is lost, with an exit code that means findings here, and tries for
ever where something else answers than a cluster. Here either is a sentence. The process is kept for the next step, and
ends with this one, however that ends.
"""

import atexit
import os
import pickle
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from threading import Thread
from typing import Any, Protocol

from whitesquare._base.environment import child_environment
from whitesquare.errors import UnfinishedError, UsageError, WhitesquareError
from whitesquare.executor.processes import Placed, placed
from whitesquare.executor.reaching import LONG, answers, knock
from whitesquare.executor.types import Item, Outcomes, Result, Shared, Work, reason

_CODE = """import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}
from whitesquare.executor.apart import serve
serve({file})"""
_LAST = 5.0
"""Seconds that the process gets to leave its cluster, and after which it is seen whether the cluster still answers."""


class OnCluster(Protocol):
    """An executor of a cluster that exists."""

    @property
    def address(self) -> str | None:
        """Of the cluster."""

    def begin(self, shared: Shared) -> None:
        """Join it.

        Raises:
            UsageError: it cannot be reached.
        """

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`."""


@dataclass(frozen=True)
class ApartExecutor:
    """Run another executor in a process of its own.

    Attributes:
        there: that executor; of a cluster with an address.
        joins: seconds that it may take to join the cluster.
        gone: seconds for which nobody may answer at its address.
    """

    there: OnCluster
    joins: float = 180.0
    gone: float = 90.0

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`.

        Raises:
            UsageError: there is no cluster at the address.
            UnfinishedError: it was lost, or gave the work up.
        """
        knock(self.there.address or "")
        driver = _idle.pop(repr(self.there), None) or _Driver(self.there)
        ended = False
        try:
            with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
                driver.send((work, list(items), placed(shared, Path(folder))))
                if not driver.receive(self.joins, self.joins):
                    raise _silent(self.there.address, self.joins)
                while (outcome := driver.receive(None, self.gone)) is not None:
                    yield outcome
            ended = True
        finally:
            if ended:
                _idle[repr(self.there)] = driver
            else:
                driver.end()


class _Driver:
    """The process, and what is said to it and heard of it."""

    def __init__(self, there: OnCluster) -> None:
        ours, theirs = socket.socketpair()
        code = _CODE.format(path=[item for item in sys.path if Path(item or ".").is_absolute()], file=theirs.fileno())
        self._address = there.address
        self._pipe = Connection(ours.detach())
        with theirs:
            # What Ray itself says goes nowhere: what matters of it comes as an error.
            self._process = Popen(  # noqa: S603
                [sys.executable, "-c", code],
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=child_environment(),
            )
        self.send(there)

    def send(self, message: object) -> None:
        """Say something; that nobody hears it is found when an answer is waited for."""
        with suppress(OSError):
            self._pipe.send_bytes(pickle.dumps(message))

    def receive(self, most: float | None, gone: float) -> Any:
        """Return what it says next; false if it says nothing for ``most`` seconds.

        Raises:
            UnfinishedError: it has ended, or nobody answered at the address of its cluster for ``gone`` seconds.
            WhitesquareError: its own.
        """
        begun = heard = time.monotonic()
        while not self._pipe.poll(min(_LAST, gone)):
            now = time.monotonic()
            if most is not None and now - begun >= most:
                return False
            heard = now if most is not None or answers(self._address or "") else heard
            if now - heard > gone:
                raise self._lost("nobody answers there any more")
        try:
            # What it says was made by this very program.
            found = pickle.loads(self._pipe.recv_bytes())  # noqa: S301
        except (EOFError, OSError) as error:
            raise self._lost("Ray ended the process that spoke to it") from error
        if isinstance(found, WhitesquareError):
            raise found
        return found

    def end(self) -> None:
        """End the process: its cluster then stops what it was asked for."""
        self._pipe.close()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(_LAST)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _lost(self, how: str) -> UnfinishedError:
        return UnfinishedError(
            f"The Ray cluster at {self._address} was lost ({how}); look at it with `ray status`, start it again where "
            "it is gone, and give the same command: what is finished is kept."
        )


_idle: dict[str, _Driver] = {}


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.popitem()[1].end()


def serve(file: int) -> None:
    """Be the process: join the cluster, do what is asked for, and send what comes of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Thread(target=_end_with_parent, daemon=True).start()
    pipe = Connection(file)

    def say(message: object) -> None:
        pipe.send_bytes(pickle.dumps(message))

    with suppress(EOFError, OSError):  # nobody listens any more
        there: OnCluster = pickle.loads(pipe.recv_bytes())  # noqa: S301 - made by this very program
        while True:
            work, items, paths = pickle.loads(pipe.recv_bytes())  # noqa: S301
            shared = Placed(paths)
            try:
                there.begin(shared)
                say(True)
                for outcome in there.run(work, items, shared):
                    say(outcome)
                say(None)
            except (EOFError, BrokenPipeError):
                return
            except Exception as error:  # noqa: BLE001 - whatever Ray raises, it is told
                say(_told(error, there.address))


def _told(error: Exception, address: str | None) -> WhitesquareError:
    if isinstance(error, UsageError):
        return UsageError(str(error))
    why = reason(error)
    return UnfinishedError(
        f"The Ray cluster at {address} gave the work up ({why[:LONG]}{'...' * (len(why) > LONG)}); look at it with "
        "`ray status`, and give the same command again: what is finished is kept."
    )


def _end_with_parent() -> None:
    """End this process when the one that started it is no more, however that ended: it holds the other end of this."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST)
    os._exit(1)


def _silent(address: str | None, seconds: float) -> UsageError:
    return UsageError(
        f"What answers at {address} is no Ray cluster, or one that let nobody join for {seconds:g} s; see what "
        "`ray status` says there, and give the address that `ray start --head` printed."
    )
