"""Some samples of a data set as a data set of their own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from whitesquare.data.batches import as_shape, in_batches
from whitesquare.data.odd_classes import class_notes
from whitesquare.data.pixels import Pixels
from whitesquare.data.presented import Presented
from whitesquare.errors import ChangedError
from whitesquare.types import Encoded, ImageDataset, Index, IntArray, Noted, Shape, UInt8Array


@dataclass(frozen=True, eq=False)
class Part(Presented):
    """Present the samples at ``positions`` of ``base``; classes stay, also those without a sample left.

    Attributes:
        base: the data set underneath; what it knows of a sample (id, label, content) stays as it is.
        positions: ``(M,)`` int64, each in ``[0, N)`` and none twice.
        pixels: ``(M, C, H, W)`` uint8, the images where they are decoded already, in memory or in a file; ``None`` asks
            ``base`` for them.
    """

    base: ImageDataset
    positions: IntArray = field(repr=False)
    pixels: Pixels | None = field(default=None, repr=False)

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of every image."""
        return self.base.shape if self.pixels is None else as_shape(self.pixels.shape)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Sample ids, as ``base`` has them."""
        return tuple(self.base.ids[i] for i in self.positions.tolist())

    @cached_property
    def labels(self) -> IntArray:
        """Labels ``(M,)``, read-only."""
        labels: IntArray = self.base.labels[self.positions]
        labels.setflags(write=False)
        return labels

    def images(self, index: Index) -> UInt8Array:
        """Return ``(B, C, H, W)`` uint8: a view of held pixels for a slice, else what ``base`` decodes."""
        if self.pixels is None:
            return self.base.images(self.positions[index])
        return self.pixels[index]

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Return every image once, in order; see :meth:`images`."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return what ``base`` returns: the file's own bytes where there is a file.

        Raises:
            ChangedError: they are no longer what the held image was decoded from.
        """
        at = int(self.positions[i])
        found = self.base.content(at)
        if self.pixels is None or not isinstance(self.base, Encoded):
            return found
        if not np.array_equal(self.base.decode(at, found), self.pixels[np.array([i])][0]):
            raise ChangedError(f"{self.ids[i]} was changed since it was decoded; open the data set anew.")
        return found

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Return what ``base`` says of these samples."""
        return self.base.notes(self.positions[positions]) if isinstance(self.base, Noted) else ()


def notes(dataset: ImageDataset) -> tuple[str, ...]:
    """Say what was done to images that were decoded, to be what a viewer shows, and what is odd about classes."""
    told = dataset.notes(np.arange(len(dataset.ids))) if isinstance(dataset, Noted) else ()
    return (*told, *class_notes(dataset.classes, dataset.labels))
