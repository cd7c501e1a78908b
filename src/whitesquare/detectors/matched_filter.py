"""Matched filter: a faint pattern that a part of a class shares, found on one half of the class and tried on the other.

Citation: ours; the filter is the classical one (Turin, IRE Trans. Information Theory 6, 1960), with the template
estimated by cross-fitting, so that no sample votes for itself.

Formula: an image's high-pass residual, scale-free at every place (``spectrum.py``), is taken to its spectrum. On one
half of a class first guesses at a common pattern are refined (``templates.py``); every guess filters the *other* half.
A guess counts by the gap between the bulk and those apart (``gaps.py``), at the place where the first half has it: a
class with a texture of its own moves as a whole and has no gap; a poisoned class is a mixture of two groups. The guess
whose gap is deepest in both halves scores the other half: deviations above the class's own bulk, plus the gap's
strength for those beyond it. Class statistic: the mean strength over both halves, times ``min(1, variety)``: how
much the contents (8 x 8 thumbnails) of those apart vary, against those of the rest; or, if that is less, how far each
is from the nearest other, against half of what is usual among the rest, squared. Poisons carry one pattern on contents
of every kind; near-copies and natural groups have their contents in common, too.

Cost: no model. About five seconds a view for 50,000 images of 32 x 32 on one core (grey: one view; colour: three;
larger than 48 pixels: twice as many), and 0.3 GB. One (J, J) product per half of a class, J about 1,000.

Failure modes: what has no fixed phase: wandering patches and warps; of poisons of which some are mirrored, one kind is
found and the other ranks last; fewer than about 15 carriers; more than half of the class; carriers chosen for their
like contents (the statistic, not the ranking); patterns of many weak frequencies on centred digits or clothes, where
classes have strong textures; in large images, fixed patches outside the middle that blocks average away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial import cKDTree

from whitesquare.data.pixels import Pixels
from whitesquare.detectors.common import images_at_once, one_thread
from whitesquare.detectors.gaps import Gap, apart, deepest, standing, strength_at
from whitesquare.detectors.spectrum import Int8Array, blocks, coefficients, views
from whitesquare.detectors.templates import far_ends, refined, rows_of, second_moments, starts, tail_excess
from whitesquare.detectors.types import BoolArray, CannotScoreError, Evidence, Hint, Suspicion, by_class, unscored
from whitesquare.types import FloatArray, IntArray, UInt8Array

_SMALLEST = 8
_POOL, _OTHERS = 8000, 2000
_SMALL, _LARGE = 20, 100
_CHUNK = 4096
_FEWEST, _NEIGHBOURS = 3, 300
_CLOSE = 0.5
"""Of the usual distance, from where on images are taken for copies: those chosen for being smooth are close as well."""


@dataclass(frozen=True)
class _Half:
    """One half of a class: where the filter is made, and where it is tried."""

    label: int
    made: IntArray
    tried: IntArray


@dataclass(frozen=True)
class _Tried:
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


@dataclass(frozen=True)
class MatchedFilter:
    """A faint pattern that a part of a class shares.

    Attributes:
        least: samples that a class must have.
        directions: of variance from which the search starts.
        rounds: of refinement.
    """

    name: ClassVar[str] = "matched-filter"
    rule_id: ClassVar[str] = "MF01"
    family: ClassVar[str] = "residual"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 40
    directions: int = 3
    rounds: int = 3

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by the filter that was made without it.

        Raises:
            CannotScoreError: the images are smaller than 8 x 8 pixels.
        """
        if min(evidence.images.shape[2:]) < _SMALLEST:
            raise CannotScoreError(
                f"The images measure {evidence.images.shape[2]} x {evidence.images.shape[3]} pixels; a spectrum needs "
                f"at least {_SMALLEST} x {_SMALLEST}."
            )
        halves = self._halves(evidence)
        if len(halves) < 4:  # one class, and nothing to compare it with
            return unscored(evidence)
        best: dict[int, _Tried] = {}
        ways = views(evidence.images.shape)
        with one_thread():
            for number, view in enumerate(ways):
                for place, tried in self._filtered(evidence, coefficients(evidence.images, view), halves):
                    if place not in best or (tried.strength, tried.tie) > (best[place].strength, best[place].tie):
                        best[place] = tried
                evidence.on_progress("filtering spectra", number + 1, len(ways))
        return _suspicion(evidence, halves, best)

    def _halves(self, evidence: Evidence) -> list[_Half]:
        """Return both halves of every class that is large enough: all first halves, then all second ones."""
        rng = np.random.default_rng(evidence.seed)
        parts = [
            (label, np.array_split(rng.permutation(members), 2))
            for label, members in by_class(evidence)
            if len(members) >= self.least
        ]
        return [_Half(label, two[side], two[1 - side]) for side in (0, 1) for label, two in parts]

    def _filtered(self, evidence: Evidence, table: Int8Array, halves: list[_Half]) -> Iterator[tuple[int, _Tried]]:
        """Yield the position of every half and the best of its filters."""
        rng = np.random.default_rng(evidence.seed)
        low, high = far_ends(table)
        count = len(halves) // 2
        for first in (0, count):
            side = halves[first : first + count]
            excess = tail_excess(table, [half.made for half in side], low, high)
            everyone = rng.permutation(np.concatenate([half.made for half in side]))
            pool = second_moments(rows_of(table, everyone[:_POOL]))
            for place, half in enumerate(side):
                made = rows_of(table, half.made)
                filters = refined(made, starts(made, excess[place], pool, self.directions), self.rounds)
                others = everyone[evidence.labels[everyone] != half.label][:_OTHERS]
                groups = (made, rows_of(table, half.tried), rows_of(table, others))
                answers = zip(*((rows @ filters).T for rows in groups), strict=True)
                yield first + place, max((_tried(*three) for three in answers), key=_rank)


def _tried(made: FloatArray, tried: FloatArray, others: FloatArray) -> _Tried:
    """Compare a filter's answers on the half it was made on with those on the other half, and of other classes."""
    above, elsewhere = standing(made, made), standing(tried, tried)
    gap = deepest(above)
    # Where other classes lie beyond the gap, those apart are the clean ones, and the filter is upside down.
    upside_down = np.median(standing(others, made)) > gap.end
    strength = 0.0 if upside_down else min(gap.strength, strength_at(elsewhere, gap))
    return _Tried(strength, min(apart(above)[0], apart(elsewhere)[0]), elsewhere, gap)


def _rank(tried: _Tried) -> tuple[float, float]:
    return tried.strength, tried.tie


def _suspicion(evidence: Evidence, halves: list[_Half], best: dict[int, _Tried]) -> Suspicion:
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
    small = blocks(images.mean(1, dtype=np.float32), _SMALLEST, _SMALLEST).reshape(len(images), -1)
    small -= small.mean(1, keepdims=True)
    contents: FloatArray = small / (np.linalg.norm(small, axis=1, keepdims=True) + 1e-6)
    return contents
