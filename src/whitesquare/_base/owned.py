"""Files that nobody but this user can have written: owner, mode and kind of what was opened, whatever its name says."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOTDIR
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ENTER = stat.S_IXGRP | stat.S_IXOTH


class NotOwnError(Exception):
    """Somebody else can have written it; the text says why and what to do."""


def make_own(folder: Path) -> None:
    """Make a folder that only this user can enter, if there is none.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_own(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def check_own(folder: Path, *names: str) -> None:
    """Look whether nobody else can have written a folder, or the folders below it that are named in turn.

    Raises:
        NotOwnError: somebody can.
        OSError: one of them is missing.
    """
    with _opened(folder, names):
        pass


def check_within(folder: Path) -> None:
    """Look whether nobody else can have written anything in a folder, which is not asked for where nobody else gets in.

    Raises:
        NotOwnError: somebody can.
        OSError: it cannot be listed.
    """
    if not folder.stat().st_mode & _OTHERS_ENTER:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            found, path = entry.stat(follow_symlinks=False), Path(entry.path)
            is_folder = stat.S_ISDIR(found.st_mode)
            _judge(found, path, "folder" if is_folder else "file", directory=is_folder)
            if is_folder:
                check_within(path)


def close_within(folder: Path) -> None:
    """Let nobody else into what lies in a folder of this user's own."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_symlink():
                os.chmod(entry.path, 0o700 if entry.is_dir() else 0o600)  # noqa: PTH101 - of an entry


def read_own(folder: Path, *names: str) -> bytes:
    """Read a file below ``folder``; each folder on the way, and the file, must be this user's own.

    Args:
        folder: where to begin; what is above it is not looked at.
        names: of the folders on the way, and of the file.

    Raises:
        NotOwnError: somebody else can have written one of them.
        OSError: it is missing or cannot be read.
    """
    with _opened(folder, names[:-1]) as parent:
        file = _open(names[-1], folder.joinpath(*names), parent, directory=False)
        with os.fdopen(file, "rb") as opened:
            return opened.read()


@contextmanager
def _opened(folder: Path, names: tuple[str, ...]) -> Iterator[int]:
    """Open a folder and those below it, one from the other, so that nobody can put another in between."""
    path, found = folder, _open(str(folder), folder, None, directory=True)
    try:
        for name in names:
            path, above = path / name, found
            found = _open(name, path, above, directory=True)
            os.close(above)
        yield found
    finally:
        os.close(found)


def _open(name: str, path: Path, above: int | None, *, directory: bool) -> int:
    """Open without following a link or waiting for a pipe, and judge what was opened."""
    kind = "folder" if directory else "file"
    if stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
        raise NotOwnError(f"{path} is a symbolic link, where a {kind} was expected; name the real {kind} or remove it")
    found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
    try:
        _judge(os.fstat(found), path, kind, directory=directory)
    except BaseException:
        os.close(found)
        raise
    return found


def _judge(about: os.stat_result, path: Path, kind: str, *, directory: bool) -> None:
    mode = about.st_mode
    if directory and not stat.S_ISDIR(mode):
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(path))
    if not directory and not stat.S_ISREG(mode):
        raise NotOwnError(f"{path} is no file; remove it")
    if about.st_uid != os.getuid():
        raise NotOwnError(
            f"{path} belongs to user {about.st_uid} and this is user {os.getuid()}; use a {kind} of your own"
        )
    if mode & _OTHERS_WRITE:
        raise NotOwnError(
            f"{path} can be written by others (mode {stat.S_IMODE(mode):04o}); remove it, or run `chmod go-w` on it if "
            "you know all that is in it"
        )
