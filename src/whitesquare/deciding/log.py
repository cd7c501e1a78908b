"""The file of decisions: JSON lines that are only ever added, so a crash loses nothing and two people can share it.

The first line is a :class:`ReviewHead`, every other one a :class:`Mark`. A line counts once its newline is written.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from whitesquare._base.locks import file_lock
from whitesquare._base.schema import build
from whitesquare._base.strictjson import parse_named
from whitesquare.deciding.types import Mark, ReviewHead, Standing
from whitesquare.errors import DataError

T = TypeVar("T", Mark, ReviewHead)

DECISIONS = "decisions.jsonl"
"""The file beside ``scan.json``, unless another is named."""

_NAMES = [item.name for item in fields(Mark)]
_BREAK = "\n"
_HEAD = 65_536
"""Bytes in which the first line must end."""
_BLOCK = 2**20
"""Bytes that are read at a time."""

_logger = logging.getLogger(__name__)


class DecisionLog:
    """A file of decisions about one scan, to read and to add to.

    Args:
        path: the file; it is made if it is not there.
        head: what is decided about.

    Raises:
        DataError: it cannot be made or read, is no file of decisions, or is one about another scan.
    """

    def __init__(self, path: Path, head: ReviewHead) -> None:
        """Open the file, or make it."""
        self.path, self.head = path, head
        if not self._is_ours():
            with self._held("made") as handle:
                if not self._is_ours():
                    _write_at(handle, 0, _line(head))
            _sync_folder(path.parent)

    def append(self, marks: Iterable[Mark]) -> None:
        """Add marks, all together, and wait until they are on the disk.

        What a killed writer left unfinished is cut off first. Other processes may add to the same file at any time.

        Raises:
            DataError: they cannot be written (nothing of them stays), or the file is about another scan by now.
        """
        lines = b"".join(map(_line, marks))
        if not lines:
            return
        with self._held("written") as handle:
            if not self._is_ours():  # somebody took it away meanwhile
                _write_at(handle, 0, _line(self.head))
            _write_at(handle, self._mended(handle), lines)

    def read(self, since: int = 0) -> tuple[list[Mark], int]:
        """Read the marks after a place in the file, in its order.

        A last line that is not finished is left for the next time.

        Args:
            since: the place, in bytes, that an earlier call returned; 0 for the beginning.

        Returns:
            The marks, and the place up to which they were read.

        Raises:
            DataError: a line is no mark (the sentence says which), or the file was shortened or is another by now.
        """
        if since == 0 and not self._is_ours():
            return [], 0
        marks: list[Mark] = []
        try:
            with self.path.open("rb") as file:
                file.seek(max(since - 1, 0))
                ahead = file.read(1) if since else file.readline()  # what ends with the line break before the marks
                if not ahead.endswith(b"\n"):
                    raise DataError(f"{self.path} was shortened or replaced while it was read; open it again.")
                place, rest = since or len(ahead), b""
                while block := file.read(_BLOCK):
                    lines, newline, rest = (rest + block).rpartition(b"\n")
                    if newline:
                        marks += self._marks(lines, since, len(marks))
                        place += len(lines) + 1
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}.") from error
        return marks, place

    def _marks(self, lines: bytes, since: int, before: int) -> list[Mark]:
        """Read whole lines: all at once, and one by one where that does not go, which tells the wrong one."""
        try:
            found = json.loads(f"[{lines.decode().replace(_BREAK, ',')}]", object_pairs_hook=_written)
            if len(found) == lines.count(b"\n") + 1:
                return [Mark(**one) for one in found]
        except (ValueError, TypeError, RecursionError, DataError):
            pass
        where = f"{self.path}, line {{}}, is no decision"
        first = 2 if since == 0 else 1
        if since:
            where = f"{self.path}, line {{}} after byte {since}, is no decision"
        return [
            _parsed(Mark, line, where.format(number)) for number, line in enumerate(lines.split(b"\n"), first + before)
        ]

    def _is_ours(self) -> bool:
        """Tell whether the file is there and begins with our head.

        Raises:
            DataError: it begins with another one.
        """
        if self.path.exists() and not self.path.is_file():
            raise DataError(f"{self.path} is no plain file; name another one with --decisions.")
        try:
            with self.path.open("rb") as file:
                first, newline, _ = file.read(_HEAD).partition(b"\n")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}.") from error
        if not newline and _line(self.head).startswith(first):
            return False  # whoever made it was killed before its first line was whole
        found = _parsed(ReviewHead, first, f"{self.path} is no file of decisions, for its first line is no head")
        if (found.scan, found.dataset) != (self.head.scan, self.head.dataset):
            raise DataError(
                f"{self.path} holds decisions about the scan {found.scan} of the data set {found.dataset[:12]}, and "
                f"this is the scan {self.head.scan} of {self.head.dataset[:12]}; name the file of this scan, or "
                "another one, with --decisions."
            )
        return True

    def _mended(self, handle: int) -> int:
        """Return where to write: after the last whole line; a last one that lacks but its newline is given it."""
        size = os.fstat(handle).st_size
        start, tail = size, b""
        while start > 0 and b"\n" not in tail:
            start = max(start - _HEAD, 0)
            tail = os.pread(handle, size - start, start)
        place = start + tail.rfind(b"\n") + 1
        if place == size:
            return size
        try:
            _parsed(Mark, tail[place - start :], "the last line")
        except DataError:
            _logger.warning("%s: %d bytes that a killed writer left unfinished are cut off.", self.path, size - place)
            return place
        _write_at(handle, size, b"\n")
        return size + 1

    @contextmanager
    def _held(self, done: str) -> Iterator[int]:
        """Hold the file that lies at the path, not one that was renamed away meanwhile."""
        try:
            while True:
                with file_lock(self.path, 0o666) as handle:
                    ours, there = os.fstat(handle), self.path.stat()
                    if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino):
                        yield handle
                        return
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be {done}: {error.strerror}; make room or give the right to write there, or name "
                "another file with --decisions."
            ) from error


def standings(marks: Iterable[Mark]) -> dict[str, Standing]:
    """Return where each sample stands that anybody marked, by id, in the order of the first marks.

    The order of the marks decides, never their times: a clock that was set back does no harm.

    Raises:
        DataError: marks of one sample are about different contents.
    """
    found: dict[str, Standing] = {}
    for mark in marks:
        standing = found.get(mark.id)
        if standing is None:
            standing = found[mark.id] = Standing(mark.id, mark.content, {})
        elif standing.content != mark.content:
            raise DataError(
                f"The sample {mark.id!r:.200} was decided on with the content {standing.content[:12]} and with "
                f"{mark.content[:12]}: the file was edited, or holds decisions about other data; take the wrong "
                "lines out."
            )
        standing.by_person.pop(mark.by, None)
        if mark.choice:
            standing.by_person[mark.by] = mark
    return found


def _written(pairs: list[tuple[str, Any]]) -> dict[str, str]:
    """Take an object as it is written here: the names of a mark in their order, and nothing but texts."""
    found = dict(pairs)
    if list(found) != _NAMES or len(pairs) != len(_NAMES):
        raise ValueError("it was written by somebody else")
    "".join(found.values())  # a TypeError at what is no text
    return found


def _line(record: Mark | ReviewHead) -> bytes:
    # ASCII: names of files may hold half surrogate pairs, which UTF-8 cannot write.
    found = {item.name: getattr(record, item.name) for item in fields(record)}
    return json.dumps(found, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _parsed(kind: type[T], line: bytes, where: str) -> T:
    """Read one line, or say what is wrong with it."""
    try:
        found = parse_named(line)
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error
    build(kind, found.shown, where=where)
    return kind(**found.written)


def _write_at(handle: int, place: int, data: bytes) -> None:
    """Write at a place what was not there, and wait for the disk; on failure the file ends at that place."""
    try:
        os.ftruncate(handle, place)
        done = 0
        while done < len(data):
            done += os.pwrite(handle, data[done:], place + done)
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, place)
        raise


def _sync_folder(folder: Path) -> None:
    """Wait until the name of a new file is on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
