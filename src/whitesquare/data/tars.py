"""Tar files by the headers of their members: where each lies, and nothing of what it holds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.streams import AGAIN
from whitesquare.data.states import state_of
from whitesquare.errors import DataError

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_PLAIN, _FOLDER = b"0\x007", b"5"
_LONG_NAME, _PAX, _PAX_ALL = b"L", b"x", b"g"
_OF_NEXT = _LONG_NAME + _PAX
_MOST_EXTRA = 2**20
_LOOKED_AT = 2 * _BLOCK
"""A header, and what it says if it is a short extended one."""
_CHECKED = 4096
_AHEAD = 2**16
_CHECKSUM = slice(148, 156)
_OCTAL = 8 ** np.arange(5, -1, -1)
_KEYWORDS = (b"path", b"size")
_NOTHING: dict[bytes, bytes] = {}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


Member = tuple[str, int, int, int, int]
"""A plain file in a tar file: its path as it is written, where the first of its headers begins, where its content
begins, the bytes of that, and where the next member begins."""


class TarBytes:
    """The bytes of a tar file, read in pieces as they are asked for, so that large members are passed over."""

    def __init__(self, file: int) -> None:
        self.state = state_of(file)
        self.size = self.state[0]
        self._file = file
        self._held, self._first, self._last = b"", 0, 0

    def get(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes from ``start`` on; fewer only at the end of the file."""
        if start < self._first or start + count > self._last:
            self.around(start, count)
        start -= self._first
        return self._held[start : start + count]

    def around(self, start: int, count: int) -> tuple[bytes, int]:
        """Return bytes of which ``count`` from ``start`` on are part, unless the file ends, and where they begin."""
        if start < self._first or start + count > self._last:
            # What lies near is wanted next, unless what was passed over is large.
            ahead = _AHEAD if start - self._last < _AHEAD else count
            self._held = os.pread(self._file, max(count, ahead), start)
            self._first, self._last = start, start + len(self._held)
        return self._held, self._first


@contextmanager
def opened_tar(path: Path) -> Iterator[TarBytes]:
    """Open a tar file.

    Raises:
        DataError: it cannot be read, is empty or compressed.
    """
    try:
        with path.open("rb", buffering=0) as file:
            data = TarBytes(file.fileno())
            start = data.get(0, 8)
            for magic, name in _COMPRESSED.items():
                if start.startswith(magic):
                    raise DataError(
                        f"{path} is compressed ({name}), whatever its name; expected a plain tar file, so unpack it."
                    )
            if not start:
                raise DataError(f"{path} is empty; expected a tar file, so {AGAIN}.")
            yield data
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error


def plain_files(data: TarBytes, path: Path) -> Iterator[Member]:
    """Yield the plain files of a tar file in their order; folders are passed over.

    Args:
        data: see :func:`opened_tar`.
        path: its name, for the errors.

    Raises:
        DataError: it is cut off or damaged, goes on behind its end, or holds links, devices or whatever else is
            neither a file nor a folder.
    """
    at = begin = first = 0
    near, length = b"", data.size
    headers = bytearray()
    long: dict[bytes, bytes] = {}
    sizes: dict[bytes, int] = {}
    while True:
        here = at - first
        if here + _LOOKED_AT > len(near):
            near, first = data.around(at, _LOOKED_AT)
            here = at - first
        header = near[here : here + _BLOCK]
        if len(header) < _BLOCK:
            raise _cut(path, at)
        kind = header[156:157]
        if kind == b"\0" and header == _END[:_BLOCK]:
            break
        headers += header
        if len(headers) == _CHECKED * _BLOCK:
            _check_sums(headers, path)
            headers.clear()
            sizes.clear()
        said_size = header[124:136]
        if (size := sizes.get(said_size, -1)) < 0:  # most are as large as another one
            size = sizes[said_size] = _number(header, path, at)
        if long and kind not in _OF_NEXT:
            size = int(long.get(b"size", size))
        start = at + _BLOCK
        at = start + (size + 511 & -512)
        if at > length:
            raise _cut(path, start)
        if kind == _PAX and size <= _BLOCK and not _telling(near[here + _BLOCK : here + _BLOCK + size]):
            continue
        if kind in _PLAIN:
            yield _name(header, long, path), begin, start, size, at
        elif kind in _OF_NEXT:
            if said := _extended(kind, data.get(start, min(size, _MOST_EXTRA)), path):
                long |= said
            continue
        elif kind == _PAX_ALL:
            if _extended(kind, data.get(start, min(size, _MOST_EXTRA)), path):
                raise DataError(f"{path} has one name or size for all its members; pack it again, without that.")
        elif kind != _FOLDER:
            raise _no_file(_name(header, long, path), kind, path)
        begin = at
        long.clear()
    _check_sums(headers, path)
    _check_end(data, at, path)


