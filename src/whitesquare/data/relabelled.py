"""Other labels for some samples of a data set, as people gave them: presented, or written in the source's own form."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from whitesquare.data.batches import in_batches
from whitesquare.data.presented import Presented
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, Index, IntArray, UInt8Array


@runtime_checkable
class Relabelling(Protocol):
    """What a :class:`~whitesquare.types.Rewritable` can do in addition if what it writes can get other classes."""

    def rewrite_as(
        self, folder: Path, positions: IntArray, labels: Mapping[int, int], on_progress: Progress = silent
    ) -> dict[int, str]:
        """Write the samples at ``positions`` (sorted) in the form in which they were read, some as another class.

        Args:
            folder: where.
            positions: of the samples that are written.
            labels: by position, the class of those that get another one.
            on_progress: told how far it is.

        Returns:
            By position, the ids of these in the copy.

        Raises:
            UsageError: the form cannot say so, or not there.
        """


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
