"""Spectral signatures: poison stands out along the direction in which its class varies most.

Citation: Tran, Li and Madry, "Spectral signatures in backdoor attacks", NeurIPS 2018 (arXiv:1811.00636).
Formula: per class, v = first right singular vector of the centred activations M; the score is (M_i . v)^2. The paper
then removes the highest 1.5 * eps of a class and trains again; here nothing is removed. Class statistic: the share of
the variance of the class along v.
Deviations: none by default. The authors' published code, and ART, BackdoorBench and BackdoorBox after it, project the
activations *without* centring and take the absolute value: ``centered=False``. The two rank differently, at times at
random: what decides is then the mean of the class, not its poison.
Cost: D^2 per sample, for the covariance; its first eigenvector is v.
Failure modes: half of the class poisoned makes two lobes of one size, and squares cannot tell them apart: chance, by
construction, though :func:`projections` separates the halves. Also where the poison is not along the first direction,
and where the class varies more for reasons of its own.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.common import Float64Array, centred, features_of, finite, one_thread, principal_axes
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.types import FloatArray


def projections(rows: FloatArray) -> tuple[Float64Array, Float64Array, float]:
    """Project the activations of one class on their first principal direction.

    Args:
        rows: ``(n, D)``.

    Returns:
        Signed projections of the centred rows ``(n,)``, of the rows as they are ``(n,)``, and the share of the variance
        along that direction in [0, 1]; zeros and 0 if the rows do not vary. The sign is arbitrary but repeats.
    """
    moved = centred(rows)
    variances, axes, total = principal_axes(moved, 1)
    if not len(variances):
        return np.zeros(len(rows)), np.zeros(len(rows)), 0.0
    return moved @ axes[:, 0], np.asarray(rows, np.float64) @ axes[:, 0], float(variances[0] / total)


@dataclass(frozen=True)
class SpectralSignatures:
    """Squared first principal component of every class.

    Attributes:
        centered: the paper's score; false gives that of the authors' code.
    """

    name: ClassVar[str] = "spectral-signatures"
    rule_id: ClassVar[str] = "SS01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    centered: bool = True

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the projection on the first direction; a class that does not vary stays unscored."""
        features, result = features_of(evidence), unscored(evidence)
        for label, members in by_class(evidence):
            with one_thread():
                moved, raw, share = projections(features[members])
            if share > 0:
                result.scores[members] = finite(moved**2 if self.centered else np.abs(raw))
                result.class_stats[label] = share
        return result
