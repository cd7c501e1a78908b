"""Files that nobody writes to while they are hashed, as far as the system tells: else the work says nothing of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from whitesquare._base.hashing import digest_of
from whitesquare.errors import ChangedError, DataError
from whitesquare.provenance.hashing import Piece
from whitesquare.provenance.walk import open_folder

_CHANGED = "were changed while they were read; let nobody write to the data set, and start again."


@contextmanager
def unchanged(stamp: Callable[[], str], what: str) -> Iterator[str]:
    """Give what tells files from others of their names; what changed under a task says nothing, readable or not.

    Args:
        stamp: what tells them from others, now.
        what: they are, as a sentence begins.

    Raises:
        ChangedError: they were changed meanwhile.
    """
    before = stamp()
    try:
        yield before
    except DataError as error:
        if stamp() != before:
            raise ChangedError(f"{what} {_CHANGED}") from error
        raise
    if stamp() != before:
        raise ChangedError(f"{what} {_CHANGED}")


def stamp_of(root: int, pieces: Sequence[Piece]) -> str:
    """Return what tells files from those of the same names that lay there before."""
    found = []
    for piece in pieces:
        try:
            opened = open_folder(root, piece.folder)
        except OSError as error:
            found.append(f"{error.errno}")
            continue
        try:
            for name in piece.names:
                try:
                    state = os.stat(name, dir_fd=opened, follow_symlinks=False)
                    found.append(f"{state.st_size} {state.st_mtime_ns} {state.st_ino} {state.st_ctime_ns}")
                except OSError as error:
                    found.append(f"{error.errno}")
        finally:
            os.close(opened)
    return digest_of(found)
