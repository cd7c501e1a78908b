"""Size, digest and leaf of files: the work of one process, and what a worker process says and hears.

It loads little, for it is loaded anew by every worker; see :mod:`whitesquare.provenance.workers`.
"""

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, NamedTuple

from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.walk import open_folder

NOTHING = bytes(32)
"""Stands for the digest of a file that cannot be read: no file has it."""

_BUFFER = 2**18
"""Bytes read at a time; most images fit."""
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
        failed: by position, why a file cannot be read.
    """

    sizes: list[int]
    digests: bytes
    leaves: bytes
    pixels: bytes
    failed: dict[int, str]


def hash_files(root: int, task: list[Piece], *, pixels: bool) -> Hashed:
    """Hash files in this process; a file that is read is a regular one, reached through no symbolic link."""
    sizes: list[int] = []
    digests, leaves, decoded = [], [], []
    failed: dict[int, str] = {}
    buffer = memoryview(bytearray(_BUFFER))
    for piece in task:
        with _opened(root, piece) as (opened, reason):
            for name in piece.names:
                size, digest, seen = 0, NOTHING, NOTHING
                try:
                    if reason:
                        raise OSError(0, reason)
                    size, digest, seen = _hash_image(opened, name) if pixels else _hash_file(opened, name, buffer)
                except OSError as error:
                    failed[len(sizes)] = piece.reason or f"cannot be read ({error.strerror})"
                sizes.append(size)
                digests.append(digest)
                leaves.append(leaf_of(piece.folder + name, piece.label, piece.split, size, digest))
                decoded.append(seen)
    return Hashed(sizes, b"".join(digests), b"".join(leaves), b"".join(decoded) if pixels else b"", failed)


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
    """Answer tasks from standard input on standard output until it ends: what a worker does."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started the worker decides when it ends
    while request := receive(sys.stdin.buffer):
        found = hash_files(root, [Piece(*piece) for piece in json.loads(request)], pixels=pixels)
        send(sys.stdout.buffer, json.dumps([found.sizes, found.failed]).encode())
        send(sys.stdout.buffer, found.digests + found.leaves + found.pixels)


def _hash_file(folder: int, name: str, buffer: memoryview) -> tuple[int, bytes, bytes]:
    opened = _open_regular(folder, name)
    try:
        size = os.readv(opened, (buffer,))
        digest = sha256(buffer[:size])
        if size == len(buffer):
            while count := os.readv(opened, (buffer,)):
                digest.update(buffer[:count])
                size += count
    finally:
        os.close(opened)
    return size, digest.digest(), NOTHING


def _hash_image(folder: int, name: str) -> tuple[int, bytes, bytes]:
    from whitesquare.provenance.pixels import pixel_digest

    with os.fdopen(_open_regular(folder, name), "rb") as file:
        data = file.read()
    return len(data), sha256(data).digest(), pixel_digest(data, name) or NOTHING


def _open_regular(folder: int, name: str) -> int:
    opened = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(0, "it is no regular file")
    return opened


def read_regular(root: int, path: str) -> bytes:
    """Read one file below a root, as :func:`hash_files` does: a regular one, reached through no symbolic link.

    Args:
        root: file descriptor of the root.
        path: its id.

    Raises:
        OSError: it is none, or cannot be read.
    """
    above, slash, name = path.rpartition("/")
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise OSError(0, "its name leads elsewhere")
    folder = open_folder(root, above + slash)
    try:
        opened = _open_regular(folder, name)
    finally:
        os.close(folder)
    with os.fdopen(opened, "rb") as file:
        return file.read()


def send(stream: IO[bytes], data: bytes) -> None:
    """Send one message."""
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Return one message; empty at the end of the stream."""
    head = stream.read(8)
    return stream.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
