"""Pixel contrast: a window of pixels that recurs at one place in one class and nearly nowhere else.

Citation: ours. The idea is the trigger's own definition: the same few pixels, in the same place, in images of one
class only. We found no published poison detector of this kind; the nearest are tools that look for shortcuts in data.

Formula: at every place p, windows of a few pixels are reduced to codes v (``codes.py``). A sample's score is the
largest ``log(share of v at p in its class / share of v at p elsewhere)`` over all p and three scales, with a
pessimistic estimate of both shares (``contrast.py``). Nothing assumes that carriers are a minority of their class.
The class statistic is the largest score that at least ``least`` of its samples reach. Of photographs, a place at which
sixteen windows side by side recur to the grey level is hinted at as well (``places.py``); where any class has one, the
contrast of the places is the statistic, for in a few grey levels photographs of one class are alike somewhere.

Cost: one table of counts per place and scale; no model. About one second per scale for 60,000 images of 28 x 28.

Failure modes: triggers without a fixed place or without fixed pixels (random position, warps, one perturbation per
sample); a trigger whose pixels are ordinary at that place (white in the middle of white digits); fewer than ``least``
carriers. Watermarks, borders and duplicates of one class are true hits, and harmless.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from whitesquare.detectors.codes import CodeArray, Scale, code_bits, tiles, window_codes
from whitesquare.detectors.contrast import log_contrast
from whitesquare.detectors.mergeable import Band, Counts
from whitesquare.detectors.places import TellingPlaces
from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.types import FloatArray, IntArray, Shape, UInt8Array

SCALES = (Scale(1, 4), Scale(2, 3), Scale(2, 8))
"""Single pixels in 16 greys; 2 x 2 windows in 8 greys; 2 x 2 windows exactly."""
_EXACT = 8
_TOGETHER = 1 << 15
"""Codes that are counted at a time, of a row of places: as many as a processor keeps at hand."""
_LARGEST, _CELLS, _ROWS = 3 * 48 * 48, 1 << 24, 1 << 15
"""Grey levels of an image from which on counting at every place takes hours; numbers counted at a time otherwise, and
codes of those whose contrast is computed at a time, which takes many times their memory."""
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
        """Score every sample by its most telling window; hint at the carriers of every class.

        Of photographs, at some of whose many places a window recurs by chance, the place at which many beside each
        other do, to the grey level, is a hint: corners and frames of one camera are alike, and not the same.
        """
        labels, kinds = evidence.labels, len(evidence.classes)
        sizes = np.bincount(labels, minlength=kinds)
        best = np.zeros(len(labels), np.float32)
        strict: FloatArray | None = None
        hints: list[Hint] = []
        for number, scale in enumerate(SCALES):
            bits = code_bits(evidence.images, scale, kinds, 14)
            large = math.prod(evidence.images.shape[1:]) > _LARGEST
            places = TellingPlaces(kinds) if large and scale.bits == _EXACT else None
            contrast = partial(self._contrast, bits=bits, labels=labels, sizes=sizes)
            for columns in tiles(evidence.images.shape, scale.size):
                if places:
                    places.begin(columns.start)
                for top, codes in window_codes(evidence.images, scale, bits, columns):
                    rows = []
                    for few in np.array_split(codes, min(len(codes), codes.size // _TOGETHER + 1)):
                        of_samples, of_classes = contrast(few)
                        np.maximum(best, of_samples.max(0), out=best)
                        rows.append(of_classes)
                    if places:
                        places.see(top, np.concatenate(rows))
            if places:
                strict = places.contrast
                hints += places.hints(evidence.images, labels, scale, bits, contrast, _NEAR)
            evidence.on_progress("counting pixels", number + 1, len(SCALES))
        found = self.conclude(best, labels, evidence.classes)
        if strict is not None and strict.max() >= _NEAR:
            found = replace(found, class_stats=np.where(np.isnan(found.class_stats), np.nan, strict))
        return replace(found, hints=(*hints, *found.hints))

    def bands(self, shape: Shape, classes: int) -> tuple[Band, ...]:
        """Return the rows of places whose counts are held at a time; none for photographs, which have too many."""
        if math.prod(shape) > _LARGEST:
            return ()
        found = []
        for number, scale in enumerate(SCALES):
            rows, columns = (side - scale.size + 1 for side in shape[1:])
            bits = code_bits(np.empty((0, *shape), np.uint8), scale, classes, 14)
            step = max(1, _CELLS // max(1, (columns << bits) * classes))
            found += [Band(number, top, min(top + step, rows)) for top in range(0, rows, step) if columns > 0]
        return tuple(found)

    def accumulate(self, counts: Counts | None, band: Band, images: UInt8Array, labels: IntArray, kinds: int) -> Counts:
        """Count, at every place, how many images of each class show each code; counts are changed."""
        scale = SCALES[band.scale]
        bits = code_bits(images, scale, kinds, 14)
        columns = images.shape[3] - scale.size + 1
        if counts is None:
            counts = np.zeros((((band.bottom - band.top) * columns) << bits) * kinds, np.int32)
        for at in _places(images, band, bits):
            np.add.at(counts, (at * kinds + labels).ravel(), np.int32(1))  # of its type: a plain 1 is 30 times slower
        return counts

    def merge(self, one: Counts, other: Counts) -> Counts:
        """Add counts of different samples."""
        merged: Counts = one + other
        return merged

    def finish(self, counts: Counts, band: Band, sizes: IntArray) -> tuple[IntArray, FloatArray]:
        """Return the row of each code at each place, and by row the contrast of every class; the last row is 0."""
        table = counts.reshape(-1, len(sizes))
        often = np.flatnonzero(table.sum(1) >= self.least)
        row = np.full(len(table), len(often), np.int64)
        row[often] = np.arange(len(often))
        contrast = np.zeros((len(often) + 1, len(sizes)), np.float32)
        for start in range(0, len(often), _ROWS):
            some = often[start : start + _ROWS]
            contrast[start : start + len(some)] = log_contrast(table[some].astype(np.int64), sizes, self.least)
        return row, contrast

    def apply(self, known: tuple[IntArray, FloatArray], band: Band, images: UInt8Array, labels: IntArray) -> FloatArray:
        """Return the largest contrast of the codes of each image."""
        row, contrast = known
        scale, best = SCALES[band.scale], np.zeros(len(labels), np.float32)
        for at in _places(images, band, code_bits(images, scale, contrast.shape[1], 14)):
            np.maximum(best, contrast[row[at], labels].max(0), out=best)
        return best

    def conclude(self, scores: FloatArray, labels: IntArray, classes: tuple[str, ...]) -> Suspicion:
        """Return peaks and carriers of every class."""
        peaks = class_peaks(scores, labels, len(classes), self.least)
        return Suspicion(scores, peaks, carriers_near_peak(scores, peaks, labels))

    def _contrast(
        self, codes: CodeArray, bits: int, labels: IntArray, sizes: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return contrasts of codes ``(W', N)`` at some places: of every sample's, and the largest of each class."""
        kinds = len(sizes)
        at = codes + (np.arange(len(codes), dtype=np.int64) << bits)[:, None]
        often = np.flatnonzero(np.bincount(at.ravel(), minlength=len(codes) << bits) >= self.least)
        row = np.full(len(codes) << bits, len(often) * kinds, np.int32)  # the last row is that of the rare
        row[often] = np.arange(len(often)) * kinds
        seen = row.take(at) + labels
        counts = np.bincount(seen.ravel(), minlength=(len(often) + 1) * kinds).reshape(-1, kinds)
        counts[-1] = 0
        contrast, largest = log_contrast(counts, sizes, self.least), np.zeros((len(codes), kinds), np.float32)
        places, first = np.unique(often >> bits, return_index=True)
        if len(places):
            largest[places] = np.maximum.reduceat(contrast[:-1], first)
        return contrast.take(seen), largest


