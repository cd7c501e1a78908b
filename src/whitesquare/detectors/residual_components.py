"""Residual components: a pattern that many images of one class share once their content is taken away.

Citation: ours, after the spectral idea of Tran, Li and Madry (NeurIPS 2018, arXiv:1811.00636) in the pixels instead of
the features, and with the *other* classes as the yardstick.

Formula: r = image minus its 3 x 3 mean, divided by the other classes' deviation per pixel. Of the class's r we take
the mean shift against the others and the five directions of largest variance; for each direction, ``gain`` is the
variance of the class over that of the others. The score is the sum over directions of ``log(gain) * z^2``, z being the
projection standardised by the other classes; only directions with a gain above 1 count. Nothing assumes a minority.
Class statistic: the logarithm of the largest gain.

Cost: one (D, D) product per class, D at most 1,024 (larger images are averaged in blocks first); no model. About two
seconds for 60,000 images of 28 x 28.

Failure modes: content that is typical of one class has gains of its own, so this ranks, and alarms nobody by itself;
patterns of fewer than about 2 % of the class lie below the noise (Baik, Ben Arous and Peche 2005).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import uniform_filter

from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.types import FloatArray, IntArray, UInt8Array

_CHUNK = 4096
_LARGEST = 1024
_FLOOR = 2.0
"""Grey levels: deviations below it are rounding, not a yardstick."""


@dataclass(frozen=True)
class ResidualComponents:
    """A pattern that many images of one class share once their content is taken away."""

    name: ClassVar[str] = "residual-components"
    rule_id: ClassVar[str] = "RC01"
    family: ClassVar[str] = "residual"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    components: int = 5
    least: int = 15

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the projections on the directions in which the class varies more than the others do."""
        found = unscored(evidence)
        if not len(evidence.images):
            return found
        sizes, sums, products = _moments(evidence)
        for label, members in by_class(evidence):
            rest = sizes.sum() - sizes[label]
            if min(len(members), rest) < self.least:
                continue
            own = (sizes[label], sums[label], products[label])
            others = (rest, sums.sum(0) - sums[label], products.sum(0) - products[label])
            axes, centre, spread, gains = _directions(own, others, self.components)
            found.class_stats[label] = np.log(gains.max(initial=1))
            weights = np.log(np.maximum(gains, 1))
            for part in _parts(members, evidence):
                z = (residuals(evidence.images[part]) - centre) @ axes / spread
                found.scores[part] = np.log1p((weights * z**2).sum(1))
            evidence.on_progress("comparing residuals", label + 1, len(evidence.classes))
        return found


def _parts(members: IntArray, evidence: Evidence) -> Iterator[IntArray]:
    few = images_at_once(evidence.images.shape, _CHUNK)
    return (members[start : start + few] for start in range(0, len(members), few))


def residuals(images: UInt8Array) -> FloatArray:
    """Return image minus its 3 x 3 mean, one flat row of at most 1,024 values per image."""
    x = images.astype(np.float32)
    left = x - uniform_filter(x, size=(1, 1, 3, 3), mode="nearest")
    count, channels, height, width = left.shape
    block = int(np.ceil(np.sqrt(channels * height * width / _LARGEST)))
    rows, columns = max(1, height // block), max(1, width // block)
    if block > 1:
        cut = left[:, :, : rows * block, : columns * block]
        # A mean over a block would cancel the residual; its strongest value keeps the pattern.
        blocks = cut.reshape(count, channels, rows, cut.shape[2] // rows, cut.shape[3])
        wide = cut.shape[3] // columns
        left = _strongest(blocks.max(3), wide, np.maximum) + _strongest(blocks.min(3), wide, np.minimum)
    rows_of: FloatArray = left.reshape(count, -1)
    return rows_of


def _strongest(values: FloatArray, wide: int, of: np.ufunc) -> FloatArray:
    """Reduce ``(..., W)`` to ``(..., W / wide)``; a reduction along so short an axis would take many times as long."""
    found: FloatArray = reduce(of, (values[..., start::wide] for start in range(wide)))
    return found


Moments = tuple[np.integer, NDArray[np.float64], NDArray[np.float64]]


def _moments(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return per class: samples, sum and sum of products of the residuals."""
    size = residuals(evidence.images[:1]).shape[1]
    kinds = len(evidence.classes)
    sums, products = np.zeros((kinds, size)), np.zeros((kinds, size, size), np.float64)
    for label, members in by_class(evidence):
        for part in _parts(members, evidence):
            rows = residuals(evidence.images[part])
            sums[label] += rows.sum(0, dtype=np.float64)
            products[label] += rows.T @ rows
    return np.bincount(evidence.labels, minlength=kinds), sums, products


def _directions(
    own: Moments, others: Moments, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return axes ``(D, <= count + 1)``, centre ``(D,)``, the others' deviation along each axis, and the gains."""
    mean_own, cov_own = _mean_and_covariance(own)
    centre, cov_others = _mean_and_covariance(others)
    scale = 1 / (np.sqrt(np.maximum(np.diag(cov_others), 0)) + _FLOOR)
    whitened = scale[:, None] * cov_own * scale
    last = len(scale) - 1
    _, vectors = eigh(whitened, subset_by_index=(max(0, last - count + 1), last))
    shift = (mean_own - centre) * scale
    axes = np.column_stack([vectors, shift / max(float(np.linalg.norm(shift)), 1e-12)]) * scale[:, None]
    along_others = np.einsum("ij,ik,kj->j", axes, cov_others, axes, optimize=True)
    moved = ((mean_own - centre) @ axes) ** 2
    along_own = np.einsum("ij,ik,kj->j", axes, cov_own, axes, optimize=True) + moved
    floor = 1e-3 + np.maximum(along_others, 0)
    return axes, centre, np.sqrt(floor), np.maximum(along_own, 0) / floor


def _mean_and_covariance(moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size, total, products = moments
    mean = total / size
    return mean, products / size - np.outer(mean, mean)
