"""A first look at a model that was given: how well it reads some of the samples, and whether it would read them better.

A wrong order of colours or a missing normalisation costs accuracy, not an error. Where the accuracy rises beyond its
interval once images are given in another way, that is a hint, with what to write.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol, runtime_checkable

import numpy as np

from whitesquare.data.pixels import Pixels
from whitesquare.learning.asked import Prepare
from whitesquare.learning.estimates import share
from whitesquare.learning.preprocess import BGR, RGB, Preprocess
from whitesquare.records import Estimate, Progress, silent
from whitesquare.types import Classifier, IntArray

_SAMPLES, _TRIED, _BATCH = 1000, 240, 120
_WELL = 0.95
"""Accuracy from which on nobody asks whether images could be given in a better way."""
_MEANS = {
    "without a normalisation": Preprocess(),
    "with pixels in 0..255": Preprocess(white=255.0),
    "with the mean and deviation of ImageNet": Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "with a mean and deviation of 0.5": Preprocess(0.5, 0.5),
}


@runtime_checkable
class Prepared(Protocol):
    """What a classifier has in addition if it can be given images in another way."""

    @property
    def preprocess(self) -> Prepare | None:
        """What it expects of its input; ``None`` where nobody knows."""

    def prepared(self, preprocess: Prepare) -> Classifier:
        """Return the same model, given images in another way."""


@dataclass(frozen=True)
class FirstLook:
    """What a model makes of some of the samples.

    Attributes:
        line: how many it was asked about, how many it calls by their label, and what its features are.
        hints: how images could be given so that it would call more of them by their label.
    """

    line: str
    hints: tuple[str, ...] = ()


def first_look(model: Classifier, images: Pixels, labels: IntArray, on_progress: Progress = silent) -> FirstLook:
    """Ask a model about at most 1,000 samples, evenly over the data.

    Args:
        model: what was given, with its classes in the order of the data's.
        images: ``(N, C, H, W)``; at least one.
        labels: ``(N,)``.
        on_progress: told how far it is.

    Raises:
        DataError: an answer is not a finite number.
    """
    index = _spread(len(labels), _SAMPLES)
    found = _accuracy(model, images, labels, index, on_progress=on_progress)
    features = model.features(images[:1]).shape[1]
    line = (
        f"The model read {found.n:,} sample{'s' * (found.n != 1)}: accuracy {100 * found.value:.1f} %, "
        f"{model.feature_layer}, {features:,} feature{'s' * (features != 1)}."
    )
    hints = () if found.value >= _WELL else _hints(model, images, labels, _spread(len(labels), _TRIED))
    return FirstLook(line, hints)


def _hints(model: Classifier, images: Pixels, labels: IntArray, index: IntArray) -> tuple[str, ...]:
    now = _accuracy(model, images, labels, index)
    tried = [
        (_accuracy(asked, images, labels, index, swapped), what, mend)
        for asked, swapped, what, mend in _others(model, images.shape[1])
    ]
    better = [one for one in tried if one[0].low > now.high]
    if not better:
        return ()
    best, what, mend = max(better, key=lambda one: one[0].value)
    return (
        f"The model may be given its images in another way than it was trained with: of {now.n} samples it calls "
        f"{100 * now.value:.1f} % by their label, and {100 * best.value:.1f} % {what}; {mend}.",
    )


def _others(model: Classifier, channels: int) -> Iterator[tuple[Classifier, bool, str, str]]:
    """Give every other way of asking a model: whether the images are swapped for it, in words, and what to write."""
    swapped = "once red and blue are swapped"
    asked = model.preprocess if isinstance(model, Prepared) else None
    if not isinstance(model, Prepared) or not isinstance(asked, Preprocess):
        if channels == 3:
            yield model, True, swapped, "swap them in what it reads, for it seems to expect BGR"
        return
    same = replace(asked, order=RGB)
    ways = {"": same} | {
        what: replace(one, size=asked.size)
        for what, one in _MEANS.items()
        if channels == 3 or not isinstance(one.mean, tuple)
    }
    for (what, way), order in product(ways.items(), (RGB, BGR) if channels == 3 else (asked.order,)):
        if (other := replace(way, order=order)) != asked:
            words = " and ".join(part for part in (what, swapped * (order != asked.order)) if part)
            yield model.prepared(other), False, words, f"if that is so, give it the preprocess {other}"


def _accuracy(
    model: Classifier,
    images: Pixels,
    labels: IntArray,
    index: IntArray,
    swapped: bool = False,
    on_progress: Progress = silent,
) -> Estimate:
    right = 0
    for start in range(0, len(index), _BATCH):
        part = index[start : start + _BATCH]
        given = images[part][:, ::-1] if swapped else images[part]
        right += int((np.asarray(model.logits(given)).argmax(1) == labels[part]).sum())
        on_progress("asking the model first", start + len(part), len(index))
    return share("accuracy", right, len(index))


def _spread(size: int, most: int) -> IntArray:
    return np.linspace(0, size - 1, min(size, most)).round().astype(np.int64)
