"""Patch contrast: a small patch that occurs, anywhere in the image, in one class and nearly nowhere else.

Citation: ours; the counterpart of ``pixel_contrast.py`` for triggers without a fixed place.

Formula: every window of a few pixels is reduced to a code (``codes.py``). A code is counted once per image, wherever in
the image it occurs. A sample's score is the largest ``log(share of images of its class with the code / share of images
elsewhere with it)`` over its windows, pessimistic as in ``contrast.py``. Class statistic: the largest score that at
least ``least`` of the samples reach. Those of a class that show the one code that says most of most of them are what it
hints at, and score its ratio once more: parts of a patch are seen in other images as well, the whole is not.

Cost: codes are counted in at most ``sample`` images per class and then looked up in all; about five seconds for 60,000
images of 28 x 28. No model.

Failure modes: patches that lie across strokes change their surroundings and escape; patches that look like ordinary
content; fewer than about 2 % of the class.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.codes import Scale, code_bits, window_codes
from whitesquare.detectors.contrast import log_contrast
from whitesquare.detectors.pixel_contrast import class_peaks
from whitesquare.detectors.types import CannotScoreError, Evidence, Hint, Suspicion, by_class, unscored
from whitesquare.types import FloatArray, IntArray, UInt8Array

SCALES = (Scale(4, 1), Scale(5, 2), Scale(6, 0))
"""A patch and its surroundings: 4 x 4 windows in black and white, 5 x 5 windows in 4 greys, outlines in 6 x 6 windows,
for a patch of one colour is nothing rare in photographs but for its corners."""
_ROW, _MOST = 1 << 15, 1000
"""Grey levels of a row of the images that are worked on together, for a processor to keep at hand, and the most of
them."""


@dataclass(frozen=True)
class PatchContrast:
    """A small patch that occurs, anywhere in the image, in one class and nearly nowhere else."""

    name: ClassVar[str] = "patch-contrast"
    rule_id: ClassVar[str] = "PC01"
    family: ClassVar[str] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 10
    sample: int = 800

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by its most telling patch, wherever it is.

        Raises:
            CannotScoreError: the images are smaller than a patch and its surroundings.
        """
        if min(sides := evidence.images.shape[2:]) < SCALES[0].size:
            raise CannotScoreError(
                f"The images measure {sides[0]} x {sides[1]} pixels; a patch and its surroundings need at least "
                f"{SCALES[0].size} x {SCALES[0].size}."
            )
        best = np.zeros(len(evidence.labels), np.float32)
        place = np.zeros(len(evidence.labels), np.int64)
        shown = np.zeros(len(evidence.labels), np.int64)
        if not len(best):
            return unscored(evidence)
        chosen, few = self._sample(evidence), _together(evidence.images.shape)
        for number, scale in enumerate(SCALES):
            table = self._table(evidence, chosen, scale)
            bits = code_bits(evidence.images, scale, len(evidence.classes), 16)
            for label, members in by_class(evidence):
                telling = np.ascontiguousarray(table[:, label])
                for start in range(0, len(members), few) if telling.any() else ():
                    part = members[start : start + few]
                    most, at, code = _most_telling(evidence.images[part], scale, bits, telling)
                    better = most > best[part]
                    best[part[better]], place[part[better]] = most[better], at[better]
                    shown[part[better]] = code[better] + (number << 16)
            evidence.on_progress("counting patches", number + 1, len(SCALES))
        peaks = class_peaks(best, evidence.labels, len(evidence.classes), self.least)
        hints = _hints(best, place, shown, evidence)
        for hint in hints:
            best[hint.carriers] += hint.strength
        return Suspicion(best, peaks, hints)

    def _sample(self, evidence: Evidence) -> IntArray:
        rng = np.random.default_rng(evidence.seed)
        return np.concatenate([rng.permutation(members)[: self.sample] for _, members in by_class(evidence)])

    def _table(self, evidence: Evidence, chosen: IntArray, scale: Scale) -> FloatArray:
        """Return the log contrast ``(codes, K)`` of being somewhere in an image."""
        kinds = len(evidence.classes)
        bits = code_bits(evidence.images, scale, kinds, 16)
        counts = np.zeros((kinds, 1 << bits), np.int64)
        few = _together(evidence.images.shape)
        for start in range(0, len(chosen), few):
            part = chosen[start : start + few]
            present = np.zeros((len(part), 1 << bits), np.bool_)
            flat, first = present.reshape(-1), np.arange(len(part)) << bits
            for _, codes in window_codes(evidence.images[part], scale, bits):
                flat[first + codes] = True
            for label in np.unique(evidence.labels[part]):
                counts[label] += present[evidence.labels[part] == label].sum(0)
        return log_contrast(counts.T, np.bincount(evidence.labels[chosen], minlength=kinds), self.least)


def _together(shape: tuple[int, ...]) -> int:
    """Return how many images ``(N, C, H, W)`` are worked on together."""
    return int(np.clip(_ROW // (shape[1] * shape[3]), 1, _MOST))


def _most_telling(
    images: UInt8Array, scale: Scale, bits: int, telling: FloatArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Return, of each image, the largest contrast of its windows, the place of the first of these, and its code.

    Args:
        images: ``(n, C, H, W)``, of one class.
        scale: of the windows.
        bits: of their codes.
        telling: ``(codes,)`` contrast of a code in that class.
    """
    best = np.zeros(len(images), np.float32)
    place, shown = np.zeros((2, len(images)), np.int64)
    for top, codes in window_codes(images, scale, bits):
        found = telling.take(codes)
        for one in np.flatnonzero(found.max(0) > best):
            left = int(found[:, one].argmax())
            best[one], place[one], shown[one] = found[left, one], top * images.shape[3] + left, codes[left, one]
    return best, place, shown


def _hints(best: FloatArray, place: IntArray, shown: IntArray, evidence: Evidence) -> tuple[Hint, ...]:
    """Hint at the samples of every class that show one code, the one that says most of most of them."""
    hints = []
    width = evidence.images.shape[3]
    for label, members in by_class(evidence):
        _, at = np.unique(shown[members], return_inverse=True)
        weights = np.bincount(at, weights=best[members])
        carriers = members[at == weights.argmax()]
        strength = float(best[carriers].max())
        if strength > 0:
            hints.append(Hint(label, strength, carriers, places=np.stack(np.divmod(place[carriers], width), 1)))
    return tuple(hints)
