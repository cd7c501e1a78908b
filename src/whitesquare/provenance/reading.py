"""Reading one untrusted file: a regular one, reached through no link, not too large, and whole or not at all."""

import os
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import sha256
from stat import S_ISREG
from typing import Protocol

from whitesquare.data.layouts import MAX_IMAGE_BYTES, is_image
from whitesquare.data.traits.damage import DAMAGED, is_plain, is_plain_damaged
from whitesquare.data.traits.told import traits_told
from whitesquare.provenance.walk import open_folder

SMALL, MOVED = 2**20, 2**26
"""Bytes of a file that is read though nobody signed its size; and of one that is read where its size was signed, but of
a file of another name."""
NOTHING = bytes(32)
"""Stands for the digest of a file that cannot be read: no file has it."""

_BUFFER = 2**18
"""Bytes read at a time; most images fit."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class SignedSizes:
    """Which large files were signed: a file of another size is another file, and need not be read to know it.

    Attributes:
        sizes: of all files above :data:`SMALL`, each once, sorted.
        named: by id, the sizes of all files above :data:`MOVED`.
    """

    sizes: "array[int]"
    named: dict[str, int]

    def check(self, id: str, size: int) -> None:
        """Refuse to read a file whose size says that it is not signed.

        Raises:
            TooLargeError: it is none of the signed.
        """
        if size <= SMALL or self.named.get(id) == size:
            return
        place = bisect_left(self.sizes, size)
        if size > MOVED or place == len(self.sizes) or self.sizes[place] != size:
            raise TooLargeError(size, f"was not read, for no such file of {size} bytes is signed")

    def message(self) -> list[object]:
        """Return what :func:`serve` makes it of again."""
        return [self.sizes.tolist(), self.named]


class TooLargeError(Exception):
    """A file whose size alone says that it is not to be read: its size, and why, to follow its name in a sentence."""

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(reason)
        self.size, self.reason = size, reason


class Kind(Protocol):
    """What is known of a file beside its name; see :class:`~whitesquare.provenance.hashing.Piece`."""

    @property
    def folder(self) -> str:
        """Where it lies."""

    @property
    def split(self) -> str:
        """Of which split it is a sample; empty for a file that is none."""


class Reader:
    """Reads files one after the other into one buffer.

    Attributes:
        traits: see :class:`~whitesquare.provenance.hashing.Hashed`.
    """

    def __init__(self, pixels: bool, signed: SignedSizes | None, lock: int | None) -> None:
        self._pixels, self._signed, self._lock = pixels, signed, lock
        self._buffer = memoryview(bytearray(_BUFFER))
        self._buffers = (self._buffer,)
        self.traits: dict[str, int] = {}

    def read(self, folder: int, name: str, piece: Kind) -> tuple[int, bytes, bytes]:
        """Return size, digest, and digest of the pixels.

        Raises:
            OSError: it is no regular file, or cannot be read whole.
            TooLargeError: it is not to be read.
        """
        opened = os.open(name, _FILE, dir_fd=folder)
        try:
            found = os.fstat(opened)
            if not S_ISREG(found.st_mode):
                raise OSError(0, "it is no regular file")
            size = found.st_size
            if size >= _BUFFER or self._pixels:
                return self._read_other(opened, size, name, piece)
            buffer = self._buffer
            if (done := os.readv(opened, self._buffers)) != size:
                return size, self._hash(opened, size, done), NOTHING
            digest = sha256(buffer[:size]).digest()
            if piece.split and not is_plain(buffer, size):
                self._note_traits(opened, size, buffer[:size])
            elif piece.split and is_plain_damaged(buffer[:size]):
                self._note(DAMAGED)
            return size, digest, NOTHING
        finally:
            os.close(opened)

    def _read_other(self, opened: int, size: int, name: str, piece: Kind) -> tuple[int, bytes, bytes]:
        """Read what is larger than the buffer, or is to be decoded."""
        if size > SMALL:
            self._check_size(piece.folder + name, size, is_sample=bool(piece.split))
        if self._pixels and size <= MAX_IMAGE_BYTES and is_image(name):
            digest, seen = _hash_image(opened, name, size, self._lock)
        else:
            digest, seen = self._hash(opened, size, os.readv(opened, self._buffers)), NOTHING
        if piece.split:
            self._note_traits(opened, size, os.pread(opened, 4096, 0))
        return size, digest, seen

    def _check_size(self, id: str, size: int, *, is_sample: bool) -> None:
        if self._signed is not None:
            self._signed.check(id, size)
        elif is_sample and size > MAX_IMAGE_BYTES:
            reason = f"has {size} bytes, more than the {MAX_IMAGE_BYTES} of an image that can be read"
            raise TooLargeError(size, reason)

    def _hash(self, opened: int, size: int, done: int) -> bytes:
        """Hash a file of which the buffer holds the beginning; a single read need not give all that it could hold.

        Raises:
            OSError: it has more bytes than ``size``, or fewer.
        """
        digest = sha256(self._buffer[:done])
        count = done
        while count and done <= size:
            count = os.readv(opened, self._buffers)
            digest.update(self._buffer[:count])
            done += count
        _check_whole(done, size)
        return digest.digest()

    def _note(self, trait: str) -> None:
        self.traits[trait] = self.traits.get(trait, 0) + 1

    def _note_traits(self, opened: int, size: int, head: memoryview | bytes) -> None:
        def read(offset: int, count: int) -> bytes:
            if offset + count <= len(head) or len(head) == size:
                return bytes(head[offset : offset + count])
            return os.pread(opened, count, offset) if offset < size else b""

        for trait in traits_told(size, head, read):
            self._note(trait)


def _hash_image(opened: int, name: str, size: int, lock: int | None) -> tuple[bytes, bytes]:
    from whitesquare.provenance.pixels import pixel_digest

    data = _read_open(opened, size)
    return sha256(data).digest(), pixel_digest(data, name, lock) or NOTHING


def _read_open(opened: int, size: int) -> bytes:
    """Read a file of a known size.

    Raises:
        OSError: it has more bytes than that, or fewer.
    """
    with os.fdopen(opened, "rb", closefd=False) as file:
        data = file.read(size + 1)
    _check_whole(len(data), size)
    return data


def _check_whole(found: int, size: int) -> None:
    if found != size:
        more = "more" if found > size else f"only {found}"
        raise OSError(0, f"it has {size} bytes, and {more} were read: it was changed meanwhile, or is no file to keep")


def _open_regular(folder: int, name: str) -> tuple[int, int]:
    """Open a regular file; return its size with it."""
    opened = os.open(name, _FILE, dir_fd=folder)
    found = os.fstat(opened)
    if not S_ISREG(found.st_mode):
        os.close(opened)
        raise OSError(0, "it is no regular file")
    return opened, found.st_size


def read_regular(root: int, path: str, most: int) -> bytes:
    """Read one file below a root, as :func:`hash_files` does: a regular one, reached through no symbolic link.

    Args:
        root: file descriptor of the root.
        path: its id.
        most: bytes that it may have; of a larger one nothing is read.

    Raises:
        OSError: it is none, cannot be read, or is larger.
    """
    above, slash, name = path.rpartition("/")
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise OSError(0, "its name leads elsewhere")
    folder = open_folder(root, above + slash)
    try:
        opened, size = _open_regular(folder, name)
    finally:
        os.close(folder)
    try:
        if size > most:
            raise OSError(0, f"it has {size} bytes, expected at most {most}")
        return _read_open(opened, size)
    finally:
        os.close(opened)
