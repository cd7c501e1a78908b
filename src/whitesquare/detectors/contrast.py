"""How much more often a code occurs in one class than in every other: the statistic of the contrast detectors."""

import numpy as np
from numpy.typing import NDArray

from whitesquare.types import FloatArray, IntArray

_SHRINKAGE = 200.0
"""Samples added to a single other class: one of ten samples says little about what is common there."""
_CERTAINTY = 2.0
"""Standard deviations subtracted from a count before it is believed."""


def log_contrast(counts: IntArray, sizes: IntArray, least: int) -> FloatArray:
    """Return ``log(share in the class / share elsewhere)``, pessimistic on both sides; 0 where nothing stands out.

    The share in the class is its lower bound (two standard deviations of a Poisson count); the share elsewhere is the
    larger of that among all other classes together and that in the one other class where the code is most frequent.

    Args:
        counts: ``(V, K)`` samples of class k with code v.
        sizes: ``(K,)`` samples of class k.
        least: a code seen in fewer samples of the class scores 0.

    Returns:
        ``(V, K)`` float32, at least 0.
    """
    found = counts.astype(np.float32)
    elsewhere = found.sum(1, keepdims=True) - found
    pooled = (elsewhere + 1) / (sizes.sum() - sizes + 1)
    rival = _largest_other(found / (sizes + _SHRINKAGE))
    lowest = np.maximum(found - _CERTAINTY * np.sqrt(found), 0) / np.maximum(sizes, 1)
    enough = (found >= least) & (lowest > 0)
    ratio = np.where(enough, lowest, 1.0) / np.maximum(pooled, rival)
    return np.where(enough, np.log(np.maximum(ratio, 1.0)), 0).astype(np.float32)


def ceiling(sizes: IntArray, label: int, carriers: int | None = None) -> float:
    """Return the largest contrast that a class can have: so many of it show a code that no other sample shows.

    Args:
        sizes: ``(K,)`` samples of each class.
        label: the class.
        carriers: of its samples; ``None`` for all.
    """
    own = int(sizes[label])
    shown = own if carriers is None else carriers
    lowest = max(shown - _CERTAINTY * shown**0.5, 0) / max(own, 1)
    return float(np.log(max(lowest * (int(sizes.sum()) - own + 1), 1.0)))


def _largest_other(shares: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return, per column, the largest value of the row outside that column."""
    if shares.shape[1] == 1:
        return np.zeros_like(shares)
    two = np.partition(shares, -2, axis=1)[:, -2:]
    return np.where(shares == two[:, 1:], two[:, :1], two[:, 1:])