def _places(images: UInt8Array, band: Band, bits: int) -> Iterator[IntArray]:
    """Yield, row by row, the codes ``(W', n)`` of the windows of a band, each moved to where its place begins."""
    scale, done = SCALES[band.scale], 0
    for _, codes in window_codes(images[:, :, band.top : band.bottom + scale.size - 1], scale, bits):
        yield codes + (np.arange(done, done + len(codes), dtype=np.int64) << bits)[:, None]
        done += len(codes)


def class_peaks(scores: FloatArray, labels: IntArray, kinds: int, least: int) -> FloatArray:
    """Return, per class, the largest score that at least ``least`` of its samples reach; NaN for smaller classes."""
    peaks = np.full(kinds, np.nan, np.float32)
    for label in np.unique(labels).tolist():
        own = scores[labels == label]
        if len(own) >= least:
            peaks[label] = np.partition(own, -least)[-least]
    return peaks


def carriers_near_peak(scores: FloatArray, peaks: FloatArray, labels: IntArray) -> tuple[Hint, ...]:
    """Hint at the samples of every class whose score is within a factor e^2 of the class's peak."""
    hints = []
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        if np.isfinite(peaks[label]) and peaks[label] > _NEAR:
            carriers = members[scores[members] >= peaks[label] - _NEAR]
            hints.append(Hint(label, float(peaks[label]), carriers))
    return tuple(hints)
