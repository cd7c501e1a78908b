"""A filter that leaves rows whose covariance a minority of outliers cannot have made.

Citation: Diakonikolas et al., "Being robust (in high dimensions) can be practical", ICML 2017 (arXiv:1703.00893), with
the constants of SPECTRE's authors; see :mod:`whitesquare.detectors.spectre`.
Formula: whiten with the covariance of what is kept; drop rows longer than 10 k log(n / 0.1) at once; else find the
quadratic form V of unit norm whose second moment over the rows is largest. Below 1 + 10 eps log(1 / eps)^2 the rows
could be a Gaussian's: stop. Else drop the rows whose y' V y / sqrt(2) is farthest from the median, and start again.
"""

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from whitesquare.detectors.common import Float64Array
from whitesquare.detectors.types import BoolArray
from whitesquare.types import FloatArray

_TAU = 0.1


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
    white = rows @ inverse_root(rows.T @ rows / count)
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
    rows = white.astype(np.float32)  # a direction to look in need not be exact

    def apply(vector: FloatArray) -> FloatArray:
        form = vector.reshape(k, k)
        values = np.einsum("ij,ij->i", rows @ form, rows)
        product: FloatArray = (rows.T * values) @ rows / np.float32(count) - np.trace(form) * np.eye(
            k, dtype=np.float32
        )
        return product.ravel()

    operator = LinearOperator((k * k, k * k), matvec=apply, dtype=np.float32)
    # The start must not be a multiple of the identity, which the operator maps to nearly nothing.
    start = np.random.default_rng(0).normal(size=(k, k))
    start = (start + start.T).ravel().astype(np.float32)
    try:
        values, vectors = eigsh(operator, 1, which="LA", v0=start, tol=0.01, maxiter=30)
    except ArpackNoConvergence:
        return 0.0, np.eye(k)
    form = vectors[:, 0].astype(np.float64).reshape(k, k)
    return float(values[0]), (form + form.T) / 2


def inverse_root(covariance: Float64Array) -> Float64Array:
    """Return the symmetric C^(-1/2) of a covariance C ``(k, k)``; directions without variance stay finite."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-9 * max(values[-1], 1e-300))) @ vectors.T)
