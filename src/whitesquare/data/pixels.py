"""The images of a data set as whoever looks at them sees them: an array, or what gives parts of one when asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from whitesquare.types import Index, IntArray, UInt8Array

_TOGETHER = 2**26
"""Bytes of images that are read at a time."""


class Pixels(Protocol):
    """Images ``(N, C, H, W)`` uint8, of which parts are asked for; a NumPy array is one.

    What is returned must not be written to.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)``."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, index: Index, /) -> UInt8Array:
        """Return the images at ``index``, ``(B, C, H, W)``."""


@runtime_checkable
class Rows(Protocol):
    """What :class:`Pixels` can do that lie in a file in such a way that one row of all images is read at once."""

    def row(self, number: int, columns: slice) -> UInt8Array:
        """Return some columns of a row of every image, ``(N, C, W')``."""


@dataclass(frozen=True, eq=False)
class JoinedPixels:
    """Images, and more images after them."""

    first: Pixels
    then: UInt8Array

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)`` of both."""
        return (len(self), *self.first.shape[1:])

    def __len__(self) -> int:
        """Return how many there are of both."""
        return len(self.first) + len(self.then)

    def __getitem__(self, index: Index, /) -> UInt8Array:
        """Return the images at ``index``, ``(B, C, H, W)``."""
        wanted = np.arange(len(self))[index]
        own = wanted < len(self.first)
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        found[own], found[~own] = self.first[wanted[own]], self.then[wanted[~own] - len(self.first)]
        return found

    def row(self, number: int, columns: slice) -> UInt8Array:
        """Return some columns of a row of every image, ``(N, C, W')``."""
        return np.concatenate([row_of(self.first, number, columns), self.then[:, :, number, columns]])


@dataclass(frozen=True, eq=False)
class ChosenPixels:
    """Some images of many, in an order."""

    base: Pixels
    positions: IntArray

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)`` of those chosen."""
        return (len(self), *self.base.shape[1:])

    def __len__(self) -> int:
        """Return how many were chosen."""
        return len(self.positions)

    def __getitem__(self, index: Index, /) -> UInt8Array:
        """Return the images at ``index``, ``(B, C, H, W)``."""
        return self.base[self.positions[index]]

    def row(self, number: int, columns: slice) -> UInt8Array:
        """Return some columns of a row of every image, ``(N, C, W')``."""
        return row_of(self.base, number, columns)[self.positions]


def chosen(images: Pixels, positions: IntArray) -> Pixels:
    """Return some images of many; a copy where they are an array."""
    return images[positions] if isinstance(images, np.ndarray) else ChosenPixels(images, positions)


def joined(first: Pixels, then: UInt8Array) -> Pixels:
    """Return images and more images after them, an array where the first are one."""
    return np.concatenate([first, then]) if isinstance(first, np.ndarray) else JoinedPixels(first, then)


def row_of(images: Pixels, number: int, columns: slice) -> UInt8Array:
    """Return some columns of a row of every image, ``(N, C, W')``."""
    if isinstance(images, np.ndarray):
        row: UInt8Array = images[:, :, number, columns]
        return row
    if isinstance(images, Rows):
        return images.row(number, columns)
    return np.concatenate([part[:, :, number, columns] for _, part in parts_of(images)])


def at_a_time(shape: tuple[int, ...], most: int) -> int:
    """Return how many images of a shape ``(..., C, H, W)`` are read at a time, at least one."""
    few = _TOGETHER // max(1, int(np.prod(shape[-3:])))
    # Whoever works on 250 or 500 at a time gets whole ones, and rounds as if all images came at once.
    whole = next((size for size in (500, 250) if few >= size), 1)
    return max(1, min(most, few - few % whole))


def parts_of(images: Pixels, positions: IntArray | None = None, most: int = 4096) -> Iterator[tuple[slice, UInt8Array]]:
    """Yield images a few at a time, each part with where it lies among those asked for.

    Args:
        images: of which.
        positions: those asked for; ``None`` for all.
        most: images of a part.
    """
    count, few = len(images) if positions is None else len(positions), at_a_time(images.shape, most)
    for start in range(0, count, few):
        part = slice(start, min(start + few, count))
        yield part, images[part if positions is None else positions[part]]
