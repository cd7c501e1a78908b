"""The end of the process: with the code that was decided here, and never with one that a library chose."""

import atexit
import ctypes
import os
import sys
import threading
from contextlib import suppress

from whitesquare.cli.exits import UNDECIDED


def expect_worse() -> None:
    """Let whatever ends this process but :func:`leave` end it with exit code 2.

    A library may end it by itself: OpenBLAS does that finds no memory, with the exit code of findings.
    """
    with suppress(OSError, AttributeError):  # another C library, which is not asked
        library = ctypes.CDLL(None)
        register, ends = getattr(library, "__cxa_atexit"), ctypes.cast(library._exit, ctypes.c_void_p)
        register.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        register(ends, UNDECIDED, None)


def leave(code: object) -> None:
    """Do what is left to be done at the end, and end the process without taking every module apart.

    That would take a second where PyTorch was loaded, and DuckDB tells of everything that nobody took apart before.

    Args:
        code: that the program ended with; ``None`` is 0.
    """
    ended = code if isinstance(code, int) else UNDECIDED if code else 0
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter does first
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # a pipe that was closed, or no stream at all
            ended = ended or UNDECIDED
    os._exit(ended)
