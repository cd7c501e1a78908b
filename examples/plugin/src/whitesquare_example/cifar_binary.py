"""A data source: the binary version of CIFAR-10, records of one byte of label and 3 x 32 x 32 bytes of pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from whitesquare.errors import DataError
from whitesquare.types import ImageDataset, Index, IntArray, UInt8Array

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
FILES = {"train": "data_batch*.bin", "test": "test_batch.bin"}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, eq=False)
class Records:
    """A split: what whitesquare asks of a data set, see ``whitesquare.types.ImageDataset``."""

    records: UInt8Array
    ids: tuple[str, ...]
    kind: str = "cifar-binary"
    classes: tuple[str, ...] = CLASSES
    shape: tuple[int, int, int] = SHAPE

    @cached_property
    def labels(self) -> IntArray:
        """Labels ``(N,)`` int64."""
        return self.records[:, 0].astype(np.int64)

    def images(self, index: Index) -> UInt8Array:
        """Return the images at ``index`` as ``(B, C, H, W)`` uint8."""
        return self.records[index, 1:].reshape(-1, *SHAPE)

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Yield every image once, in order."""
        for start in range(0, len(self.ids), size):
            part = slice(start, min(start + size, len(self.ids)))
            yield part, self.images(part)

    def content(self, i: int) -> bytes:
        """Return the bytes that are hashed: the pixels, without the label."""
        return self.records[i, 1:].tobytes()


class CifarBinary:
    """The binary version of CIFAR-10: folders of data_batch_1.bin and so on, and test_batch.bin."""

    name: ClassVar[str] = "cifar-binary"

    def recognises(self, source: str) -> bool:
        """Tell by the names of the files; nothing is read."""
        return any(path for pattern in FILES.values() for path in Path(source).glob(pattern))

    def splits(self, source: str) -> tuple[str, ...]:
        """Tell by the names of the files which splits there are."""
        return tuple(split for split, pattern in FILES.items() if any(Path(source).glob(pattern)))

    def open(self, source: str, split: str) -> ImageDataset:
        """Read a split.

        Raises:
            DataError: there is no such split, or a file is cut off or holds a label above 9.
        """
        paths = sorted(Path(source).glob(FILES[split]))
        if not paths:
            raise DataError(f"{source} has no {split} split: expected {FILES[split]}; add it.")
        parts = []
        for path in paths:
            content = np.fromfile(path, np.uint8)
            if len(content) == 0 or len(content) % RECORD:
                raise DataError(f"{path} has {len(content)} bytes; expected a multiple of {RECORD}: fetch it again.")
            parts.append(content.reshape(-1, RECORD))
            if parts[-1][:, 0].max() >= len(CLASSES):
                raise DataError(f"{path} holds the label {parts[-1][:, 0].max()}; expected 0..9: fetch it again.")
        records = np.concatenate(parts)
        return Records(records, tuple(f"{split}/{position:05d}" for position in range(len(records))))
