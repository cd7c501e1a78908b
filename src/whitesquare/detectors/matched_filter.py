"""Matched filter: a faint pattern that a part of a class shares, found on one half of the class and tried on the other.

Citation: ours; the filter is the classical one (Turin, IRE Trans. Information Theory 6, 1960), with the template
estimated by cross-fitting, so that no sample votes for itself.

Formula: an image's high-pass residual, scale-free at every place (``spectrum.py``), is taken to its spectrum. On one
half of a class first guesses at a common pattern are refined (``templates.py``); every guess filters the *other* half.
A guess counts by the gap between the bulk and those apart (``gaps.py``), at the place where the first half has it: a
class with a texture of its own moves as a whole and has no gap; a poisoned class is a mixture of two groups. The guess
whose gap is deepest in both halves scores the other half (``halves.py``).

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

from whitesquare.detectors.common import one_thread
from whitesquare.detectors.halves import Half, OnOther, halves_of, rank_of, suspicion_of, tried_on
from whitesquare.detectors.spectrum import Int8Array, coefficients, views
from whitesquare.detectors.templates import far_ends, refined, rows_of, second_moments, starts, tail_excess
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion, unscored

_SMALLEST = 8
_POOL, _OTHERS = 8000, 2000


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
        halves = halves_of(evidence, self.least)
        if len(halves) < 4:  # one class, and nothing to compare it with
            return unscored(evidence)
        best: dict[int, OnOther] = {}
        ways = views(evidence.images.shape)
        with one_thread():
            for number, view in enumerate(ways):
                for place, tried in self._filtered(evidence, coefficients(evidence.images, view), halves):
                    if place not in best or rank_of(tried) > rank_of(best[place]):
                        best[place] = tried
                evidence.on_progress("filtering spectra", number + 1, len(ways))
        return suspicion_of(evidence, halves, best)

    def _filtered(self, evidence: Evidence, table: Int8Array, halves: list[Half]) -> Iterator[tuple[int, OnOther]]:
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
                yield first + place, max((tried_on(*three) for three in answers), key=rank_of)
