"""Data sets as a user would write them: no class of ours, images made when they are asked for."""

import zlib
from collections import Counter

import numpy as np

from whitesquare.data import ArrayDataset, from_arrays
from whitesquare.errors import DataError


def made_to_fit(dataset: ArrayDataset, fmt: str) -> ArrayDataset:
    """Return a data set as a format can hold it: CIFAR's files have 32 x 32 pixels in colour and nothing else."""
    if fmt != "cifar10":
        return dataset
    pixels = np.resize(dataset.pixels, (len(dataset.ids), 3, 32, 32))
    return from_arrays(pixels, dataset.labels, classes=dataset.classes, ids=dataset.ids, layout="NCHW")


class OwnDataset:
    """Images in a form of the user's own: here, each packed by zlib; every decoding is counted."""

    kind = "packed"

    def __init__(self, images, labels, split="train", classes=tuple("0123456789")):
        self.packed = [zlib.compress(image.tobytes(), 1) for image in images]
        self.labels, self.classes = np.asarray(labels, np.int64), classes
        self.ids = [f"{split}-mine/{i}" for i in range(len(labels))]
        self.shape = images.shape[1:]
        self.decodes = Counter()

    def images(self, index):
        found = [self._image(i) for i in np.arange(len(self.ids))[index].tolist()]
        return np.stack(found) if found else np.empty((0, *self.shape), np.uint8)

    def batches(self, size):
        for start in range(0, len(self.ids), size):
            part = slice(start, min(start + size, len(self.ids)))
            yield part, self.images(part)

    def content(self, i):
        return self.packed[i]

    def _image(self, i, content=None):
        self.decodes[i] += 1
        try:
            data = zlib.decompress(self.packed[i] if content is None else content)
        except zlib.error as error:
            raise DataError(f"{self.ids[i]} is damaged ({error}).") from error
        return np.frombuffer(data, np.uint8).reshape(self.shape)


class OwnEncoded(OwnDataset):
    """The same, able to decode an image from the content that was hashed."""

    def decoder(self):
        return "zlib"

    def header(self, i):
        return self.shape

    def decode(self, i, content, like=None):
        return self._image(i, content)
