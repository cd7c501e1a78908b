"""A data set whose reading is watched: somebody is told the very bytes that become images."""

from dataclasses import replace

import numpy as np

from whitesquare.data.part import Part
from whitesquare.data.sources.folder import ImageFolder, OnRead
from whitesquare.types import ImageDataset


def watched(dataset: ImageDataset, on_read: OnRead) -> ImageDataset:
    """Present a data set so that ``on_read(position, content)`` is told what its images are made of.

    The file of an image folder is read into memory once each time it is decoded: ``on_read`` gets those bytes, and
    they are decoded. The images of any other data set are held from now on, and told now: their pixels, channel by
    channel, row by row. What ``on_read`` raises ends the reading.

    Args:
        dataset: as :func:`whitesquare.data.open_dataset` gives it.
        on_read: told; it must not keep the content.
    """
    if isinstance(dataset, ImageFolder):
        return replace(dataset, on_read=on_read)
    pixels = dataset.images(slice(None))
    for i, image in enumerate(pixels):
        on_read(i, image.tobytes())
    return Part(dataset, np.arange(len(pixels)), pixels)
