"""Files that hold many samples, read once from the first byte to the last: what is parsed is what was hashed."""

import zlib
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from whitesquare.errors import DataError

AGAIN = "download or copy it again"
MOST_BYTES = 8 * 2**30
"""Most that a container may hold, all its parts together."""
MOST_IMAGES = 2**22
"""Most images of one container: a name and a digest of each are held, which is most of the memory for tiny images."""
MOST_OF_ONE = 2**28
"""Most bytes of one image of a container."""

_FREE = 2**29
_RATIO = 100
_FREE_IMAGES = 2**18
_BYTES_OF_ONE = 8
_FREE_TEXT = 2**26
_TEXT_RATIO = 8
_CHUNK = 2**16
_PATIENCE = 64 * 2**20

_HEADER = 10
_FNAME = 8
_TRAILER = 8
_LONGEST_NAME = 4096


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, count: int, /) -> bytes:
        """Return that many bytes, fewer only at the end."""


class FileDigest(NamedTuple):
    """A file that was read as a container: its name, its size, and the SHA-256 of the bytes that were parsed."""

    name: str
    size: int
    sha256: bytes


class HashedFile:
    """A file that is hashed while it is read, in order and to its end."""

    def __init__(self, raw: Readable) -> None:
        self._raw = raw
        self._digest = sha256()
        self._size = 0

    def read(self, count: int, /) -> bytes:
        """Return that many bytes, fewer only at the end."""
        data = self._raw.read(count)
        self._digest.update(data)
        self._size += len(data)
        return data

    def told(self, name: str) -> FileDigest:
        """Return size and digest of what was read."""
        return FileDigest(name, self._size, self._digest.digest())


def most_unpacked(packed: int) -> int:
    """Return how many bytes a compressed file of that size may announce before it counts as a bomb.

    Half a gigabyte is harmless, and no images of any use are compressed a hundredfold.
    """
    return min(MOST_BYTES, max(_FREE, _RATIO * packed))


def most_images(packed: int) -> int:
    """Return how many images, or texts, a file of that size may announce: each costs time, however well it is packed.

    A quarter of a million is harmless, and images of any use take eight bytes each (those of MNIST 160, packed).
    """
    return min(MOST_IMAGES, max(_FREE_IMAGES, packed // _BYTES_OF_ONE))


def most_text(packed: int) -> int:
    """Return how many bytes of ids a file of that size may announce; those of ``numpy`` take four for each letter."""
    return min(_FREE, max(_FREE_TEXT, _TEXT_RATIO * packed))


def most_beside(signed: int) -> int:
    """Return how many bytes are read where ``signed`` were signed: enough to say what differs, and no bomb."""
    return 2 * signed + _PATIENCE


class Gunzip:
    """The content of a gzip file (RFC 1952) that is one member and nothing else.

    Fields for remarks, a second member and bytes behind it are read by some programs and skipped by others, so none may
    be there; a name may, for every ``gzip`` writes one.
    """

    def __init__(self, raw: Readable, path: Path) -> None:
        """Read the header.

        Raises:
            DataError: it is damaged, or has fields that are refused.
        """
        self._raw, self._path = raw, path
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = self._size = 0
        self._ended = False
        self._rest = raw.read(_CHUNK)
        self._skip_header()

    def read(self, count: int, /) -> bytes:
        """Return that many bytes, fewer only at the end, where the checksum is compared and the file must end.

        Raises:
            DataError: the file is damaged, or goes on.
            zlib.error: likewise.
        """
        parts: list[bytes] = []
        while count and not self._ended:
            data = self._rest or self._raw.read(_CHUNK)
            part = self._inflate.decompress(data, count)
            self._rest = self._inflate.unconsumed_tail
            self._crc = zlib.crc32(part, self._crc)
            self._size += len(part)
            count -= len(part)
            parts.append(part)
            if self._inflate.eof:
                self._ended = True
                self._rest = self._inflate.unused_data
                self._expect_end()
            elif not data and not part:
                raise DataError(f"{self._path} is truncated: found no end of its gzip data; {AGAIN}.")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _skip_header(self) -> None:
        while len(self._rest) < _HEADER and (more := self._raw.read(_CHUNK)):
            self._rest += more
        head = self._rest[:_HEADER]
        if len(head) < _HEADER:
            raise DataError(f"{self._path} is truncated: found no end of its gzip header; {AGAIN}.")
        method, flags = head[2], head[3]
        if method != zlib.DEFLATED or flags & ~_FNAME:
            raise DataError(
                f"{self._path} has a gzip header that is damaged or has fields for remarks (method {method}, flags "
                f"{flags:#04x}), where anything can be hidden; expected deflate and at most a file name, so compress "
                "it anew with gzip."
            )
        start = _HEADER
        if flags & _FNAME:
            start = self._rest.find(b"\0", _HEADER, _HEADER + _LONGEST_NAME) + 1
            if not start:
                raise DataError(f"{self._path} is damaged: its gzip header has no end; compress it anew with gzip.")
        self._rest = self._rest[start:]

    def _expect_end(self) -> None:
        while len(self._rest) <= _TRAILER and (more := self._raw.read(_CHUNK)):
            self._rest += more
        trailer = self._rest[:_TRAILER]
        if len(trailer) < _TRAILER:
            raise DataError(f"{self._path} is truncated: found no end of its gzip data; {AGAIN}.")
        if trailer != self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"):
            raise DataError(f"{self._path} is damaged: its gzip checksum or length is another; {AGAIN}.")
        if len(self._rest) > _TRAILER:
            raise DataError(
                f"{self._path} is damaged: it goes on after the end of its gzip data, where programs read different "
                f"things; compress it anew with gzip, or {AGAIN}."
            )
