"""Cross-fitting: what is found on one half of a class is tried on the other, so that no sample votes for itself.

A filter is a direction; a class with a texture of its own moves along it as a whole and has no gap, and a poisoned
class is a mixture of two groups. The filter whose gap (``gaps.py``) is deepest in both halves scores the half it was
not made on: deviations above the class's own bulk, plus the gap's strength for those beyond it. Class statistic: the
mean strength over both halves, times ``min(1, variety)``: how much the contents (8 x 8 thumbnails) of those apart
vary, against those of the rest; or, if that is less, how far each is from the nearest other, against half of what is
usual among the rest, squared. Poisons are contents of every kind; near-copies and natural groups have their contents in
common, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from whitesquare.data.pixels import Pixels
from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.gaps import Gap, apart, deepest, standing, strength_at
from whitesquare.detectors.spectrum import blocks
from whitesquare.detectors.types import BoolArray, Evidence, Hint, Suspicion, by_class, unscored
from whitesquare.types import FloatArray, IntArray, UInt8Array

_SIDE = 8
_SMALL, _LARGE = 20, 100
_CHUNK = 4096
_FEWEST, _NEIGHBOURS = 3, 300
_CLOSE = 0.5
"""Of the usual distance, from where on images are taken for copies: those chosen for being smooth are close as well."""


@dataclass(frozen=True)
class Half:
    """One half of a class: where a filter is made, and where it is tried."""

    label: int
    made: IntArray
    tried: IntArray


@dataclass(frozen=True)
class OnOther:
    """What a filter says of the half it was not made on.

    Attributes:
        strength: of the gap: the smaller of both halves.
        tie: how far samples stand apart, where no filter has a gap.
        above: of the half it was tried on, in deviations above its bulk.
        gap: found on the half it was made on.
    """

    strength: float
    tie: float
    above: FloatArray
    gap: Gap


def halves_of(evidence: Evidence, least: int) -> list[Half]:
    """Return both halves of every class of at least so many samples: all first halves, then all second ones."""
    rng = np.random.default_rng(evidence.seed)
    parts = [
        (label, np.array_split(rng.permutation(members), 2))
        for label, members in by_class(evidence)
        if len(members) >= least
    ]
    return [Half(label, two[side], two[1 - side]) for side in (0, 1) for label, two in parts]


def tried_on(made: FloatArray, tried: FloatArray, others: FloatArray) -> OnOther:
    """Compare a filter's answers on the half it was made on with those on the other half, and of other classes."""
    above, elsewhere = standing(made, made), standing(tried, tried)
    gap = deepest(above)
    # Where other classes lie beyond the gap, those apart are the clean ones, and the filter is upside down.
    upside_down = np.median(standing(others, made)) > gap.end
    strength = 0.0 if upside_down else min(gap.strength, strength_at(elsewhere, gap))
    return OnOther(strength, min(apart(above)[0], apart(elsewhere)[0]), elsewhere, gap)


def rank_of(tried: OnOther) -> tuple[float, float]:
    """Return what the better of several filters has more of."""
    return tried.strength, tried.tie


def suspicion_of(evidence: Evidence, halves: list[Half], best: dict[int, OnOther]) -> Suspicion:
    """Return what follows from the best filter of every half, by its position among the halves."""
    found = unscored(evidence)
    plain = np.zeros(len(evidence.classes))
    for place, half in enumerate(halves):
        tried = best[place]
        beyond = tried.above > tried.gap.end
        strength = tried.strength * min(1.0, _variety(evidence.images, half.tried, beyond))
        found.scores[half.tried] = tried.above + strength * beyond
        found.class_stats[half.label] = np.nan_to_num(found.class_stats[half.label]) + strength / 2
        plain[half.label] += tried.strength / 2
    labels = sorted({half.label for half in halves})
    hints = (hint for label in labels for hint in _hints(found.scores, evidence.members(label), label, plain[label]))
    return Suspicion(found.scores, found.class_stats, tuple(hints))


def _hints(scores: FloatArray, members: IntArray, label: int, strength: float) -> Iterator[Hint]:
    """Yield the highest ranked samples of a class: few, and many."""
    ranked = members[np.argsort(-scores[members], kind="stable")]
    for count in (_SMALL, _LARGE):
        if 2 * count <= len(members):
            yield Hint(label, float(strength), np.sort(ranked[:count]))


def _variety(images: Pixels, places: IntArray, apart_from: BoolArray) -> float:
    """Return how much the contents of those apart vary, over how much those of the rest do; 1 if there are too few."""
    if apart_from.sum() < _FEWEST or (~apart_from).sum() < _FEWEST:
        return 1.0
    most = images_at_once(images.shape, _CHUNK)
    chunks = (images[places[start : start + most]] for start in range(0, len(places), most))
    contents = np.concatenate([_thumbnails(chunk) for chunk in chunks])
    few, rest = contents[apart_from], contents[~apart_from]
    count = min(len(few), len(rest), _NEIGHBOURS)
    ratios = [
        few.var(0, ddof=1).sum() / max(rest.var(0, ddof=1).sum(), 1e-6),
        (_to_nearest(few, count) / max(_CLOSE * _to_nearest(rest, count), 1e-6)) ** 2,
    ]
    return float(min(ratios))


def _to_nearest(contents: FloatArray, count: int) -> float:
    """Return the median distance to the nearest other one of ``count``, evenly drawn."""
    some = contents[np.linspace(0, len(contents) - 1, count).astype(int)]
    return float(np.median(cKDTree(some).query(some, k=2, workers=1)[0][:, 1]))


def _thumbnails(images: UInt8Array) -> FloatArray:
    """Return the contents of images, without brightness and contrast, ``(N, 64)``."""
    small = blocks(images.mean(1, dtype=np.float32), _SIDE, _SIDE).reshape(len(images), -1)
    small -= small.mean(1, keepdims=True)
    contents: FloatArray = small / (np.linalg.norm(small, axis=1, keepdims=True) + 1e-6)
    return contents
