"""Exact intervals of a share of few runs, without NumPy: Clopper and Pearson 1934."""

from collections.abc import Callable
from math import exp, fsum, lgamma, log

from whitesquare.records import Estimate

Tail = Callable[[float], float]
_TAIL = 0.025
_STEPS = 60
"""Halvings of [0, 1]: beyond the digits of a float there is nothing to find."""


def exact_estimate(name: str, hits: int, n: int) -> Estimate:
    """Estimate a share from ``hits`` of ``n`` runs, with the exact 95 % interval; ``n`` is at least 1."""
    low = 0.0 if hits == 0 else _solve(lambda p: 1 - _at_most(hits - 1, n, p))
    high = 1.0 if hits == n else 1 - _solve(lambda p: 1 - _at_most(n - hits - 1, n, p))
    return Estimate(name, hits / n, low, high, n, "Clopper-Pearson 95 %, over runs")


def at_most(hits: int, n: int) -> float:
    """Return the one-sided 95 % upper bound of a share of ``hits`` in ``n`` runs: none of 60 gives 4.9 %."""
    return 1.0 if hits >= n else 1 - _solve(lambda p: 1 - _at_most(n - hits - 1, n, p), 2 * _TAIL)


def _solve(tail: Tail, level: float = _TAIL) -> float:
    """Return where a tail that grows with ``p`` reaches ``level``."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) < level else (low, middle)
    return low


def _at_most(hits: int, n: int, p: float) -> float:
    """Return the chance of at most ``hits`` in ``n`` at probability ``p`` in (0, 1)."""
    whole = lgamma(n + 1)
    return fsum(
        exp(whole - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log(1 - p)) for k in range(hits + 1)
    )
