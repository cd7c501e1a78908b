"""What a linear model reads in thumbnails: the least that a network must reach, and whether left and right matter."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeClassifier

from whitesquare.data.pixels import Pixels
from whitesquare.learning.estimates import share
from whitesquare.learning.label_check import thumbnails_of
from whitesquare.records import Estimate
from whitesquare.types import IntArray

_MOST, _TESTED = 12_000, 0.33
_FEWEST = 60
_RIDGE = 10.0
_LOST = 0.15
"""Of what it knows beyond chance, the most that a probe may lose on mirrored images where these are the same to it."""


@dataclass(frozen=True)
class Probed:
    """A linear classifier, asked about samples that it was not fitted to.

    Attributes:
        accuracy: on them.
        mirrored: share that it calls by their label when their left and right are exchanged.
        chance: share of the largest class among them.
    """

    accuracy: Estimate
    mirrored: float
    chance: float

    @property
    def symmetric(self) -> bool:
        """True where mirrored images are as good as the others: photographs, but not digits or text."""
        known = self.accuracy.value - self.chance
        return self.accuracy.low > self.chance and self.accuracy.value - self.mirrored <= _LOST * known


def probe(images: Pixels, labels: IntArray, seed: int) -> Probed | None:
    """Fit a ridge classifier to thumbnails of some images and ask it about others, as they are and mirrored.

    Args:
        images: ``(N, C, H, W)``.
        labels: ``(N,)``.
        seed: of the choice of samples.

    Returns:
        ``None`` for fewer than 60 samples, or samples of one class.
    """
    order = np.random.default_rng(seed).permutation(len(labels))[:_MOST]
    seen, unseen = np.split(order, [len(order) - int(_TESTED * len(order))])
    if len(order) < _FEWEST or len(np.unique(labels[seen])) < 2:
        return None
    fitted = RidgeClassifier(alpha=_RIDGE).fit(thumbnails_of(images, seen), labels[seen])
    wanted = labels[unseen]
    right = int((fitted.predict(thumbnails_of(images, unseen)) == wanted).sum())
    mirrored = fitted.predict(thumbnails_of(images, unseen, mirrored=True)) == wanted
    chance = float(np.bincount(wanted).max() / len(wanted))
    return Probed(share("probe", right, len(wanted)), float(mirrored.mean()), chance)
