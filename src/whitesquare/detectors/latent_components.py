"""Latent components: directions of the features in which one class splits as no other class does.

Citation: ours, after spectral signatures (Tran, Li and Madry, NeurIPS 2018) and SCAn (Tang et al., USENIX Security
2021), without their assumption that the poison is the smaller part.

Formula: penultimate features, standardised; the class's first ``components`` principal directions; along each, the
signed projection is compared with a Gaussian by Sarle's bimodality ``(skewness^2 + 1) / kurtosis``, which is 1/3 for
a Gaussian, and 1 for two points however unequal. The direction with the largest excess over the median of the same
rank in the *other* classes is taken, and both sides are suspicious: the score is the distance from the middle between
the halves, on the side that lies farther from the mean of all other classes. Class statistic: that excess.

Cost: one (D, D) eigenproblem per class.

Failure modes: natural sub-classes split too; a trigger that the network hides in directions of little variance; which
side is poison is a guess here, and only the transplant test can tell.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from whitesquare.detectors.common import centred, features_of, finite, principal_axes
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.types import FloatArray


@dataclass(frozen=True)
class LatentComponents:
    """Directions of the features in which one class splits as no other class does."""

    name: ClassVar[str] = "latent-components"
    rule_id: ClassVar[str] = "LC01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    components: int = 8
    least: int = 20

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the signed projection on the direction that splits the class most.

        Raises:
            CannotScoreError: without features.
        """
        features = features_of(evidence)
        found = unscored(evidence)
        kinds = len(evidence.classes)
        splits = np.full((kinds, self.components), np.nan)
        projections: dict[int, NDArray[np.float64]] = {}
        for label, members in by_class(evidence):
            if len(members) < self.least:
                continue
            rows = np.asarray(features[members])
            _, axes, _ = principal_axes(centred(rows), self.components)
            if not axes.shape[1]:
                continue
            away = rows.mean(0) - _mean_of_others(features, evidence, label)
            signs = np.where(away @ axes < 0, -1.0, 1.0)
            projections[label] = centred(rows) @ (axes * signs)
            splits[label, : axes.shape[1]] = bimodality(projections[label])
        for label, along in projections.items():
            others = np.delete(splits, label, axis=0)
            usual = np.array(
                [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 1 / 3 for column in others.T]
            )
            excess = splits[label] - usual
            best = int(np.nanargmax(excess))
            spread = along[:, best].std()
            found.scores[evidence.members(label)] = finite(along[:, best] / spread if spread > 0 else 0 * along[:, 0])
            found.class_stats[label] = excess[best]
        return found


def bimodality(projections: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Sarle's coefficient of every column: 1/3 for a Gaussian, 1 for two points; 1/3 for a constant."""
    centre = projections - projections.mean(0)
    variance = (centre**2).mean(0)
    safe = np.where(variance > 0, variance, 1)
    skewness = (centre**3).mean(0) / safe**1.5
    kurtosis = (centre**4).mean(0) / safe**2
    found: NDArray[np.float64] = np.where(variance > 0, (skewness**2 + 1) / np.maximum(kurtosis, 1), 1 / 3)
    return found


def _mean_of_others(features: FloatArray, evidence: Evidence, label: int) -> NDArray[np.float64]:
    others = np.flatnonzero(evidence.labels != label)
    if not len(others):
        return np.zeros(features.shape[1])
    mean: NDArray[np.float64] = np.asarray(features[others[:: max(1, len(others) // 5000)]], np.float64).mean(0)
    return mean
