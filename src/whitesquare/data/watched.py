"""A data set whose reading is watched: somebody is told the very bytes that become images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whitesquare.data.batches import decoded, in_batches
from whitesquare.data.part import Part
from whitesquare.data.presented import Presented
from whitesquare.types import (
    Encoded,
    EncodedDataset,
    ImageDataset,
    Index,
    OnRead,
    Shape,
    UInt8Array,
)


@dataclass(frozen=True, eq=False)
class Watched(Presented):
    """Present ``base``; whenever the content of a sample is read, ``on_read`` is told it before anybody uses it."""

    base: EncodedDataset
    on_read: OnRead

    def decoder(self) -> str:
        """Return what decodes ``base``."""
        return self.base.decoder()

    def header(self, i: int) -> Shape:
        """Return what the header of an image says, of which nobody is told: nothing becomes of it."""
        return self.base.header(i)

    def content(self, i: int) -> bytes:
        """Read the content of a sample, and tell it."""
        content = self.base.content(i)
        self.on_read(range(len(self.ids))[i], content)
        return content

    def decode(self, i: int, content: bytes, like: Shape | None = None) -> UInt8Array:
        """Decode what was read."""
        return self.base.decode(i, content, like)

    def images(self, index: Index) -> UInt8Array:
        """Read and decode images as ``(B, C, H, W)`` uint8; see :func:`whitesquare.data.batches.decoded`."""
        return decoded(self, index)

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Read and decode every image, in order."""
        return in_batches(self, size)


def watched(dataset: ImageDataset, on_read: OnRead) -> ImageDataset:
    """Present a data set so that ``on_read(position, content)`` is told what its images are made of.

    Where images are decoded from their content, each is read into memory once each time it is decoded: ``on_read``
    gets those bytes, and they are decoded. The images of any other data set are held from now on, and the content of
    all of them is told now. What ``on_read`` raises ends the reading.

    Args:
        dataset: any data set.
        on_read: told.
    """
    if isinstance(dataset, Encoded):
        return Watched(dataset, on_read)
    pixels = dataset.images(slice(None))
    for i in range(len(pixels)):
        on_read(i, dataset.content(i))
    return Part(dataset, np.arange(len(pixels)), pixels)
