"""Every file of a folder, in the order of the manifest; what is no plain file in a plain place is named, not followed.

There is no list of things to ignore: hidden files count. No symbolic link is followed, not even one that takes the
place of a folder while the walk goes on. The time it takes grows with the number of entries and no faster: each folder
is opened from the one above it, and none lies deeper than :data:`DEPTH`.
"""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from whitesquare.data.layouts import is_plain
from whitesquare.data.nested import DEPTH

RUN = 2048
"""Files told at a time."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Run:
    """Regular files that follow each other.

    Attributes:
        folder: where they lie: empty for the root, else a path below it that ends in a slash.
        names: of the files, in order; none for a folder in which nothing lies at all.
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
    stack = [_Level.enter(root, ".", "")]
    try:
        while stack:
            for found in stack[-1].entries:
                if isinstance(found, str):
                    stack.append(_Level.enter(stack[-1].opened, found, stack[-1].folder + found))
                    break
                yield found
            else:
                stack.pop().leave()
    finally:
        for level in stack:
            level.leave()


@dataclass(frozen=True)
class _Level:
    """A folder that is being walked through, and what of it is still to be told."""

    folder: str
    opened: int
    entries: Iterator[Run | Odd | str]

    @classmethod
    def enter(cls, above: int, name: str, folder: str) -> "_Level":
        """Open a folder from the one above it; what goes wrong is told as its only entry."""
        if folder.count("/") > DEPTH:
            reason = f"is a folder more than {DEPTH} folders deep, into which nothing looks"
            return cls(folder, -1, iter([Odd(folder.rstrip("/"), reason)]))
        try:
            opened = os.open(name, _FOLDER, dir_fd=above)
        except OSError as error:
            return cls(folder, -1, iter([_unlisted(folder, error)]))
        return cls(folder, opened, _entries(opened, folder))

    def leave(self) -> None:
        if self.opened >= 0:
            os.close(self.opened)


def list_folder(root: int, folder: str) -> tuple[list[str], dict[str, str]]:
    """List one folder below a root.

    Returns:
        Names, in no order, those of folders with a slash at the end; and by name, what is wrong with some of them.

    Raises:
        OSError: it cannot be listed.
    """
    opened = open_folder(root, folder)
    try:
        return _listed(opened)
    finally:
        os.close(opened)


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
                        if not entry.is_dir(follow_symlinks=False):
                            total += 1
                        elif folder.count("/") < DEPTH:
                            folders.append(f"{folder}{entry.name}/")
            finally:
                os.close(opened)
    return total


def _listed(opened: int) -> tuple[list[str], dict[str, str]]:
    """List an open folder, see :func:`list_folder`."""
    names: list[str] = []
    unwritable: list[str] = []
    odd: dict[str, str] = {}
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
    taken = set(names) if unwritable else set()
    for name in sorted(unwritable):
        text = _escaped(name)
        while text in taken:
            text += "?"
        taken.add(text)
        odd[text] = "has a name that is not UTF-8 or holds a control character"
        names.append(text)
    return names, odd


def _entries(opened: int, folder: str) -> Iterator[Run | Odd | str]:
    """Tell what lies in one folder; a text is the name of a folder, whose content has its place there."""
    try:
        names, odd = _listed(opened)
    except OSError as error:
        yield _unlisted(folder, error)
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
            yield Odd(folder + name, odd[name]) if name in odd else name
    if run or not names:
        yield Run(folder, run)


def _unlisted(folder: str, error: OSError) -> Odd:
    return Odd(folder.rstrip("/") or ".", f"cannot be listed ({error.strerror})")


def _escaped(name: str) -> str:
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(letter if is_plain(letter) else ascii(letter)[1:-1] for letter in text)


def _collisions(names: list[str]) -> Iterator[tuple[str, str]]:
    """Find names that would be one on a file system that ignores case, the form of Unicode, or how a name ends.

    A name that ends in a dot or a space is no collision by itself: Windows cannot hold it, and a copy there, which has
    the name without it, is not the signed data set.
    """
    if len(_all_folded(names)) == len(names):
        return
    first: dict[str, str] = {}
    for name in names:
        if (other := first.setdefault(_folded(name), name)) != name:
            end = any(_ends_vainly(one.removesuffix("/")) for one in (name, other))
            where = "a dot or a space at the end" if end else "case or Unicode form"
            yield name, f"has the name of {other!r} wherever {where} does not count"


def _all_folded(names: list[str]) -> set[str]:
    """Return what :func:`_folded` makes of all names, which are thousands, and nearly always plain ones."""
    text = "".join(f"{name}\0" for name in names).replace("/\0", "\0")  # no name holds a NUL
    if text.isascii() and ".\0" not in text and " \0" not in text:
        return set(text.lower().split("\0")[:-1])
    return {_folded(name) for name in names}


def _folded(name: str) -> str:
    name = name.removesuffix("/")
    if _ends_vainly(name):
        name = name.rstrip(". ") or name
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _ends_vainly(name: str) -> bool:
    """Tell whether Windows would cut the end of a name off."""
    return name.endswith((".", " "))
