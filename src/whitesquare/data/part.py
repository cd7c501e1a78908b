"""Some samples of a data set as a data set of their own, and the part of a folder that can be read."""

import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whitesquare.data.decode import Shape, header_shape
from whitesquare.data.overlay import Overlay
from whitesquare.data.room import check_room
from whitesquare.data.sources.folder import ImageFolder, alike, describe
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, Index, IntArray, UInt8Array


@dataclass(frozen=True, eq=False)
class Part:
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
    def classes(self) -> tuple[str, ...]:
        """Class names of ``base``."""
        return self.base.classes

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

    def content(self, i: int) -> bytes:
        """Return what ``base`` returns: the file's own bytes where there is a file."""
        return self.base.content(int(self.positions[i]))


def held(dataset: ImageDataset) -> ImageDataset:
    """Decode the images of a folder once and hold them; any other data set is returned as it is.

    Raises:
        DataError: see :meth:`ImageFolder.images`.
    """
    if not isinstance(dataset, ImageFolder):
        return dataset
    return Part(dataset, np.arange(len(dataset.labels)), dataset.images(slice(None)))


def readable_part(dataset: ImageDataset, on_progress: Progress = silent) -> tuple[ImageDataset, dict[str, str]]:
    """Decode the images of a folder once, and leave out those that cannot be read or are not like the others.

    What the others are like is decided by the most common size and colour mode of their headers, so that one odd file
    that happens to come first does not cost all the rest, and nothing else is decoded. Any other data set is one file:
    it is read whole or not at all, and is returned as it is.

    Args:
        dataset: any data set.
        on_progress: told how many images are decoded.

    Returns:
        The data set without those files, its images held in memory, and id to reason for those left out.

    Raises:
        NothingToDoError: if no file can be read.
        DataError: if they do not fit into memory.
    """
    if not isinstance(dataset, ImageFolder):
        return dataset, {}
    shapes, skipped = _headers(dataset)
    left = set(range(len(dataset.ids))) - set(skipped)
    for usual, _ in Counter(alike(shape) for shape in shapes.values()).most_common():
        of_kind = [i for i in shapes if alike(shapes[i]) == usual]
        left -= set(of_kind)
        part = _decoded(dataset, of_kind, usual, skipped, on_progress)
        if part is not None:
            for i in sorted(left):
                skipped[i] = f"it is {describe(shapes[i])}, and most files are {describe(_shape(part))}"
                _hash(dataset, i)
            return part, {dataset.ids[i]: skipped[i] for i in sorted(skipped)}
    raise NothingToDoError(
        f"None of the {len(skipped)} files of {dataset.root} can be read as an image; the first: "
        f"{skipped[min(skipped)]}"
    )


def notes(dataset: ImageDataset) -> tuple[str, ...]:
    """Say what was done to images, as far as they were decoded, so that they are what a viewer shows."""
    positions = np.arange(len(dataset.ids))
    while isinstance(dataset, Part | Overlay):
        positions = dataset.positions[positions] if isinstance(dataset, Part) else positions
        dataset = dataset.base
    if not isinstance(dataset, ImageFolder):
        return ()
    kept = set(positions.tolist())
    counts = (
        (len(kept & dataset.turned), "carry an orientation and were read as a viewer shows them"),
        (len(kept & dataset.converted), "carry a colour profile other than sRGB and were converted as a viewer does"),
    )
    return tuple(f"{count:,} of {len(kept):,} images {what}." for count, what in counts if count)


def _headers(folder: ImageFolder) -> tuple[dict[int, Shape], dict[int, str]]:
    """Return by position what the header of each file says, and why it cannot be read."""
    shapes: dict[int, Shape] = {}
    skipped: dict[int, str] = {}
    for i, name in enumerate(folder.ids):
        try:
            shapes[i] = header_shape(folder.root / name)
        except DataError as error:
            skipped[i] = str(error)
            _hash(folder, i)
    return shapes, skipped


def _hash(folder: ImageFolder, i: int) -> None:
    """Let whoever watches the reading see a file that is left out: it may not be the one that was signed."""
    if folder.on_read is not None:
        with suppress(DataError):
            folder.on_read(i, folder.content(i))


def _decoded(
    folder: ImageFolder, positions: list[int], kind: tuple[int, ...], skipped: dict[int, str], on_progress: Progress
) -> Part | None:
    """Decode files of which the headers are alike; ``None`` if none of them can be decoded."""
    check_room(len(positions), kind, str(folder.root))
    rows = np.empty((len(positions), math.prod(kind)), np.uint8)
    found: dict[int, tuple[int, ...]] = {}
    for done, i in enumerate(positions, 1):
        try:
            image = folder.image(i, kind)
            rows[len(found)], found[i] = image.reshape(-1), image.shape
        except DataError as error:
            skipped[i] = str(error)
        if done % 1000 == 0 or done == len(positions):
            on_progress("decoding", done, len(positions))
    if not found:
        return None
    usual = Counter(found.values()).most_common(1)[0][0]
    for i, shape in found.items():
        if shape != usual:
            skipped[i] = f"it is {describe(shape)}, and most files are {describe(usual)}"
    kept = [row for row, shape in enumerate(found.values()) if shape == usual]
    pixels = rows[: len(found)] if len(kept) == len(found) else rows[kept]
    return Part(folder, np.array(list(found), np.int64)[kept], pixels.reshape(-1, *usual))


def _shape(part: Part) -> tuple[int, ...]:
    return part.images(slice(0, 1)).shape[1:]