def _number(header: bytes, path: Path, at: int) -> int:
    try:
        if header[124] == 0x80:
            return int.from_bytes(header[125:136], "big")
        return int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise _damaged(path, at // _BLOCK) from error


def _name(header: bytes, long: dict[bytes, bytes], path: Path) -> str:
    name = long.get(b"path") if long else None
    if name is None:
        name = header[:100].partition(b"\0")[0]
        if header[345] and header[257:263] == b"ustar\0":
            name = header[345:500].partition(b"\0")[0] + b"/" + name
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} has a member whose name is not UTF-8 ({name!r:.80}); rename it.") from error


def _extended(kind: bytes, content: bytes, path: Path) -> dict[bytes, bytes]:
    """Return what a header says of the name and size of the next member; all else counts for nothing here."""
    if kind == _LONG_NAME:
        return {b"path": content.rstrip(b"\0")}
    if not _telling(content):
        return _NOTHING
    found: dict[bytes, bytes] = {}
    at = 0
    try:
        while at < len(content):
            count = int(content[at : content.index(b" ", at)])
            keyword, _, value = content[at : at + count].partition(b" ")[2].rstrip(b"\n").partition(b"=")
            if keyword.startswith(b"GNU.sparse") or count < 5 or keyword in found:
                raise ValueError(f"{keyword!r:.40}")
            if keyword in _KEYWORDS:
                found[keyword] = value if keyword == b"path" else b"%d" % int(value)
            at += count
    except ValueError as error:
        raise DataError(f"{path} has an extended header that cannot be read ({error}); pack it again.") from error
    return found


def _telling(content: bytes) -> bool:
    """Tell whether an extended header may say a name, a size, or that a file has holes."""
    return b"path" in content or b"size" in content or b"GNU.sparse" in content


def _check_sums(headers: bytearray, path: Path) -> None:
    """Compare the checksum of each header: six digits, in nearly all."""
    blocks = np.frombuffer(headers, np.uint8).reshape(-1, _BLOCK)
    said = blocks[:, _CHECKSUM][:, :6].astype(np.int64) - ord("0")
    found = _sums(blocks)
    for i in np.flatnonzero((said @ _OCTAL != found) | (said < 0).any(axis=1) | (said > 7).any(axis=1)).tolist():
        text = blocks[i, _CHECKSUM].tobytes().strip(b" \0")
        # Some old programs took letters beyond ASCII for negative numbers.
        if not text.isdigit() or int(text, 8) not in (found[i], _sums(blocks[i : i + 1].view(np.int8))[0]):
            raise DataError(f"{path} is damaged: a header has another checksum than it says; {AGAIN}.")


def _sums(blocks: NDArray[Any]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = blocks.sum(axis=1, dtype=np.int64)
    found -= blocks[:, _CHECKSUM].sum(axis=1, dtype=np.int64) - 8 * ord(" ")
    return found


def _check_end(data: TarBytes, at: int, path: Path) -> None:
    if data.get(at, len(_END)) != _END:
        raise _cut(path, at)
    for place in range(at, data.size, _AHEAD):
        if data.get(place, _AHEAD).strip(b"\0"):
            raise DataError(
                f"{path} goes on behind its end, at byte {at}, where some programs read and others do not; expected "
                "one tar file, so pack it again."
            )


def _no_file(name: str, kind: bytes, path: Path) -> DataError:
    return DataError(
        f"{path}: {name!r} is a link, a device or of a kind ({kind.decode('latin-1')!r}) that programs read "
        "differently or not at all; expected plain files, so pack it again with the files themselves."
    )


def _cut(path: Path, at: int) -> DataError:
    return DataError(
        f"{path} is cut off: it has no end (two empty blocks) and nothing whole behind byte {at}; {AGAIN}, or pack it "
        "again, and close whatever wrote it."
    )


def _damaged(path: Path, block: int) -> DataError:
    return DataError(f"{path} is no tar file, or is damaged at byte {block * _BLOCK}; {AGAIN}.")
