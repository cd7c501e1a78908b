"""Pixel contrast: a window of pixels that recurs at one place in one class and nearly nowhere else.

Citation: ours. The idea is the trigger's own definition: the same few pixels, in the same place, in images of one
class only. We found no published poison detector of this kind; the nearest are tools that look for shortcuts in data.

Formula: at every place p, windows of a few pixels are reduced to codes v (``codes.py``). A sample's score is the
largest ``log(share of v at p in its class / share of v at p elsewhere)`` over all p and three scales, with a
pessimistic estimate of both shares (``contrast.py``). Nothing assumes that carriers are a minority of their class.
The class statistic is the largest score that at least ``least`` of its samples reach.

Cost: one table of counts per place and scale; no model. About one second per scale for 60,000 images of 28 x 28.

Failure modes: triggers without a fixed place or without fixed pixels (random position, warps, one perturbation per
sample); a trigger whose pixels are ordinary at that place (white in the middle of white digits); fewer than ``least``
carriers. Watermarks, borders and duplicates of one class are true hits, and harmless.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.codes import CodeArray, Scale, code_bits, tiles, window_codes
from whitesquare.detectors.contrast import log_contrast
from whitesquare.detectors.types import Evidence, Hint, Suspicion, by_class
from whitesquare.types import FloatArray, IntArray

SCALES = (Scale(1, 4), Scale(2, 3), Scale(2, 8))
"""Single pixels in 16 greys; 2 x 2 windows in 8 greys; 2 x 2 windows exactly."""
_TOGETHER = 1 << 20
"""Codes that are counted at a time, of a row of places."""
_NEAR = 2.0
"""Carriers of one trigger show it in several codes, of which the rarer score less."""


@dataclass(frozen=True)
class PixelContrast:
    """A window of pixels that recurs at one place in one class and nearly nowhere else."""

    name: ClassVar[str] = "pixel-contrast"
    rule_id: ClassVar[str] = "PX01"
    family: ClassVar[str] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 15

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by its most telling window; hint at the carriers of every class."""
        labels, kinds = evidence.labels, len(evidence.classes)
        sizes = np.bincount(labels, minlength=kinds)
        best = np.zeros(len(labels), np.float32)
        for number, scale in enumerate(SCALES):
            bits = code_bits(evidence.images, scale, kinds, 14)
            for columns in tiles(evidence.images.shape, scale.size):
                for _, codes in window_codes(evidence.images, scale, bits, columns):
                    for few in np.array_split(codes, min(len(codes), codes.size // _TOGETHER + 1)):
                        np.maximum(best, self._contrast(few, bits, labels, sizes), out=best)
            evidence.on_progress("counting pixels", number + 1, len(SCALES))
        peaks = class_peaks(best, evidence, self.least)
        return Suspicion(best, peaks, carriers_near_peak(best, peaks, evidence))

    def _contrast(self, codes: CodeArray, bits: int, labels: IntArray, sizes: IntArray) -> FloatArray:
        """Return, by sample, the largest contrast of its codes ``(W', N)`` at some places."""
        kinds = len(sizes)
        at = codes + (np.arange(len(codes), dtype=np.int64) << bits)[:, None]
        often = np.flatnonzero(np.bincount(at.ravel(), minlength=len(codes) << bits) >= self.least)
        row = np.full(len(codes) << bits, len(often), np.int32)  # the last row is that of the rare
        row[often] = np.arange(len(often))
        seen = row[at]
        counts = np.bincount((seen * kinds + labels).ravel(), minlength=(len(often) + 1) * kinds).reshape(-1, kinds)
        counts[-1] = 0
        largest: FloatArray = log_contrast(counts, sizes, self.least)[seen, labels].max(0)
        return largest


def class_peaks(scores: FloatArray, evidence: Evidence, least: int) -> FloatArray:
    """Return, per class, the largest score that at least ``least`` of its samples reach; NaN for smaller classes."""
    peaks = np.full(len(evidence.classes), np.nan, np.float32)
    for label, members in by_class(evidence):
        if len(members) >= least:
            peaks[label] = np.partition(scores[members], -least)[-least]
    return peaks


def carriers_near_peak(scores: FloatArray, peaks: FloatArray, evidence: Evidence) -> tuple[Hint, ...]:
    """Hint at the samples of every class whose score is within a factor e^2 of the class's peak."""
    hints = []
    for label, members in by_class(evidence):
        if np.isfinite(peaks[label]) and peaks[label] > _NEAR:
            carriers = members[scores[members] >= peaks[label] - _NEAR]
            hints.append(Hint(label, float(peaks[label]), carriers))
    return tuple(hints)
