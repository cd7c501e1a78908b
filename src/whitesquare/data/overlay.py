"""A data set with some of its samples replaced, without a copy: what a poisoned data set is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from whitesquare.data.batches import in_batches
from whitesquare.data.presented import Presented
from whitesquare.errors import UsageError
from whitesquare.types import ImageDataset, Index, IntArray, UInt8Array


@dataclass(frozen=True, eq=False)
class Overlay(Presented):
    """Present ``base`` with the samples at ``positions`` replaced; ids, classes and order stay.

    Attributes:
        base: the data set underneath, never copied or written to.
        positions: ``(B,)`` int64, strictly increasing, each in ``[0, N)``.
        pixels: ``(B, C, H, W)`` uint8, the images that replace those of ``base``.
        new_labels: ``(B,)`` int64, the labels that replace those of ``base``.

    Raises:
        UsageError: if the parts do not fit together.
    """

    base: ImageDataset
    positions: IntArray = field(repr=False)
    pixels: UInt8Array = field(repr=False)
    new_labels: IntArray = field(repr=False)

    def __post_init__(self) -> None:
        count = len(self.positions)
        if self.positions.ndim != 1 or self.positions.dtype.kind != "i" or np.any(np.diff(self.positions) <= 0):
            raise UsageError("Overlay: positions must be integers, sorted and unique; sort them with numpy.unique.")
        if count and (self.positions[0] < 0 or self.positions[-1] >= len(self.base.ids)):
            raise UsageError(
                f"Overlay: positions run from {self.positions[0]} to {self.positions[-1]}, expected 0 to "
                f"{len(self.base.ids) - 1}; take them from the data set underneath."
            )
        if self.pixels.ndim != 4 or self.pixels.dtype != np.uint8 or len(self.pixels) != count:
            raise UsageError(
                f"Overlay: images are {self.pixels.dtype} {self.pixels.shape}, "
                f"expected uint8 ({count}, C, H, W); give one image for each position."
            )
        shape = self.base.shape
        if count and self.pixels.shape[1:] != shape:
            raise UsageError(f"Overlay: images are {self.pixels.shape[1:]}, expected {shape} as in the data set.")
        if self.new_labels.shape != (count,):
            raise UsageError(
                f"Overlay: labels have the shape {self.new_labels.shape}, expected ({count},); "
                "give one label for each position."
            )

    @cached_property
    def labels(self) -> IntArray:
        """Labels ``(N,)`` with the replaced ones in place, read-only."""
        labels = self.base.labels.copy()
        labels[self.positions] = self.new_labels
        labels.setflags(write=False)
        return labels

    def images(self, index: Index) -> UInt8Array:
        """Return ``(B, C, H, W)`` uint8; what ``base`` returns where nothing is replaced, else a copy."""
        images = self.base.images(index)
        wanted = np.arange(len(self.ids))[index]
        replaced = np.isin(wanted, self.positions)
        if not replaced.any():
            return images
        images = images.copy()
        images[replaced] = self.pixels[np.searchsorted(self.positions, wanted[replaced])]
        return images

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Return every image once, in order; see :meth:`images`."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return the pixels of a replaced image, else what ``base`` returns."""
        position = range(len(self.ids))[i]
        slot = int(np.searchsorted(self.positions, position))
        if slot < len(self.positions) and self.positions[slot] == position:
            image: UInt8Array = self.pixels[slot]
            return image.tobytes()
        return self.base.content(i)
