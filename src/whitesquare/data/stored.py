"""Decoded images in a temporary file, for whoever looks at them more than once; what finds no room is decoded again.

The file has no name: it ends with the process, however that ends. It holds the first row of all images, then their
second, and so on: whoever compares places reads one row of all images at once, and whoever compares images reads those
that follow one another in as many pieces as they have rows.
"""

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from threading import Lock, local
from typing import BinaryIO
from weakref import finalize

import numpy as np

from whitesquare.data.cache_size import CacheSize
from whitesquare.errors import ChangedError, DataError
from whitesquare.types import Index, IntArray, Shape, UInt8Array

Decode = Callable[[IntArray], UInt8Array]
"""From positions to images ``(B, C, H, W)``, decoded again."""

_AGAIN = 2**28
"""Bytes of images without a place in the file whose rows are kept once they were decoded for one of them."""
_MAPPED = 2**26
"""Bytes of the file that are in the memory of the process at a time; the system keeps more while it can."""
_AROUND = 2**16
"""Bytes that the system maps where one is read: a row of one image brings its neighbours with it."""
_DIGEST = 16


class StoredPixels:
    """Images ``(N, C, H, W)`` of which the first lie in a file; see :class:`whitesquare.data.pixels.Pixels`.

    What is returned is a copy, so that memory is taken for what is asked for and no longer than it is used.
    """

    def __init__(self, count: int, shape: Shape, size: CacheSize, decode: Decode) -> None:
        """Make a file for as many images as there is room for; none where no file can be made.

        Args:
            count: of all images.
            shape: ``(C, H, W)`` of each.
            size: of the file, at most.
            decode: what decodes the others, each time that they are asked for.
        """
        self.shape = (count, *shape)
        self._decode, self._digests = decode, bytearray(_DIGEST * count)
        self._file, self.kept = None, 0
        with suppress(OSError):  # whoever made this tells how many are kept
            fitting = min(count, size.most // math.prod(shape))
            self._file = _file_of(fitting * math.prod(shape)) if fitting else None
            self.kept = fitting
        if self._file is not None:
            finalize(self, self._file.close)
        self._places, self._held, self._lock, self._again = self.kept, 0, Lock(), local()

    def __len__(self) -> int:
        """Return N."""
        return self.shape[0]

    def cut(self, count: int) -> None:
        """Leave out the images from a position on: no more were written."""
        self.shape, self.kept = (count, *self.shape[1:]), min(count, self.kept)

    def write(self, start: int, images: UInt8Array) -> None:
        """Keep images ``(B, C, H, W)`` from a position on, as far as there is room, and know the others again.

        Raises:
            DataError: the file cannot be written.
        """
        kept = images[: max(0, self.kept - start)]
        _, channels, height, width = self.shape
        for row in range(height) if len(kept) else ():
            self._put(np.ascontiguousarray(kept[:, :, row]), (row * self._places + start) * channels * width)
        for position, image in enumerate(images[len(kept) :], start + len(kept)):
            self._digests[_DIGEST * position : _DIGEST * (position + 1)] = _digest(image)

    def _put(self, row: UInt8Array, offset: int) -> None:
        assert self._file is not None  # noqa: S101 - narrows the type: nothing is kept without it
        view = row.data.cast("B")
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise DataError(
                f"Decoded images could not be kept in {tempfile.gettempdir()} ({error}); give a smaller --cache-size, "
                "or set TMPDIR to a larger disk."
            ) from error

    def __getitem__(self, index: Index, /) -> UInt8Array:
        """Return the images at ``index``, ``(B, C, H, W)``.

        Raises:
            ChangedError: one that is decoded again is another than it was.
        """
        wanted = np.arange(len(self))[index]
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        if self.kept == len(self):
            self._fill(found, wanted)
            return found
        own = wanted < self.kept
        if own.any():
            some = np.empty((int(own.sum()), *self.shape[1:]), np.uint8)
            self._fill(some, wanted[own])
            found[own] = some
        if not own.all():
            found[~own] = self._decoded(wanted[~own])
        return found

    def row(self, number: int, columns: slice) -> UInt8Array:
        """Return some columns of a row of every image, ``(N, C, W')``."""
        width = len(range(*columns.indices(self.shape[3])))
        found = np.empty((*self.shape[:2], width), np.uint8)
        one = self.shape[1] * self.shape[3]
        for part in _steps(self.kept, _MAPPED // one):
            found[part] = self._rows[number, part, :, columns]
            self._forget((part.stop - part.start) * one)
        if self.kept < len(self):
            top, rows = self._rows_again(number)
            found[self.kept :] = rows[:, :, number - top, columns]
        return found

    def _fill(self, found: UInt8Array, wanted: IntArray) -> None:
        """Copy images, as many rows at a time as lie within :data:`_MAPPED` bytes together with what is between."""
        if not len(wanted):
            return
        first, last = int(wanted.min()), int(wanted.max()) + 1
        # What follows one another is copied as it lies.
        straight = last - first == len(wanted) and bool((np.diff(wanted) == 1).all())
        index: Index = slice(first, last) if straight else wanted
        size = max(_AROUND, (last - first) * self.shape[1] * self.shape[3])
        for part in _steps(self.shape[2], _MAPPED // size):
            found[:, :, part] = self._rows[part][:, index].transpose(1, 2, 0, 3)
            self._forget((part.stop - part.start) * size)

    def _decoded(self, wanted: IntArray) -> UInt8Array:
        images = self._decode(wanted)
        for position, image in zip(wanted.tolist(), images, strict=True):
            if self._digests[_DIGEST * position : _DIGEST * (position + 1)] != _digest(image):
                raise ChangedError(
                    f"Image {position} of the data set was changed since it was decoded; open the data set anew."
                )
        return images

    def _rows_again(self, number: int) -> tuple[int, UInt8Array]:
        """Return the first of some rows that ``number`` is one of, and these of all images without a place.

        A thread that goes through the rows decodes them once for as many rows as are held.
        """
        top, rows = getattr(self._again, "rows", (0, None))
        if rows is None or not top <= number < top + rows.shape[2]:
            left, (channels, height, width) = np.arange(self.kept, len(self)), self.shape[1:]
            high = int(np.clip(_AGAIN // (len(left) * channels * width), 1, height))
            top, few = number // high * high, max(1, _AGAIN // (channels * height * width))
            self._again.rows = (0, None)
            rows = np.empty((len(left), channels, min(high, height - top), width), np.uint8)
            for start in range(0, len(left), few):
                part = self._decoded(left[start : start + few])
                rows[start : start + few] = part[:, :, top : top + high]
            self._again.rows = (top, rows)
        return top, rows

    @cached_property
    def _mapped(self) -> mmap.mmap:
        assert self._file is not None  # noqa: S101 - narrows the type: nothing is kept without it
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def _rows(self) -> UInt8Array:
        """All that is kept, ``(H, N, C, W)``."""
        _, channels, height, width = self.shape
        return np.frombuffer(self._mapped, np.uint8).reshape(height, self._places, channels, width)

    def _forget(self, size: int) -> None:
        """Give pages back, so that what was read is not counted as memory that this process needs."""
        with self._lock:
            self._held += size
            if self._held >= _MAPPED and hasattr(mmap, "MADV_DONTNEED"):
                self._mapped.madvise(mmap.MADV_DONTNEED)
                self._held = 0


def _steps(count: int, most: int) -> Iterator[slice]:
    """Yield the numbers below ``count`` in parts of at most ``most``, at least one."""
    for start in range(0, count, max(1, most)):
        yield slice(start, min(start + max(1, most), count))


def _file_of(size: int) -> BinaryIO:
    """Make a file without a name that has all of its room: a disk that is full later would end the process."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with whoever holds it
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        file.close()
        raise
    return file


def _digest(image: UInt8Array) -> bytes:
    return blake2b(np.ascontiguousarray(image).data, digest_size=_DIGEST).digest()
