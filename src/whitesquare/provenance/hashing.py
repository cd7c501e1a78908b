"""Size, digest and leaf of files: the work of one process, and what a worker process says and hears.

It loads little, for it is loaded anew by every worker; see :mod:`whitesquare.provenance.workers`.
"""

import json
import os
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from stat import S_ISREG
from typing import IO, NamedTuple

from whitesquare.layouts import MAX_IMAGE_BYTES, is_image
from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.walk import open_folder
from whitesquare.traits import look

SMALL, MOVED = 2**20, 2**26
"""Bytes of a file that is read though nobody signed its size; and of one that is read where its size was signed, but of
a file of another name."""
NOTHING = bytes(32)
"""Stands for the digest of a file that cannot be read: no file has it."""

_BUFFER = 2**18
"""Bytes read at a time; most images fit."""
_PNG = 0x89
_NO_ALPHA = (0, 2, 3)
"""Colour types of PNG: grey, RGB, palette."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Piece(NamedTuple):
    """Files of one folder, one split and one label: see :class:`~whitesquare.provenance.walk.Run`.

    With a ``reason`` they are not to be read, and that is why.
    """

    folder: str
    split: str
    label: str
    names: list[str]
    reason: str = ""


@dataclass(frozen=True)
class Hashed:
    """What was read of some files, in their order.

    Attributes:
        sizes: bytes of each.
        digests: 32 bytes for each; :data:`NOTHING` for one that cannot be read.
        leaves: 32 bytes for each, see :func:`~whitesquare.provenance.merkle.leaf_of`.
        pixels: 32 bytes for each, :data:`NOTHING` for one that is no image; empty if not asked for.
        failed: by position, why a file cannot be read, or was not.
        traits: by name, how many of the samples have it, see :data:`whitesquare.traits.NAMES`.
    """

    sizes: list[int]
    digests: bytes
    leaves: bytes
    pixels: bytes
    failed: dict[int, str]
    traits: dict[str, int]


class SignedSizes:
    """Which large files were signed: a file of another size is another file, and need not be read to know it.

    It holds one number for each size above :data:`SMALL`, and the id of each file above :data:`MOVED`.
    """

    def __init__(self, sizes: Iterable[int], named: dict[str, int]) -> None:
        """Take the sizes of all signed files above :data:`SMALL`, and by id those of all above :data:`MOVED`."""
        self._sizes = array("q", sorted(sizes))
        self._named = named

    def check(self, id: str, size: int) -> None:
        """Refuse to read a file whose size says that it is not signed.

        Raises:
            TooLargeError: it is none of the signed.
        """
        if size <= SMALL or self._named.get(id) == size:
            return
        place = bisect_left(self._sizes, size)
        if size > MOVED or place == len(self._sizes) or self._sizes[place] != size:
            raise TooLargeError(size, f"was not read, for no such file of {size} bytes is signed")

    def message(self) -> list[object]:
        """Return what :func:`serve` makes it of again."""
        return [self._sizes.tolist(), self._named]


class TooLargeError(Exception):
    """A file whose size alone says that it is not to be read: its size, and why, to follow its name in a sentence."""

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(reason)
        self.size, self.reason = size, reason


def hash_files(root: int, task: list[Piece], *, pixels: bool, signed: SignedSizes | None = None) -> Hashed:
    """Hash files in this process; a file that is read is a regular one, reached through no symbolic link.

    Args:
        root: file descriptor of the root.
        task: the files.
        pixels: decode images and digest their pixels, too.
        signed: sizes of the files that were signed, so that nothing larger is read; without, a sample must not be
            larger than an image can be, and any other file may have any size.
    """
    sizes: list[int] = []
    digests, leaves, decoded = [], [], []
    failed: dict[int, str] = {}
    reader = _Reader(pixels, signed)
    for piece in task:
        with _opened(root, piece) as (opened, reason):
            for name in piece.names:
                size, digest, seen = 0, NOTHING, NOTHING
                try:
                    if reason:
                        raise OSError(0, reason)
                    size, digest, seen = reader.read(opened, name, piece)
                except TooLargeError as error:
                    size, failed[len(sizes)] = error.size, error.reason
                except OSError as error:
                    failed[len(sizes)] = piece.reason or f"cannot be read ({error.strerror})"
                sizes.append(size)
                digests.append(digest)
                leaves.append(leaf_of(piece.folder + name, piece.label, piece.split, size, digest))
                decoded.append(seen)
    seen_pixels = b"".join(decoded) if pixels else b""
    return Hashed(sizes, b"".join(digests), b"".join(leaves), seen_pixels, failed, reader.traits)


class _Reader:
    """Reads files one after the other into one buffer.

    Attributes:
        traits: see :class:`Hashed`.
    """

    def __init__(self, pixels: bool, signed: SignedSizes | None) -> None:
        self._pixels, self._signed = pixels, signed
        self._buffer = memoryview(bytearray(_BUFFER))
        self._buffers = (self._buffer,)
        self.traits: dict[str, int] = {}

    def read(self, folder: int, name: str, piece: Piece) -> tuple[int, bytes, bytes]:
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
            # The most common file by far, told at once: PNG with one chunk of pixels, nothing before or after it.
            plain = (
                bytes(buffer[37:41]) == b"IDAT"
                and size == 57 + int.from_bytes(buffer[33:37], "big")
                and buffer[0] == _PNG
            )
            if piece.split and not (plain and buffer[25] in _NO_ALPHA):
                self._note_traits(opened, size, buffer[:size])
            return size, digest, NOTHING
        finally:
            os.close(opened)

    def _read_other(self, opened: int, size: int, name: str, piece: Piece) -> tuple[int, bytes, bytes]:
        """Read what is larger than the buffer, or is to be decoded."""
        if size > SMALL:
            self._check_size(piece.folder + name, size, is_sample=bool(piece.split))
        if self._pixels and size <= MAX_IMAGE_BYTES and is_image(name):
            digest, seen = _hash_image(opened, name, size)
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

    def _note_traits(self, opened: int, size: int, head: memoryview | bytes) -> None:
        def read(offset: int, count: int) -> bytes:
            if offset + count <= len(head) or len(head) == size:
                return bytes(head[offset : offset + count])
            return os.pread(opened, count, offset) if offset < size else b""

        for trait in found.names() if (found := look(head, read)) else ():
            self.traits[trait] = self.traits.get(trait, 0) + 1


@contextmanager
def _opened(root: int, piece: Piece) -> Iterator[tuple[int, str]]:
    """Open the folder of a piece, or say why its files cannot be read."""
    try:
        opened = -1 if piece.reason else open_folder(root, piece.folder)
    except OSError as error:
        yield -1, str(error.strerror)
        return
    try:
        yield opened, piece.reason
    finally:
        if opened >= 0:
            os.close(opened)


def serve(root: int, pixels: bool) -> None:
    """Answer tasks from standard input on standard output until it ends: what a worker does.

    The first message is no task: it says which sizes are signed, or ``null``.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started the worker decides when it ends
    sizes = json.loads(receive(sys.stdin.buffer) or "null")
    signed = SignedSizes(*sizes) if sizes else None
    while request := receive(sys.stdin.buffer):
        found = hash_files(root, [Piece(*piece) for piece in json.loads(request)], pixels=pixels, signed=signed)
        send(sys.stdout.buffer, json.dumps([found.sizes, found.failed, found.traits]).encode())
        send(sys.stdout.buffer, found.digests + found.leaves + found.pixels)


def _hash_image(opened: int, name: str, size: int) -> tuple[bytes, bytes]:
    from whitesquare.provenance.pixels import pixel_digest

    data = _read_open(opened, size)
    return sha256(data).digest(), pixel_digest(data, name) or NOTHING


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


def send(stream: IO[bytes], data: bytes) -> None:
    """Send one message."""
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Return one message; empty at the end of the stream."""
    head = stream.read(8)
    return stream.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
