"""Whether a file is the one that was opened: by its size, which file it is, and when somebody last wrote to it."""

import os
from pathlib import Path

from whitesquare.errors import ChangedError

FileState = tuple[int, int, int]
"""Bytes of a file, its number on the disk, and the time of its content in nanoseconds."""


def state_of(file: int | Path) -> FileState:
    """Return what tells a file from another that lies there later, and from itself after somebody wrote to it.

    Args:
        file: a descriptor, or a path.

    Raises:
        OSError: it is not there.
    """
    found = os.fstat(file) if isinstance(file, int) else file.stat()
    return found.st_size, found.st_ino, found.st_mtime_ns


def check_state(file: int | Path, before: FileState | None, path: Path) -> None:
    """Compare a file with the one that was opened; called after it was read, so that the bytes are those of that one.

    Args:
        file: a descriptor, or a path.
        before: its state then; ``None`` where nobody looked, as of a file that another machine opened.
        path: of it, for the error.

    Raises:
        ChangedError: it is another one, is gone, or somebody wrote to it.
    """
    try:
        same = before is None or state_of(file) == before
    except OSError:
        same = False
    if not same:
        raise changed(path)


def changed(path: Path) -> ChangedError:
    """Return the error for a file that is not the one that was opened."""
    return ChangedError(f"{path} was changed since it was opened; open the data set anew.")
