"""What a published figure means: intervals over images and over victims, bounds, and how well scores find poisons.

A score of NaN means "not scored"; such a sample ranks below all others.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from whitesquare.errors import NothingToDoError
from whitesquare.records import Estimate, Spread

CONFIDENCE = 0.95


def share(name: str, hits: int, n: int) -> Estimate:
    """Estimate a share from ``hits`` of ``n``, with the Wilson score interval (Wilson 1927).

    Raises:
        NothingToDoError: if ``n`` is 0; a share of nothing is not a number.
    """
    if n < 1:
        raise NothingToDoError(f"The share {name!r} cannot be measured: there is no image to measure it on.")
    interval = stats.binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(name, hits / n, float(interval.low), float(interval.high), n, "Wilson 95 %, over images")


def exact_share(name: str, hits: int, n: int) -> Estimate:
    """Estimate a share of few runs, with the exact interval (Clopper and Pearson 1934).

    Raises:
        NothingToDoError: if ``n`` is 0.
    """
    if n < 1:
        raise NothingToDoError(f"The share {name!r} cannot be measured: there is no run to measure it on.")
    interval = stats.binomtest(hits, n).proportion_ci(CONFIDENCE, method="exact")
    return Estimate(name, hits / n, float(interval.low), float(interval.high), n, "Clopper-Pearson 95 %, over runs")


def high_ends(hits: NDArray[np.integer], n: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the high ends of the intervals of :func:`share` for arrays of counts; 1 where nothing was counted."""
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    counted = np.maximum(n, 1)
    p = hits / counted
    high = (p + z * z / (2 * counted) + z * np.sqrt(p * (1 - p) / counted + (z / (2 * counted)) ** 2)) / (
        1 + z * z / counted
    )
    return np.where(n > 0, high, 1.0)


def over_victims(values: Sequence[float]) -> Spread:
    """Summarise a share in [0, 1] over victims: mean, sample standard deviation, lowest, and t interval of the mean.

    The interval is cut to [0, 1]. One victim has no spread: ``sd``, ``low`` and ``high`` are ``None``.

    Raises:
        NothingToDoError: if there is no victim.
    """
    if not values:
        raise NothingToDoError("There is no victim to summarise; train and measure at least one.")
    n, mean, worst = len(values), float(np.mean(values)), float(min(values))
    if n == 1:
        return Spread(mean, None, worst, None, None, 1, "one victim, no interval")
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sd / math.sqrt(n)
    return Spread(mean, sd, worst, max(0.0, mean - half), min(1.0, mean + half), n, "Student t 95 %, over victim seeds")


def upper_bound(events: int, trials: int) -> float:
    """Return the one-sided 95 % upper bound of a share (Clopper and Pearson 1934): 0 of 60 gives 4.9 %."""
    return 1.0 if events >= trials else float(stats.beta.ppf(CONFIDENCE, events + 1, trials - events))


def auroc(scores: NDArray[np.floating], poisoned: NDArray[np.bool_]) -> float | None:
    """Return the chance that a poison outranks a clean sample, ties half; ``None`` if one of them is missing."""
    positives, negatives = int(poisoned.sum()), int((~poisoned).sum())
    if not positives or not negatives:
        return None
    ranks = stats.rankdata(_ranked(scores))
    wins = float(ranks[poisoned].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def tpr_at_fpr(scores: NDArray[np.floating], poisoned: NDArray[np.bool_], fpr: float) -> float | None:
    """Return the share of poisons flagged at the lowest threshold that flags at most ``fpr`` of the clean samples.

    Flagged is what scores at least the threshold, so of tied samples all are flagged or none: a detector that gives
    every sample the same score flags nothing. What was not scored is never flagged. ``None`` if poisons or clean
    samples are missing.
    """
    found = _ranked(scores)
    clean, bad = np.sort(found[~poisoned])[::-1], found[poisoned]
    if not len(clean) or not len(bad):
        return None
    allowed = math.floor(fpr * len(clean) + 1e-9)
    # Above the first clean sample that may not be flagged everything may be.
    limit = clean[allowed] if allowed < len(clean) else -math.inf
    return float((bad > limit).mean())


def _ranked(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(scores, np.float64), nan=-math.inf, posinf=math.inf, neginf=-math.inf)
