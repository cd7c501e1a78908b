"""Looking for garbage: among the records of a large scan, which stay, it stops every thread for a tenth of a second."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_alone() -> Iterator[None]:
    """Look for no garbage while records are made that stay, nor among them until :func:`looked_at_again`."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def looked_at_again() -> None:
    """Let what was left alone be looked at again."""
    gc.unfreeze()
