"""One SHA-256 for a whole data set, the same whichever class presents it."""

import hashlib
import struct

import numpy as np

from whitesquare.data.batches import BATCH
from whitesquare.data.pixels import at_a_time
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset


def dataset_digest(dataset: ImageDataset, on_progress: Progress = silent) -> str:
    """Hash class names, ids, labels, image shape and pixels.

    Every text is preceded by its length and every list by its count, so two different data sets never give
    the same bytes. Pixels count, not files: a PNG folder and an ``.npz`` file with the same content agree.

    Args:
        dataset: any data set; a few images are decoded at a time, and of small ones 4,096.
        on_progress: told how many images are hashed.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(b"whitesquare data set 1\n")
    for names in (dataset.classes, dataset.ids):
        digest.update(_number(len(names)))
        for name in names:
            # surrogatepass: a name from a foreign data set must not stop the digest
            text = name.encode("utf-8", "surrogatepass")
            digest.update(_number(len(text)) + text)
    count = len(dataset.labels)
    digest.update(_number(count) + dataset.labels.astype("<i8").tobytes())
    for part, images in dataset.batches(at_a_time(dataset.shape, BATCH) if count else BATCH):
        if part.start == 0:
            digest.update(b"".join(_number(size) for size in images.shape[1:]))
        digest.update(np.ascontiguousarray(images).data)
        on_progress("digest", part.stop, count)
    return digest.hexdigest()


def _number(value: int) -> bytes:
    return struct.pack(">Q", value)
