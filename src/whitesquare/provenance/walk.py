"""Every file of a folder, in the order of the manifest; what is no plain file in a plain place is named, not followed.

There is no list of things to ignore: hidden files count. No symbolic link is followed, not even one that takes the
place of a folder while the walk goes on.
"""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from whitesquare.layouts import is_plain

RUN = 2048
"""Files told at a time."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Run:
    """Regular files that follow each other.

    Attributes:
        folder: where they lie: empty for the root, else a path below it that ends in a slash.
        names: of the files, in order.
    """

    folder: str
    names: list[str]


@dataclass(frozen=True)
class Odd:
    """What a data set must not hold.

    Attributes:
        id: its path below the root; what cannot be written as UTF-8 on one line is escaped.
        reason: what is wrong with it, to follow its name in a sentence.
        listed: whether it stands for itself; else the files it is about are told as well.
    """

    id: str
    reason: str
    listed: bool = True


def open_folder(root: int, folder: str) -> int:
    """Open a folder below a root step by step, through no symbolic link.

    Args:
        root: file descriptor of the root.
        folder: see :class:`Run`.

    Returns:
        A new file descriptor.

    Raises:
        OSError: it cannot be opened.
    """
    found = os.dup(root)
    for name in folder.split("/")[:-1]:
        try:
            deeper = os.open(name, _FOLDER, dir_fd=found)
        finally:
            os.close(found)
        found = deeper
    return found


def walk(root: int) -> Iterator[Run | Odd]:
    """Tell every entry below a root, sorted by the UTF-8 bytes of its whole path.

    Args:
        root: file descriptor of the folder.
    """
    stack = [_entries(root, "")]
    while stack:
        for found in stack[-1]:
            if isinstance(found, str):
                stack.append(_entries(root, found))
                break
            yield found
        else:
            stack.pop()


def list_folder(root: int, folder: str) -> tuple[list[str], dict[str, str]]:
    """List one folder below a root.

    Returns:
        Names, in no order, those of folders with a slash at the end; and by name, what is wrong with some of them.

    Raises:
        OSError: it cannot be listed.
    """
    names: list[str] = []
    unwritable: list[str] = []
    odd: dict[str, str] = {}
    opened = open_folder(root, folder)
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                name = entry.name
                if not is_plain(name):
                    unwritable.append(name)
                    continue
                if entry.is_dir(follow_symlinks=False):
                    name += "/"
                elif not entry.is_file(follow_symlinks=False):
                    odd[name] = "is a symbolic link" if entry.is_symlink() else "is a device, a pipe or a socket"
                names.append(name)
    finally:
        os.close(opened)
    for name in sorted(unwritable):
        text = _escaped(name)
        while text in odd or text in names:
            text += "?"
        odd[text] = "has a name that is not UTF-8 or holds a control character"
        names.append(text)
    return names, odd


def count_files(root: int) -> int:
    """Count roughly what :func:`walk` will tell; a folder that cannot be listed counts for nothing."""
    total, folders = 0, [""]
    while folders:
        folder = folders.pop()
        with suppress(OSError):
            opened = open_folder(root, folder)
            try:
                with os.scandir(opened) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(f"{folder}{entry.name}/")
                        else:
                            total += 1
            finally:
                os.close(opened)
    return total


def _entries(root: int, folder: str) -> Iterator[Run | Odd | str]:
    """Tell what lies in one folder; a text is a folder, whose content has its place there."""
    try:
        names, odd = list_folder(root, folder)
    except OSError as error:
        yield Odd(folder.rstrip("/") or ".", f"cannot be listed ({error.strerror})")
        return
    names.sort()
    yield from (Odd(folder + name, reason, listed=False) for name, reason in _collisions(names))
    run: list[str] = []
    for name in names:
        plain = name not in odd and not name.endswith("/")
        if run and (not plain or len(run) == RUN):
            yield Run(folder, run)
            run = []
        if plain:
            run.append(name)
        else:
            yield Odd(folder + name, odd[name]) if name in odd else folder + name
    if run:
        yield Run(folder, run)


def _escaped(name: str) -> str:
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(letter if is_plain(letter) else ascii(letter)[1:-1] for letter in text)


def _collisions(names: list[str]) -> Iterator[tuple[str, str]]:
    """Find names that would be one on a file system that ignores case or the form of Unicode."""
    if len({_folded(name) for name in names}) == len(names):
        return
    first: dict[str, str] = {}
    for name in names:
        if (other := first.setdefault(_folded(name), name)) != name:
            yield name, f"has the name of {other!r} wherever case or Unicode form does not count"


def _folded(name: str) -> str:
    name = name.removesuffix("/")
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
