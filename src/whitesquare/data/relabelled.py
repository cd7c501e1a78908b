"""A data set with other labels for some of its samples: what people say they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from whitesquare.data.batches import in_batches
from whitesquare.data.presented import Presented
from whitesquare.types import ImageDataset, Index, IntArray, UInt8Array


@dataclass(frozen=True, eq=False)
class Relabelled(Presented):
    """Present ``base`` with other labels at some positions; images, ids, classes and order stay.

    Attributes:
        base: the data set underneath.
        new_labels: by position, the label that replaces that of ``base``.
    """

    base: ImageDataset
    new_labels: Mapping[int, int]

    @cached_property
    def labels(self) -> IntArray:
        """Labels ``(N,)`` with the replaced ones in place, read-only."""
        labels = self.base.labels.copy()
        for position, label in self.new_labels.items():
            labels[position] = label
        labels.setflags(write=False)
        return labels

    def images(self, index: Index) -> UInt8Array:
        """Return what ``base`` returns."""
        return self.base.images(index)

    def content(self, i: int) -> bytes:
        """Return what ``base`` returns."""
        return self.base.content(i)

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Return every image once, in order; see :meth:`images`."""
        return in_batches(self, size)
