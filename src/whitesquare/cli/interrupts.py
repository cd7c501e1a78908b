"""Ctrl-C and SIGTERM: the first tidies up and ends, soon whatever is under way; the second ends at once."""

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from whitesquare.cli import terminal
from whitesquare.cli.exits import HEARD, INTERRUPTED, UNDECIDED

_PATIENCE = 1.7
"""Seconds that a run gets to tidy up."""
_ONE, _MANY = 0.3, 4096
"""Seconds within which signals count as one: `timeout` sends its own to a program and to all of its group."""
_HEEDED = (signal.SIGINT, signal.SIGTERM)
_OUTSIDE = 130
"""The exit code of an interrupt that came before a verb began."""


@contextmanager
def heeded() -> Iterator[None]:
    """Let an interrupt end what runs in this block, and this process with it; for the main thread of a process."""
    watch = _Watch()
    try:
        yield
    except SystemExit as ended:
        if not watch.interrupted:
            raise
        if ended.code == _OUTSIDE:
            terminal.complain(INTERRUPTED)
        # Not by the interpreter's way out: it would wait for threads that are inside a long computation.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(UNDECIDED)


class _Watch:
    """Hears signals in a thread of its own: the main one hears none while it is inside a library's computation."""

    def __init__(self) -> None:
        self.interrupted = False
        self._heard, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in _HEEDED:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` asks, and a shell for what it runs behind
                signal.signal(number, self._interrupt)
        Thread(target=self._wait, daemon=True).start()

    def _interrupt(self, *_: object) -> None:
        if not self.interrupted:
            self.interrupted = True
            HEARD.set()
            raise KeyboardInterrupt

    def _wait(self) -> None:
        """Give the main thread its time from the first interrupt on, and none from the second on."""
        while os.read(self._heard, 1)[0] not in _HEEDED:
            pass
        time.sleep(_ONE)
        os.set_blocking(self._heard, False)
        with suppress(BlockingIOError):
            os.read(self._heard, _MANY)
        again, _, _ = select.select([self._heard], [], [], _PATIENCE - _ONE)
        terminal.last_words(
            f"Interrupted{', twice' if again else ''}; ended before all was tidied up: what was being written may be "
            "left under a name that ends in .part, which nothing reads and you may delete."
        )
        os._exit(UNDECIDED)
