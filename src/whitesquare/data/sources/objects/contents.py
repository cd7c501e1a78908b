"""Images of objects that are read one by one, when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare.data.batches import alike, as_shape, unlike
from whitesquare.data.decode import header_shape
from whitesquare.data.part import Part
from whitesquare.data.sources.arrays import ArrayDataset
from whitesquare.data.sources.folder import ImageFolder, Seen
from whitesquare.data.sources.objects.cells import content_of, unpacked
from whitesquare.errors import DataError, UsageError, WhitesquareError
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, IntArray, Shape, UInt8Array

Cell = Callable[[int], Any]
"""From a position to the image there, in any form that :func:`~whitesquare.data.sources.objects.cells.content_of`
takes; the same every time."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ContentImages(ImageFolder):
    """An :class:`~whitesquare.types.EncodedDataset` of the images that an object gives.

    Attributes:
        cell: gives the image of a sample.
    """

    cell: Cell

    def content(self, i: int) -> bytes:
        """Return the bytes of an image file, or the pixels of what comes of none.

        Raises:
            IndexError: there is no such position.
            DataError: there is no image, or its file cannot be read.
        """
        position = range(len(self.ids))[i]
        return content_of(self._cell(position), self.name(position))

    def header(self, i: int) -> Shape:
        """Return the shape of an image; that of a file by what its headers say.

        Raises:
            DataError: see :meth:`content`, and :func:`whitesquare.data.decode.decode_image`.
        """
        position = range(len(self.ids))[i]
        cell = self._cell(position)
        if isinstance(cell, (str, Path)):
            return header_shape(Path(cell))
        content = content_of(cell, self.name(position))
        pixels = unpacked(content)
        return header_shape(Path(self.name(position)), content) if pixels is None else as_shape(pixels.shape)

    def decode(self, i: int, content: bytes, like: Shape | None = None) -> UInt8Array:
        """Decode the content of an image; see :meth:`ImageFolder.decode`."""
        pixels = unpacked(content)
        if pixels is None:
            return super().decode(i, content, like)
        position = range(len(self.ids))[i]
        found = as_shape(pixels.shape)
        if like is not None and alike(found) != alike(like):
            raise unlike(self.name(position), found, self.name(0), like)
        if position == 0:
            self.seen.shape = found
        return pixels

    def _cell(self, position: int) -> Any:
        try:
            return self.cell(position)
        except WhitesquareError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.name(position)}: reading it raised {type(error).__name__}: {error!s:.200}; mend it, or leave "
                "it out."
            ) from error

    def name(self, position: int) -> str:
        """Return what an image is called in an error."""
        return f"{self.root}/{self.ids[position]}"

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`rewrite` makes: none."""
        return ()

    def rewrite(self, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
        """Refuse: an object is no form that files can have.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"What came of an object ({self.kind}) has no files of its own; write another form, as npz.")

    def rewrite_as(
        self, folder: Path, positions: IntArray, labels: Mapping[int, int], on_progress: Progress = silent
    ) -> dict[int, str]:
        """Refuse, see :meth:`rewrite`.

        Raises:
            UsageError: always.
        """
        self.rewrite(folder, positions, on_progress)
        return {}


@dataclass(frozen=True)
class Chosen:
    """Some cells of another data set: a part of it, or several one after the other.

    Attributes:
        parts: data sets.
        part: ``(N,)``, for each cell the position of its data set in ``parts``.
        at: ``(N,)``, and its position in that.
    """

    parts: Sequence[ImageDataset]
    part: IntArray
    at: IntArray

    def __call__(self, position: int) -> Any:
        """Return the image, as its data set has it."""
        dataset, at = self.parts[self.part[position]], int(self.at[position])
        if isinstance(dataset, ContentImages):
            return dataset.cell(at)
        return dataset.images(slice(at, at + 1))[0]


def part_of(dataset: ImageDataset, only: IntArray | None) -> ImageDataset:
    """Return some samples of what an object was opened as, in that order; ``None`` leaves all."""
    if only is None:
        return dataset
    if not isinstance(dataset, ContentImages):
        return Part(dataset, only)
    ids = tuple(dataset.ids[i] for i in only.tolist())
    cell = Chosen((dataset,), np.zeros(len(only), np.int64), only)
    return replace(dataset, ids=ids, labels=dataset.labels[only], cell=cell, seen=Seen())


def telling(dataset: ImageDataset, *more: str) -> ImageDataset:
    """Return a data set that says more of itself, first."""
    if isinstance(dataset, Part):
        return replace(dataset, base=telling(dataset.base, *more))
    if isinstance(dataset, (ArrayDataset, ContentImages)):
        return replace(dataset, told=(*more, *dataset.told))
    return dataset
