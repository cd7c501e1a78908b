"""Some samples of a data set as a data set of their own, and the part of a folder that can be read."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whitesquare.data.batches import alike, as_shape, describe, in_batches
from whitesquare.data.presented import Presented
from whitesquare.data.room import check_room
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.records import Progress, silent
from whitesquare.types import Encoded, EncodedDataset, ImageDataset, Index, IntArray, Noted, Shape, UInt8Array

UNLIKE = "another size or colour mode: "
"""What the reason begins with where a file can be read and is not like the others."""
_READING, _BATCH = "reading images", 250
"""A step, and how many images are decoded between two words on it."""


@dataclass(frozen=True, eq=False)
class Part(Presented):
    """Present the samples at ``positions`` of ``base``; classes stay, also those without a sample left.

    Attributes:
        base: the data set underneath; what it knows of a sample (id, label, content) stays as it is.
        positions: ``(M,)`` int64, each in ``[0, N)`` and none twice.
        pixels: ``(M, C, H, W)`` uint8, the images where they are decoded already; ``None`` asks ``base`` for them.
    """

    base: ImageDataset
    positions: IntArray
    pixels: UInt8Array | None = None

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
        found: UInt8Array = self.pixels[index]
        return found

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Return every image once, in order; see :meth:`images`."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return what ``base`` returns: the file's own bytes where there is a file.

        Raises:
            DataError: they are no longer what the held image was decoded from.
        """
        at = int(self.positions[i])
        found = self.base.content(at)
        if self.pixels is None or not isinstance(self.base, Encoded):
            return found
        if not np.array_equal(self.base.decode(at, found), self.pixels[i]):
            raise DataError(f"{self.ids[i]} was changed since it was decoded; open the data set anew.")
        return found

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Return what ``base`` says of these samples."""
        return self.base.notes(self.positions[positions]) if isinstance(self.base, Noted) else ()


def held(dataset: ImageDataset, on_progress: Progress = silent) -> ImageDataset:
    """Decode every image once and hold them; what is held already is not copied.

    Args:
        dataset: any data set.
        on_progress: told how many images are decoded, where they are decoded one by one.

    Raises:
        DataError: the images are not what the data set says, or see :func:`whitesquare.data.batches.decoded`.
    """
    size = len(dataset.labels)
    images = _read_all(dataset, on_progress) if size and isinstance(dataset, Encoded) else dataset.images(slice(None))
    if images.dtype != np.uint8 or len(images) != size or (size and images.shape[1:] != tuple(dataset.shape)):
        raise DataError(
            f"The data set ({dataset.kind}) gives images {images.dtype} {images.shape}; expected uint8 "
            f"{(size, *dataset.shape)}, see whitesquare.testing.check_dataset."
        )
    return Part(dataset, np.arange(size), images)


def _read_all(dataset: ImageDataset, on_progress: Progress) -> UInt8Array:
    size = len(dataset.labels)
    on_progress(_READING, 0, size)
    images: UInt8Array | None = None
    for part, batch in dataset.batches(_BATCH):
        if images is None:  # asked for its shape, a data set would decode the first image for that alone
            check_room(size, as_shape(batch.shape), "The data set")
            images = np.empty((size, *batch.shape[1:]), batch.dtype)
        if (batch.shape[1:], batch.dtype) != (images.shape[1:], images.dtype):
            return batch  # which is not what the data set says, and is refused
        images[part] = batch
        on_progress(_READING, part.stop, size)
    return images if images is not None else dataset.images(slice(None))


def readable_part(
    dataset: ImageDataset, where: str = "the data set", on_progress: Progress = silent
) -> tuple[ImageDataset, dict[str, str]]:
    """Decode every image once, and leave out those that cannot be read or are not like the others.

    What the others are like is decided by the most common size and colour mode of their headers, so that one odd file
    that happens to come first does not cost all the rest, and nothing else is decoded. A data set whose images are
    not decoded one by one is read whole or not at all.

    Args:
        dataset: any data set.
        where: its name, for the errors.
        on_progress: told how many images are decoded.

    Returns:
        The data set without those files, its images held in memory, and id to reason for those left out.

    Raises:
        NothingToDoError: if no file can be read.
        DataError: if they do not fit into memory.
    """
    if not isinstance(dataset, Encoded):
        return held(dataset, on_progress), {}
    shapes, skipped = _headers(dataset)
    left = set(range(len(dataset.ids))) - set(skipped)
    for usual, _ in Counter(alike(shape) for shape in shapes.values()).most_common():
        of_kind = [i for i in shapes if alike(shapes[i]) == usual]
        left -= set(of_kind)
        check_room(len(of_kind), usual, where)
        part = _decoded(dataset, of_kind, usual, skipped, on_progress)
        if part is not None:
            for i in sorted(left):
                skipped[i] = f"{UNLIKE}it is {describe(shapes[i])}, and most files are {describe(part.shape)}"
                _read(dataset, i)
            return part, {dataset.ids[i]: skipped[i] for i in sorted(skipped)}
    raise NothingToDoError(
        f"None of the {len(skipped)} files of {where} can be read as an image; the first: {skipped[min(skipped)]}"
    )


def notes(dataset: ImageDataset) -> tuple[str, ...]:
    """Say what was done to images, as far as they were decoded, so that they are what a viewer shows."""
    return dataset.notes(np.arange(len(dataset.ids))) if isinstance(dataset, Noted) else ()


def _headers(dataset: EncodedDataset) -> tuple[dict[int, Shape], dict[int, str]]:
    """Return by position what the header of each file says, and why it cannot be read."""
    shapes: dict[int, Shape] = {}
    skipped: dict[int, str] = {}
    for i in range(len(dataset.ids)):
        try:
            shapes[i] = dataset.header(i)
        except DataError as error:
            skipped[i] = str(error)
            _read(dataset, i)
    return shapes, skipped


def _read(dataset: EncodedDataset, i: int) -> None:
    """Let whoever watches the reading see a file that is left out: it may not be the one that was signed."""
    with suppress(DataError):
        dataset.content(i)


def _decoded(
    dataset: EncodedDataset, positions: list[int], kind: Shape, skipped: dict[int, str], on_progress: Progress
) -> Part | None:
    """Decode files of which the headers are alike; ``None`` if none of them can be decoded."""
    rows = np.empty((len(positions), math.prod(kind)), np.uint8)
    found: dict[int, tuple[int, ...]] = {}
    for done, i in enumerate(positions, 1):
        try:
            image = dataset.decode(i, dataset.content(i), kind)
            rows[len(found)], found[i] = image.reshape(-1), image.shape
        except DataError as error:
            skipped[i] = str(error)
        if done % _BATCH == 0 or done == len(positions):
            on_progress(_READING, done, len(positions))
    if not found:
        return None
    usual = Counter(found.values()).most_common(1)[0][0]
    for i, shape in found.items():
        if shape != usual:
            skipped[i] = f"{UNLIKE}it is {describe(shape)}, and most files are {describe(usual)}"
    kept = [row for row, shape in enumerate(found.values()) if shape == usual]
    pixels = rows[: len(found)] if len(kept) == len(found) else rows[kept]
    return Part(dataset, np.array(list(found), np.int64)[kept], pixels.reshape(-1, *usual))
