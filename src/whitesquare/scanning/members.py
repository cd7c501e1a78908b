"""Which members of a class carry what some of them were found to carry: told by all that those share.

A reconstructed trigger is less than what its carriers share, or more: a perturbation leaves spots that count as part of
it, and a carrier without them is far from it, though it shows the stamp itself to the pixel. So members are judged by
naive Bayes. At every pixel, the grey levels of the carriers known so far are held against those of everybody else: of
the other classes or of the rest of the class, whichever shows a level more often, because what the class shows anyway
is its content. Who scores high carries it, and the levels are counted again.

The share of a level among carriers is pessimistic, and what it leaves open counts as being like everybody: a pixel on
which carriers disagree says nothing, and one that is covered or perturbed costs little.

The bound is chosen from the data: the samples of other classes give p-values, and Benjamini and Hochberg's rule takes
as many members as leave an expected one in twenty of them clean; or all that score as one in a thousand of the other
classes does, if those are more. Both hold as far as clean members look like other classes at these pixels.
"""

import numpy as np

from whitesquare.data.pixels import Pixels, parts_of
from whitesquare.detectors.types import BoolArray, Evidence
from whitesquare.scanning.marks.types import RARE, some
from whitesquare.types import FloatArray, IntArray

_COUNTED, _TAKEN = 0.01, 0.05
"""Expected share of clean samples among those whose levels are counted, lest these drift to what is typical of the
class, and among those that are taken in the end."""
_USUAL = 0.25
"""A known carrier was found by other means than single pixels; it is dropped if so many others score as high."""
_LEVELS, _BITS = 32, 3
"""Grey levels are counted in steps of eight, each with its two neighbours."""
_WIDTHS = (1, 4, 16)
"""So many are taken together, whichever tells most: carriers of many strengths share no level, but are all bright."""
_CERTAINTY = 2.0
"""Standard deviations subtracted from a count before it is believed."""
_TELLING, _PIXELS = 0.5, 64
"""A pixel is asked if it tells carriers by that many nats on average; the most telling ones are."""
_FEWEST, _ROUNDS = 10, 6
_MISSED = 0.2
"""Share of the known carriers that pixels may drop; if more, they are no judge of them."""
_OTHERS, _MEMBERS = 10_000, 5_000
"""Samples of other classes, half to count levels and half to give p-values; members to count levels."""
_CODES = 1 << 22
"""Pixels that are counted at a time."""


def all_carriers(evidence: Evidence, label: int, known: IntArray) -> IntArray:
    """Return the members of a class that carry what the known carriers share.

    Where pixels do not tell them, the known ones are all there is; where they miss many of these, they are added.

    Args:
        evidence: the samples.
        label: the class.
        known: positions of members that carry it.
    """
    members, others = evidence.members(label), some(np.flatnonzero(evidence.labels != label), evidence.seed, _OTHERS)
    if len(others) < 2 * _FEWEST:
        return known
    counted, asked = np.array_split(np.random.default_rng(evidence.seed).permutation(others), 2)
    elsewhere = (_levels(evidence.images, counted) + 1) / np.float32(len(counted) + _LEVELS)
    rare = max(RARE, 1.5 / (1 + len(asked)))
    was = carries = taken = np.isin(members, known)
    for _ in range(_ROUNDS):
        if carries.sum() < _FEWEST:
            break
        weights = _weights(evidence, members, carries, elsewhere)
        if weights is None:
            break
        rarity = _p_values(*(_scores(evidence.images, who, *weights) for who in (members, asked)))
        kept = was & (rarity <= _USUAL)
        taken, found = (kept | (rarity <= max(rare, _bound(rarity, share))) for share in (_TAKEN, _COUNTED))
        if np.array_equal(found, carries):
            break
        carries = found
    missed = np.setdiff1d(known, members[taken])
    return np.union1d(members[taken], known) if len(missed) > _MISSED * len(known) else members[taken]


def _weights(
    evidence: Evidence, members: IntArray, carries: BoolArray, elsewhere: FloatArray
) -> tuple[IntArray, FloatArray] | None:
    """Return the telling pixels and, for each, the log-likelihood ratio of every level; ``None`` if none tells."""
    own = some(members[carries], evidence.seed, _MEMBERS)
    rest = some(members[~carries], evidence.seed, _MEMBERS)
    counts, usual = _levels(evidence.images, own), [elsewhere]
    if len(rest) >= _FEWEST:
        usual.append(_levels(evidence.images, rest) / np.float32(len(rest)))
    telling = np.full(len(counts), -np.inf, np.float32)
    ratios = np.zeros_like(counts)
    for width in _WIDTHS:
        found = np.maximum(_merged(counts, width) - _CERTAINTY * np.sqrt(_merged(counts, width)), 0) / len(own)
        most = np.max([_merged(one, width) for one in usual], axis=0)
        weights = np.log(found / most + (1 - found.sum(1, keepdims=True)))
        tells = (found * weights).sum(1)
        better = tells > telling
        telling[better], ratios[better] = tells[better], np.repeat(weights[better], width, axis=1)
    pixels = np.argsort(-telling, kind="stable")[:_PIXELS]
    pixels = pixels[telling[pixels] >= _TELLING]
    return (pixels, ratios[pixels]) if len(pixels) else None


def _merged(levels: FloatArray, width: int) -> FloatArray:
    merged: FloatArray = levels.reshape(len(levels), -1, width).sum(2)
    return merged


def _levels(images: Pixels, who: IntArray) -> FloatArray:
    """Return how many of some images show each level at each pixel ``(C * H * W, levels)``."""
    size = int(np.prod(images.shape[1:]))
    counts = np.zeros(size * _LEVELS, np.int64)
    places, step = _LEVELS * np.arange(size), max(1, _CODES // size)
    for _, part in parts_of(images, who, step):
        codes = (part.reshape(-1, size) >> _BITS) + places
        counts += np.bincount(codes.ravel(), minlength=len(counts))
    wide = np.pad(counts.reshape(size, _LEVELS), ((0, 0), (1, 1)), mode="edge")
    smooth: FloatArray = (0.5 * wide[:, 1:-1] + 0.25 * (wide[:, :-2] + wide[:, 2:])).astype(np.float32)
    return smooth


def _scores(images: Pixels, who: IntArray, pixels: IntArray, ratios: FloatArray) -> FloatArray:
    parts = [part.reshape(len(part), -1)[:, pixels] for _, part in parts_of(images, who)]
    levels = np.concatenate([np.empty((0, len(pixels)), np.uint8), *parts]) >> _BITS
    scores: FloatArray = ratios[np.arange(len(pixels)), levels].sum(1)
    return scores


def _p_values(own: FloatArray, others: FloatArray) -> FloatArray:
    """Return the share of other classes' samples that score as high as each member, and of itself."""
    reached = len(others) - np.searchsorted(np.sort(others), own, side="left")
    return ((1 + reached) / (1 + len(others))).astype(np.float32)


def _bound(p_values: FloatArray, share: float) -> float:
    """Return the p-value up to which no more than that share is expected to be clean."""
    ordered = np.sort(p_values)
    within = ordered[ordered <= share * np.arange(1, len(ordered) + 1) / len(ordered)]
    return float(within.max(initial=0))
