"""Going through a data set in order, and decoding images one by one into one array."""

import math
from collections.abc import Iterator
from itertools import chain

import numpy as np

from whitesquare._base.crew import Crew
from whitesquare._base.machine import usable_cores
from whitesquare.data.room import check_room
from whitesquare.errors import DataError
from whitesquare.types import EncodedDataset, ImageDataset, Index, Shape, UInt8Array

BATCH = 4096
"""Images held at a time where one after the other is enough."""
_LARGE, _AHEAD = 2**15, 8
"""Grey levels of an image from which on a thread of its own decodes it in less time, and files read ahead for each."""


def in_batches(dataset: ImageDataset, size: int) -> Iterator[tuple[slice, UInt8Array]]:
    """Yield every image of a data set once, in order: positions, and ``(B, C, H, W)`` uint8."""
    count = len(dataset.labels)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        yield part, dataset.images(part)


def decoded(dataset: EncodedDataset, index: Index, where: str = "The data set") -> UInt8Array:
    """Read and decode images as ``(B, C, H, W)`` uint8; each must be like the first of the data set.

    Args:
        dataset: whose images.
        index: which.
        where: its name, for the errors.

    Raises:
        DataError: one is not, or is damaged; or they do not fit into memory.
    """
    positions = np.arange(len(dataset.ids))[index].tolist()
    first = positions[:1] == [0]
    found = [dataset.decode(0, dataset.content(0))] if first else []  # which tells the shape: it is not decoded twice
    shape = dataset.shape
    check_room(len(positions), shape, where)
    batch = np.empty((len(positions), *shape), dtype=np.uint8)
    rest = _each(dataset, positions[len(found) :], shape)
    for slot, (i, pixels) in enumerate(zip(positions, chain(found, rest), strict=True)):
        if pixels.shape != shape:
            raise unlike(dataset.ids[i], pixels.shape, dataset.ids[0], shape)
        batch[slot] = pixels
    return batch


def _each(dataset: EncodedDataset, positions: list[int], shape: Shape) -> Iterator[UInt8Array]:
    """Yield images in order; of large ones several are decoded at a time."""
    if math.prod(shape) < _LARGE:
        yield from (dataset.decode(i, dataset.content(i), shape) for i in positions)
        return
    few = _AHEAD * usable_cores()
    with Crew(usable_cores()) as crew:
        for start in range(0, len(positions), few):
            some = [(i, dataset.content(i)) for i in positions[start : start + few]]
            yield from crew.map(lambda one: dataset.decode(*one, shape), some)


def unlike(name: str, found: tuple[int, ...], first: str, shape: tuple[int, ...]) -> DataError:
    """Build the error for an image that is not as the first of its data set."""
    return DataError(
        f"{name} is {describe(found)} but {first} is {describe(shape)}; expected one size and colour mode, so convert "
        "one of them."
    )


def alike(shape: Shape) -> Shape:
    """Return what images that may have one shape share, turned by a right angle or not."""
    return shape[0], min(shape[1:]), max(shape[1:])


def describe(shape: tuple[int, ...]) -> str:
    """Write the shape ``(C, H, W)`` of an image as people say it."""
    return f"{shape[2]}x{shape[1]} {'grey' if shape[0] == 1 else 'RGB'}"


def as_shape(found: tuple[int, ...]) -> Shape:
    """Return the ``(C, H, W)`` of images ``(..., C, H, W)``."""
    channels, height, width = found[-3:]
    return channels, height, width
