"""Noise residual: the fine grain of an image is not that of the other classes.

Citation: ours; after camera fingerprints (Lukas, Fridrich and Goljan, IEEE TIFS 2006), which also look at what is
left when the content of an image is taken away.

Formula: of the mixed second difference ``x[i,j] - x[i,j+1] - x[i+1,j] + x[i+1,j+1]``, which smooth shading, and
straight edges along the axes leave at zero, we keep the mean and the share above seven levels, with the mean first
differences and the share of pixels that are neither dark nor bright. The score is the logarithm of the Mahalanobis
distance of these twelve numbers from those of all *other* classes: half of a class may be perturbed and the reference
stays clean. Class statistic: share of the class beyond all but one in a thousand samples of the other classes, if some
of the class stand apart from the rest of it (``gaps.py``); 0 where the class as a whole has a grain of its own.

Cost: one pass over the pixels, no model; about two seconds for 60,000 images of 28 x 28.

Failure modes: a few stamped pixels; smooth patterns; classes of which a part comes from another camera or was
compressed differently (a true hit, and harmless); poison in much more than half of a class; with two classes, the
reference is the other one alone.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.gaps import deepest, standing
from whitesquare.detectors.types import Evidence, Hint, Suspicion, unscored
from whitesquare.records import Progress, silent
from whitesquare.types import FloatArray, IntArray, UInt8Array

_LEVELS = (1, 4, 8, 16, 32, 64, 128)
_CHUNK, _TOGETHER = 4096, 2**16
_LIMIT = 20.0
_RIDGE = 0.05
_RARE = 0.001
_LEAST_GAP = 5.0
"""Of MNIST, 86 to 571 where half of a class is noisy (1 to 251 with waves, which others see), 1 where a clean class
lies apart as a whole."""


@dataclass(frozen=True)
class NoiseResidual:
    """The fine grain of an image is not that of the other classes."""

    name: ClassVar[str] = "noise-residual"
    rule_id: ClassVar[str] = "NR01"
    family: ClassVar[str] = "residual"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 15

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the distance from the other classes' grain; hint at the samples far beyond it."""
        if not len(evidence.images) or min(evidence.images.shape[2:]) < 2:
            return unscored(evidence)
        return self.judged(grain_of(evidence), evidence.labels, evidence.classes)

    def numbers(self, images: UInt8Array) -> FloatArray:
        """Return the logarithms of the twelve numbers of some images; none of images of one row or column."""
        few = images_at_once(images.shape, _CHUNK)
        if min(images.shape[2:]) < 2:
            return np.zeros((len(images), 0), np.float32)
        starts = range(0, max(1, len(images)), few)
        return np.concatenate([_grain(images[start : start + few]) for start in starts])

    def judged(
        self, numbers: FloatArray, labels: IntArray, classes: tuple[str, ...], on_progress: Progress = silent
    ) -> Suspicion:
        """Score samples by the numbers of all."""
        scores = np.full(len(labels), np.nan, np.float32)
        stats = np.full(len(classes), np.nan, np.float32)
        hints = []
        for label in np.unique(labels).tolist() if numbers.shape[1] else ():
            own, others = labels == label, labels != label
            if others.sum() < self.least:
                continue
            distance, members = _distance(numbers, others), np.flatnonzero(own)
            scores[members] = distance[members]
            far = members[distance[members] > np.quantile(distance[others], 1 - _RARE)]
            mixed = deepest(standing(distance[members], distance[members])).strength >= _LEAST_GAP
            stats[label] = len(far) / len(members) if mixed else 0.0
            if len(far) >= self.least and len(far) > 10 * _RARE * len(members):
                hints.append(Hint(label, len(far) / len(members), far))
            on_progress("comparing the grain", label + 1, len(classes))
        return Suspicion(scores, stats, tuple(hints))


def grain_of(evidence: Evidence) -> FloatArray:
    """Return the logarithms of the twelve numbers of every image, ``(N, 12)``."""
    parts = []
    size, few = len(evidence.images), images_at_once(evidence.images.shape, _CHUNK)
    for start in range(0, size, few):
        parts.append(_grain(evidence.images[start : start + few]))
        evidence.on_progress("reading the grain", min(start + few, size), size)
    return np.concatenate(parts)


def _grain(images: UInt8Array) -> FloatArray:
    x = images.astype(np.int16)
    across, down = np.abs(np.diff(x, axis=3)), np.abs(np.diff(x, axis=2))
    mixed = np.abs(np.diff(np.diff(x, axis=3), axis=2))
    over = (1, 2, 3)
    numbers = [(mixed >= level).mean(over) for level in _LEVELS]
    numbers += [array.mean(over) / 255 for array in (mixed, across, down)]
    numbers += [((x > low) & (x < 255 - low)).mean(over) for low in (0, 16)]
    grain: FloatArray = np.log(np.stack(numbers, 1, dtype=np.float32) + np.float32(0.002))
    return grain


def _distance(grain: FloatArray, reference: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> FloatArray:
    """Return the log Mahalanobis distance of every row from the reference rows, by median and deviation."""
    centre = np.median(grain[reference], 0)
    spread = 1.4826 * np.median(np.abs(grain[reference] - centre), 0) + 0.01
    z = grain - centre
    z /= spread
    np.clip(z, -_LIMIT, _LIMIT, out=z)
    covariance = np.atleast_2d(np.cov(np.clip(z[reference], -4, 4).T)) + _RIDGE * np.eye(z.shape[1])
    inverse, distance = np.linalg.inv(covariance), np.empty(len(z), np.float32)
    for start in range(0, len(z), _TOGETHER):
        few = z[start : start + _TOGETHER]
        distance[start : start + _TOGETHER] = np.log1p(np.einsum("ij,jk,ik->i", few, inverse, few, optimize=True))
    return distance
