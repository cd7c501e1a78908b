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
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from whitesquare.detectors.common import Float64Array, centred, features_of, finite, principal_axes
from whitesquare.detectors.types import BoolArray, Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.types import FloatArray

_TAU = 0.1
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
    white = rows @ _inverse_root(np.atleast_2d(np.cov(rows[kept].T, bias=True)))
    second = np.atleast_2d(np.cov(white.T))
    excess = np.linalg.norm(second, 2) - 1
    # With nothing removed S' is the identity, and no direction counts more than another.
    weights = expm(alpha * (second - np.eye(len(second))) / excess) if excess > 1e-6 else np.eye(len(second))
    weights /= np.trace(weights)
    return ((white @ weights) * white).sum(1), float(np.trace(second @ weights))


def robust_filter(rows: Float64Array, poisons: int, *, rounds: int) -> BoolArray:
    """Remove rows that no Gaussian of their covariance would have, at most twice the number of poisons.

    Args:
        rows: ``(n, k)`` of mean zero, k > 1.
        poisons: assumed number of poisons.
        rounds: passes at most.

    Returns:
        ``(n,)``, true for what is kept.
    """
    kept, left = np.ones(len(rows), bool), min(2 * poisons, len(rows) - 2)
    for _ in range(rounds):
        if left <= 0:
            break
        odd, threshold = _oddness(rows[kept], poisons / len(rows))
        # Never more than `left` go: the others stay even if they are above the threshold.
        order = odd.argsort(kind="stable")[::-1][:left]
        gone = order[odd[order] > threshold]
        if not len(gone):
            break
        kept[np.flatnonzero(kept)[gone]] = False
        left -= len(gone)
    return kept


def _oddness(rows: Float64Array, rate: float) -> tuple[Float64Array, float]:
    count, k = rows.shape
    white = rows @ _inverse_root(rows.T @ rows / count)
    lengths = (white**2).sum(1)
    longest = 10 * k * np.log(count / _TAU)
    if lengths.max() >= longest:
        return lengths, np.nextafter(longest, 0)
    value, form = _fourth_moment(white)
    if value <= 1 + 10 * rate * np.log(1 / rate) ** 2:
        return lengths, np.inf
    values = (((white @ form) * white).sum(1) - np.trace(form)) / np.sqrt(2)
    odd = np.abs(values - np.median(values))
    # The authors' tail test passes at the first value beyond 3 + 10 log(1 / rate); without one, it is the largest that
    # sets the threshold.
    beyond = odd[odd > 3 + 10 * np.log(1 / rate)]
    threshold = (beyond.min() if len(beyond) else odd.max()) - 3
    return odd, float(threshold) if threshold > 0 else np.inf


def _fourth_moment(white: Float64Array) -> tuple[float, Float64Array]:
    """Find the quadratic form of unit norm whose variance over the rows is largest, without the k^2 x k^2 matrix."""
    count, k = white.shape

    def apply(vector: Float64Array) -> Float64Array:
        form = vector.reshape(k, k)
        values = ((white @ form) * white).sum(1)
        product: Float64Array = (white.T * values) @ white / count - np.trace(form) * np.eye(k)
        return product.ravel()

    operator = LinearOperator((k * k, k * k), matvec=apply, dtype=np.float64)
    # The start must not be a multiple of the identity, which the operator maps to nearly nothing.
    start = np.random.default_rng(0).normal(size=(k, k))
    start = (start + start.T).ravel()
    try:
        values, vectors = eigsh(operator, 1, which="LA", v0=start, tol=0.01, maxiter=30)
    except ArpackNoConvergence:
        return 0.0, np.eye(k)
    form = vectors[:, 0].reshape(k, k)
    return float(values[0]), (form + form.T) / 2


def _inverse_root(covariance: Float64Array) -> Float64Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-9 * max(values[-1], 1e-300))) @ vectors.T)
