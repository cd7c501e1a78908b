"""A label-quality check as data teams run it: does the out-of-fold prediction differ from the label given?

Citation: Northcutt, Jiang and Chuang, "Confident learning", JAIR 2021 (arXiv:1911.00068), method 1, ``C_confusion``:
flag a sample whose most probable class, predicted by a model that never saw it, is not its given label.

The out-of-fold model is a vote of nearest neighbours on thumbnails, not a network, and on purpose: 3,000 relabelled
images with a trigger are enough to teach a network the trigger in every fold, and it then *agrees* with the false
labels. A four-pixel square hardly moves a neighbour, so the check sees the drawing and not the trigger.

Cost: (checked samples) x (training samples) x 200 multiplications. Failure modes: classes that neighbours on pixels
cannot tell apart raise the rate on clean images, which is why that rate is always reported beside.
"""

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.pixels import Pixels, parts_of
from whitesquare.records import Progress, silent
from whitesquare.types import FloatArray, ImageDataset, IntArray, UInt8Array

_THUMBNAIL = 14


def thumbnails(images: UInt8Array) -> FloatArray:
    """Shrink images to at most 14 x 14 by block means, in [0, 1], one flat float32 row per image."""
    count, channels, height, width = images.shape
    block = -(-max(height, width) // _THUMBNAIL)
    rows, columns = max(1, height // block), max(1, width // block)
    cut = images[..., : rows * block, : columns * block]
    blocks = cut.reshape(count, channels, rows, cut.shape[2] // rows, columns, cut.shape[3] // columns)
    means: FloatArray = blocks.mean((3, 5), dtype=np.float32) / 255
    return means.reshape(count, -1)


def thumbnails_of(images: Pixels, positions: IntArray, *, mirrored: bool = False) -> FloatArray:
    """Shrink the images at ``positions``, a few at a time; see :func:`thumbnails`.

    Args:
        images: of which.
        positions: which.
        mirrored: exchange their left and right first.
    """
    parts = (part for _, part in parts_of(images, positions, max(1, len(positions))))
    turned = (np.ascontiguousarray(part[..., ::-1]) if mirrored else part for part in parts)
    return np.concatenate([thumbnails(part) for part in turned])


def label_check(
    dataset: ImageDataset,
    index: IntArray,
    *,
    seed: int,
    folds: int = 2,
    neighbours: int = 10,
    on_progress: Progress = silent,
) -> NDArray[np.bool_]:
    """Flag samples whose out-of-fold prediction is not their label.

    Args:
        dataset: the training set to check.
        index: positions to check; all samples serve as neighbours.
        seed: of the split into folds.
        folds: number of folds; a sample's neighbours come from the other folds only.
        neighbours: voters per sample; a tie goes to the lower label.
        on_progress: told the number of finished folds.

    Returns:
        True where flagged, in the order of ``index``.
    """
    from sklearn.neighbors import NearestNeighbors  # a second, for which who wants but thumbnails need not wait

    pixels = thumbnails(dataset.images(slice(None)))
    fold = np.random.default_rng(seed).permutation(len(pixels)) % folds
    flagged = np.zeros(len(index), bool)
    for number in range(folds):
        asked = np.flatnonzero(fold[index] == number)
        known = np.flatnonzero(fold != number)
        if len(asked) and len(known):
            search = NearestNeighbors(n_neighbors=min(neighbours, len(known)), algorithm="brute").fit(pixels[known])
            nearest = known[search.kneighbors(pixels[index[asked]], return_distance=False)]
            flagged[asked] = _majority(dataset.labels[nearest], len(dataset.classes)) != dataset.labels[index[asked]]
        on_progress("checking labels", number + 1, folds)
    return flagged


def _majority(votes: IntArray, classes: int) -> IntArray:
    offsets = np.arange(len(votes))[:, None] * classes
    counts = np.bincount((votes + offsets).ravel(), minlength=len(votes) * classes)
    winners: IntArray = counts.reshape(-1, classes).argmax(1)
    return winners
