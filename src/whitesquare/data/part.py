"""Some samples of a data set as a data set of their own, and the part of a folder that can be read."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whitesquare.data.folder import ImageFolder, describe
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.types import ImageDataset, Index, IntArray, Progress, UInt8Array, silent


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

    What the others are like is decided by the most common size and colour mode, so that one odd file that happens to
    come first does not cost all the rest. Any other data set is one file: it is read whole or not at all, and is
    returned as it is.

    Args:
        dataset: any data set.
        on_progress: told how many images are decoded.

    Returns:
        The data set without those files, its images held in memory, and id to reason for those left out.

    Raises:
        NothingToDoError: if no file can be read.
    """
    if not isinstance(dataset, ImageFolder):
        return dataset, {}
    decoded: dict[int, UInt8Array] = {}
    skipped: dict[int, str] = {}
    for i in range(len(dataset.ids)):
        try:
            decoded[i] = dataset.image(i)
        except DataError as error:
            skipped[i] = str(error)
        if i % 1000 == 999 or i + 1 == len(dataset.ids):
            on_progress("decoding", i + 1, len(dataset.ids))
    if not decoded:
        raise NothingToDoError(
            f"None of the {len(skipped)} files of {dataset.root} can be read as an image; the first: "
            f"{next(iter(skipped.values()))}"
        )
    usual = Counter(image.shape for image in decoded.values()).most_common(1)[0][0]
    for i in [i for i, image in decoded.items() if image.shape != usual]:
        skipped[i] = f"it is {describe(decoded.pop(i).shape)}, and most files are {describe(usual)}"
    part = Part(dataset, np.array(list(decoded), np.int64), np.stack(list(decoded.values())))
    return part, {dataset.ids[i]: skipped[i] for i in sorted(skipped)}
