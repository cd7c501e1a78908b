"""Locks between processes, which end with the process that holds them."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, mode: int = 0o600) -> Iterator[int]:
    """Hold the file ``path``, waiting for whoever holds it; gives its descriptor, to read and to write.

    Args:
        path: the file, made empty if it is not there, as its folder is.
        mode: who may use a file that is made, less what the process forbids new files.

    Raises:
        OSError: it cannot be opened, is a symbolic link (which could lead to anybody's file), or no plain file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "the lock is no plain file", str(path))
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def folder_lock(folder: Path) -> Iterator[int]:
    """Hold a folder, waiting for whoever holds it; gives its file descriptor, and leaves no file in it.

    Raises:
        OSError: it cannot be opened, or the file system has no locks.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
