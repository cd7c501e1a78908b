"""Pixel contrast: a window of pixels that recurs at one place in one class and nearly nowhere else.

Citation: ours. The idea is the trigger's own definition: the same few pixels, in the same place, in images of one
class only. We found no published poison detector of this kind; the nearest are tools that look for shortcuts in data.

Formula: at every place p, windows of a few pixels are reduced to codes v (``codes.py``). A sample's score is the largest
``log(share of v at p in its class / share of v at p elsewhere)`` over all p and three scales, with a pessimistic estimate
of both shares (``contrast.py``). Nothing assumes that carriers are a minority of their class. The class statistic is the
largest score that at least ``least`` of its samples reach.

Cost: one table of counts per place and scale; no model. About one second per scale for 60,000 images of 28 x 28.

Failure modes: triggers without a fixed place or without fixed pixels (random position, warps, one perturbation per
sample); a trigger whose pixels are ordinary at that place (white in the middle of white digits); fewer than ``least``
carriers. Watermarks, borders and duplicates of one class are true hits, and harmless.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.codes import Scale, code_bits_for, window_codes
from whitesquare.detectors.contrast import log_contrast
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.types import FloatArray, IntArray

SCALES = (Scale(1, 4), Scale(2, 3), Scale(2, 8))
"""Single pixels in 16 greys; 2 x 2 windows in 8 greys; 2 x 2 windows exactly."""


@dataclass(frozen=True)
class PixelContrast:
    """A window of pixels that recurs at one place in one class and nearly nowhere else."""

    name: ClassVar[str] = "pixel-contrast"
    rule_id: ClassVar[str] = "PX01"
    family: ClassVar[str] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 15

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by its most telling window."""
        scores, _ = self.locate(evidence)
        return Suspicion(scores, class_peaks(scores, evidence, self.least))

    def locate(self, evidence: Evidence) -> tuple[FloatArray, IntArray]:
        """Return the scores ``(N,)`` and, per sample, the place of its most telling window (row * W + column)."""
        labels, kinds = evidence.labels, len(evidence.classes)
        sizes = np.bincount(labels, minlength=kinds)
        best = np.zeros(len(labels), np.float32)
        place = np.zeros(len(labels), np.int64)
        width = evidence.images.shape[3]
        for number, scale in enumerate(SCALES):
            bits = code_bits_for(kinds)
            for top, left, codes in window_codes(evidence.images, scale, bits):
                counts = np.bincount(codes.astype(np.int64) * kinds + labels, minlength=kinds << bits)
                used = np.flatnonzero(counts.reshape(-1, kinds).max(1) >= self.least)
                table = np.zeros((1 << bits, kinds), np.float32)
                table[used] = log_contrast(counts.reshape(-1, kinds)[used], sizes, self.least)
                found = table[codes, labels]
                better = found > best
                best[better] = found[better]
                place[better] = top * width + left
            evidence.on_progress("counting pixels", number + 1, len(SCALES))
        return best, place


def class_peaks(scores: FloatArray, evidence: Evidence, least: int) -> FloatArray:
    """Return, per class, the largest score that at least ``least`` of its samples reach; NaN for smaller classes."""
    peaks = np.full(len(evidence.classes), np.nan, np.float32)
    for label in range(len(evidence.classes)):
        of_class = scores[evidence.labels == label]
        if len(of_class) >= least:
            peaks[label] = np.partition(of_class, -least)[-least]
    return peaks
