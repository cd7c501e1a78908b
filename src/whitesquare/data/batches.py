"""Going through a data set in order, and decoding images one by one into one array."""

from collections.abc import Iterator

import numpy as np

from whitesquare.data.room import check_room
from whitesquare.errors import DataError
from whitesquare.types import EncodedDataset, ImageDataset, Index, Shape, UInt8Array

BATCH = 4096
"""Images held at a time where one after the other is enough."""


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
    for slot, i in enumerate(positions):
        pixels = found.pop() if found else dataset.decode(i, dataset.content(i), shape)
        if pixels.shape != shape:
            raise unlike(dataset.ids[i], pixels.shape, dataset.ids[0], shape)
        batch[slot] = pixels
    return batch


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
