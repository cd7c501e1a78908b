"""SPECTRE: whiten a class by a robust estimate of its covariance, then look for what still stands out.

Citation: Hayase, Kong, Somani and Oh, "SPECTRE: defending against backdoor attacks using robust statistics", ICML 2021
(arXiv:2104.11315); the filter is that of Diakonikolas et al., "Being robust (in high dimensions) can be practical",
ICML 2017 (arXiv:1703.00893).
Formula: per class, for k in 1, 4, 9, ...: principal components R_k; a filter removes at most 2 * eps samples whose
quadratic forms are too large for a Gaussian; S = covariance of the rest; W = S^(-1/2) R_k; S' = covariance of W;
Q = expm(alpha (S' - I) / (|S'|_2 - 1)), alpha = 4, divided by its trace; the score is w' Q w. Of all k the one counts
that, with its highest 1.5 * eps samples removed, leaves the data most different from what is left:
tr(S' Q) / tr(Q) of all components whitened by the rest. Class statistic: that number.
Deviations: the paper is told the target class and eps. We score every class and assume ``assumed_rate`` = 0.1 of it,
what a common toolbox takes where the rate is unknown; never a true rate. Up to 64 components instead of 100, and few
rounds of the filter, for its cost. One component is whitened too, which leaves its ranking as it is. expm is the matrix
exponential of the authors' Julia code; two Python ports exponentiate element by element, which is another method.
Cost: (samples of a class) * k^2 per step of a Lanczos iteration: seconds for a class of 6,000.
Failure modes: from about a third of a class on the poison is part of the covariance, and half is chance; a rate far
from the assumed one.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import expm

from whitesquare.detectors.common import Float64Array, centred, features_of, finite, one_thread, principal_axes
from whitesquare.detectors.robust_covariance import inverse_root, robust_filter
from whitesquare.detectors.types import BoolArray, Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.types import FloatArray

_HIGHEST_RATE = 0.33
_FEWEST = 8


@dataclass(frozen=True)
class Spectre:
    """Quantum entropy score after robust whitening.

    Attributes:
        assumed_rate: poisoned share of a class that is assumed, in (0, 0.33].
        alpha: weight of the directions that stand out: 0 is plain squared length, large is one direction; at least 0.
        dimensions: numbers of principal components tried; the last is the largest.
        rounds: passes of the filter at most.
    """

    name: ClassVar[str] = "spectre"
    rule_id: ClassVar[str] = "SP01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    assumed_rate: float = 0.1
    alpha: float = 4.0
    dimensions: tuple[int, ...] = (1, 4, 9, 16, 25, 36, 49, 64)
    rounds: int = 5

    def __post_init__(self) -> None:
        """Refuse a rate, a weight or dimensions out of range."""
        if not 0 < self.assumed_rate <= _HIGHEST_RATE:
            raise UsageError(f"The assumed rate must be in (0, {_HIGHEST_RATE}]; got {self.assumed_rate}.")
        if not self.alpha >= 0:
            raise UsageError(f"The parameter 'alpha' must be at least 0; got {self.alpha}.")
        if not self.dimensions or min(self.dimensions) < 1 or list(self.dimensions) != sorted(set(self.dimensions)):
            raise UsageError(f"The dimensions must be increasing numbers from 1 on; got {self.dimensions}.")

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every class of at least 8 samples that vary."""
        features, result, present = features_of(evidence), unscored(evidence), by_class(evidence)
        for done, (label, members) in enumerate(present):
            if len(members) >= _FEWEST:
                with one_thread():
                    result.scores[members], result.class_stats[label] = self._one_class(features[members])
            evidence.on_progress("robust covariances", done + 1, len(present))
        return result

    def _one_class(self, rows: FloatArray) -> tuple[FloatArray, float]:
        moved = centred(rows)
        # A covariance of k dimensions needs several times as many samples.
        _, axes, _ = principal_axes(moved, min(self.dimensions[-1], len(rows) // 4))
        reduced = moved @ axes
        rank = reduced.shape[1]
        if rank == 0:
            return np.full(len(rows), np.nan, np.float32), float("nan")
        poisons = max(1, round(self.assumed_rate * len(rows)))
        best, highest = np.full(len(rows), np.nan), -np.inf
        for k in sorted({min(k, rank) for k in self.dimensions}):
            part = reduced[:, :k]
            kept = robust_filter(part, poisons, rounds=self.rounds) if k > 1 else np.ones(len(rows), bool)
            scores, _ = quantum_entropy(part, kept, self.alpha)
            removed = scores.argsort(kind="stable")[::-1][: round(1.5 * poisons)]
            rest = np.ones(len(rows), bool)
            rest[removed] = False
            _, left = quantum_entropy(reduced, rest, self.alpha)
            if left > highest:
                best, highest = scores, left
        return finite(best), float(finite(highest))


def quantum_entropy(rows: Float64Array, kept: BoolArray, alpha: float) -> tuple[Float64Array, float]:
    """Score rows by quantum entropy, after whitening with the covariance of the kept ones.

    Args:
        rows: ``(n, k)``.
        kept: ``(n,)``, the rows held to be clean.
        alpha: weight of the directions that stand out.

    Returns:
        w' Q w for every row ``(n,)``, at least 0, and tr(S' Q) / tr(Q), about 1 for a Gaussian.
    """
    white = rows @ inverse_root(np.atleast_2d(np.cov(rows[kept].T, bias=True)))
    second = np.atleast_2d(np.cov(white.T))
    excess = np.linalg.norm(second, 2) - 1
    # With nothing removed S' is the identity, and no direction counts more than another.
    weights = expm(alpha * (second - np.eye(len(second))) / excess) if excess > 1e-6 else np.eye(len(second))
    weights /= np.trace(weights)
    return ((white @ weights) * white).sum(1), float(np.trace(second @ weights))
