"""Size, digest and leaf of files: the work of one process, and what a worker process says and hears.

It loads little, for it is loaded anew by every worker; see :mod:`whitesquare.provenance.workers`.
"""

import errno
import json
import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, NamedTuple

from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.reading import NOTHING, Reader, SignedSizes, TooLargeError
from whitesquare.provenance.walk import open_folder

_SHORT = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""What the system says that has no more of something to give: it speaks of no file."""


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
        digests: 32 bytes for each; :data:`~whitesquare.provenance.reading.NOTHING` for one that cannot be read.
        leaves: 32 bytes for each, see :func:`~whitesquare.provenance.merkle.leaf_of`.
        pixels: 32 bytes for each, likewise for one that is no image; empty if not asked for.
        failed: by position, why a file cannot be read, or was not.
        traits: by name, how many of the samples have it, see :data:`whitesquare.data.traits.NAMES`.
    """

    sizes: list[int]
    digests: bytes
    leaves: bytes
    pixels: bytes
    failed: dict[int, str]
    traits: dict[str, int]


def hash_files(
    root: int, task: list[Piece], *, pixels: bool, signed: SignedSizes | None = None, lock: int | None = None
) -> Hashed:
    """Hash files in this process; a file that is read is a regular one, reached through no symbolic link.

    Args:
        root: file descriptor of the root.
        task: the files.
        pixels: decode images and digest their pixels, too.
        signed: sizes of the files that were signed, so that nothing larger is read; without, a sample must not be
            larger than an image can be, and any other file may have any size.
        lock: see :func:`~whitesquare.provenance.pixels.pixel_digest`.

    Raises:
        OSError: the system has no memory, or no handle on a file, to give.
        MemoryError: likewise.
    """
    sizes: list[int] = []
    digests, leaves, decoded = [], [], []
    failed: dict[int, str] = {}
    reader = Reader(pixels, signed, lock)
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
                    if error.errno in _SHORT:
                        raise
                    failed[len(sizes)] = piece.reason or f"cannot be read ({error.strerror})"
                sizes.append(size)
                digests.append(digest)
                leaves.append(leaf_of(piece.folder + name, piece.label, piece.split, size, digest))
                decoded.append(seen)
    seen_pixels = b"".join(decoded) if pixels else b""
    return Hashed(sizes, b"".join(digests), b"".join(leaves), seen_pixels, failed, reader.traits)


@contextmanager
def _opened(root: int, piece: Piece) -> Iterator[tuple[int, str]]:
    """Open the folder of a piece, or say why its files cannot be read."""
    try:
        opened = -1 if piece.reason else open_folder(root, piece.folder)
    except OSError as error:
        if error.errno in _SHORT:
            raise
        yield -1, str(error.strerror)
        return
    try:
        yield opened, piece.reason
    finally:
        if opened >= 0:
            os.close(opened)


def serve(root: int, pixels: bool, lock: int) -> None:
    """Answer tasks from standard input on standard output until it ends: what a worker does.

    The first message is no task: it says which sizes are signed, or ``null``.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started the worker decides when it ends
    sizes = json.loads(receive(sys.stdin.buffer) or "null")
    signed = SignedSizes(array("q", sizes[0]), sizes[1]) if sizes else None
    while request := receive(sys.stdin.buffer):
        task = [Piece(*piece) for piece in json.loads(request)]
        try:
            found = hash_files(root, task, pixels=pixels, signed=signed, lock=lock)
        except (MemoryError, OSError) as error:
            why = f"A process that reads files had no memory, or no file handle, left ({error or 'out of memory'})"
            send(
                sys.stdout.buffer, json.dumps(f"{why}, so nothing is known of the data; take fewer --workers.").encode()
            )
            continue
        send(sys.stdout.buffer, json.dumps([found.sizes, found.failed, found.traits]).encode())
        send(sys.stdout.buffer, found.digests + found.leaves + found.pixels)


def send(stream: IO[bytes], data: bytes) -> None:
    """Send one message."""
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Return one message; empty at the end of the stream."""
    head = stream.read(8)
    return stream.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
