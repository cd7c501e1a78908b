"""A data source: a folder of binary PGM or PPM files, and ``labels.txt``, a line of file and class for each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from whitesquare.errors import DataError
from whitesquare.types import ImageDataset, Index, IntArray, Shape, UInt8Array

LISTS = {"train": "labels.txt", "test": "test-labels.txt"}
CHANNELS = {b"P5": 1, b"P6": 3}
HEADER = re.compile(rb"(P5|P6)\s(?:#.*\n|\s)*(\d{1,5})\s+(\d{1,5})\s+255\s")
"""Kind, width, height and largest value: one byte for each value."""


@dataclass(frozen=True, eq=False)
class Listed:
    """A split: what whitesquare asks of a data set, see ``whitesquare.types.ImageDataset``."""

    pixels: UInt8Array
    labels: IntArray
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    kind: str = "netpbm-list"

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of every image."""
        return self.pixels.shape[1:]

    def images(self, index: Index) -> UInt8Array:
        """Return the images at ``index`` as ``(B, C, H, W)`` uint8."""
        return self.pixels[index]

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Yield every image once, in order."""
        for start in range(0, len(self.ids), size):
            part = slice(start, min(start + size, len(self.ids)))
            yield part, self.images(part)

    def content(self, i: int) -> bytes:
        """Return the bytes that are hashed: the pixels."""
        return self.pixels[i].tobytes()


class NetpbmList:
    """A folder of binary PGM or PPM files with lists of labels."""

    name: ClassVar[str] = "netpbm-list"

    def recognises(self, source: str) -> bool:
        """Tell by the names of the files; nothing is read."""
        return any(Path(source).glob("*.p[gp]m")) and bool(self.splits(source))

    def splits(self, source: str) -> tuple[str, ...]:
        """Tell by the names of the lists which splits there are."""
        return tuple(split for split, name in LISTS.items() if (Path(source) / name).is_file())

    def open(self, source: str, split: str) -> ImageDataset:
        """Read a split; the classes are those of both, so that labels agree.

        Raises:
            DataError: there is no such split, or a line or a file is not what it should be.
        """
        folder = Path(source)
        lists = {name: read_list(folder / LISTS[name]) for name in self.splits(source)}
        if split not in lists:
            raise DataError(f"{source} has no {split} split: expected {LISTS[split]}; add it.")
        classes = tuple(sorted({label for found in lists.values() for label in found.values()}))
        images = [read_netpbm(folder / name) for name in lists[split]]
        if odd := [name for name, one in zip(lists[split], images, strict=True) if one.shape != images[0].shape]:
            raise DataError(f"{folder / odd[0]} is of another size or kind than the first image; expected one of all.")
        labels = np.array([classes.index(label) for label in lists[split].values()], np.int64)
        return Listed(np.stack(images), labels, classes, tuple(lists[split]))


def read_list(path: Path) -> dict[str, str]:
    """Read a list: by the name of each file, its class.

    Raises:
        DataError: a line is none, a file is named twice or lies elsewhere, or there is no line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, _, label = line.partition(" ")
        if not label or not re.fullmatch(r"\w[\w.-]*\.p[gp]m", name) or name in found:
            raise DataError(f"{path}, line {number}: found {line!r}, expected a new file, a space and its class.")
        found[name] = label
    if not found:
        raise DataError(f"{path} has no line; expected one for each image: add them.")
    return found


def read_netpbm(path: Path) -> UInt8Array:
    """Read a binary PGM or PPM file as ``(C, H, W)`` uint8.

    Raises:
        DataError: it is none of one byte for each value, or is cut off.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); it is listed, so add it.") from error
    if (header := HEADER.match(data)) is None:
        raise DataError(f"{path} is no binary PGM or PPM file of one byte for each value; convert it.")
    channels, width, height = CHANNELS[header[1]], int(header[2]), int(header[3])
    found, expected = len(data) - header.end(), channels * width * height
    if found != expected or not found:
        raise DataError(f"{path} has {found} bytes of pixels, expected {expected}; write or copy it again.")
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width, channels).transpose(2, 0, 1)
