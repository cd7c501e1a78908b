"""Figures of merit of a detector on one poisoned data set, each defined where it is computed.

A score of NaN means "not scored"; such a sample can never be flagged, so it ranks below all others.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from whitesquare.triggers import Checkerboard, NoTrigger, Patch
from whitesquare.types import Trigger

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


def ranked(scores: Floats) -> NDArray[np.float64]:
    """Return the scores as float64 with "not scored" below all others."""
    found = np.asarray(scores, np.float64).copy()
    found[np.isnan(found)] = -math.inf
    return found


def auroc(scores: Floats, poisoned: Bools) -> float | None:
    """Return the chance that a poison outranks a clean sample, ties half; ``None`` if one of them is missing."""
    positives, negatives = int(poisoned.sum()), int((~poisoned).sum())
    if not positives or not negatives:
        return None
    ranks = stats.rankdata(ranked(scores))
    wins = float(ranks[poisoned].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def tpr_at_fpr(scores: Floats, poisoned: Bools, fpr: float) -> float | None:
    """Return the share of poisons flagged at the lowest threshold that flags at most ``fpr`` of the clean samples.

    Flagged is what scores at least the threshold, so of tied samples all are flagged or none: a detector that gives
    every sample the same score flags nothing. What was not scored is never flagged. ``None`` if poisons or clean
    samples are missing.
    """
    found = ranked(scores)
    clean, bad = np.sort(found[~poisoned])[::-1], found[poisoned]
    if not len(clean) or not len(bad):
        return None
    allowed = math.floor(fpr * len(clean) + 1e-9)
    # Above the first clean sample that may not be flagged everything may be.
    limit = clean[allowed] if allowed < len(clean) else -math.inf
    return float((bad > limit).mean())


def iou(found: NDArray[Any], true: NDArray[Any]) -> float:
    """Return the overlap of two masks over their union; two empty masks agree."""
    one, other = np.asarray(found) > 0, np.asarray(true) > 0
    union = int((one | other).sum())
    return 1.0 if union == 0 else int((one & other).sum()) / union


def true_mask(trigger: Trigger, shape: tuple[int, int, int]) -> NDArray[np.bool_] | None:
    """Return the pixels ``(H, W)`` that a stamp of fixed place covers; ``None`` for any other trigger, which has none.

    Args:
        trigger: the one on the poisons.
        shape: ``(C, H, W)`` of the images.
    """
    inner = getattr(trigger, "trigger", trigger)  # of a faded one
    if isinstance(inner, NoTrigger) or not isinstance(inner, Patch | Checkerboard):
        return None
    mask = np.zeros(shape[1:], np.bool_)
    mask[inner.place(*shape[1:])] = True
    return mask


def removal(flagged: Bools, poisoned: Bools) -> dict[str, float | None]:
    """Return the elimination rate (poisons removed) and the sacrifice rate (clean samples removed with them)."""
    return {
        "elimination": float(flagged[poisoned].mean()) if poisoned.any() else None,
        "sacrifice": float(flagged[~poisoned].mean()) if (~poisoned).any() else None,
    }


def scores_of(scores: Floats, poisoned: Bools, in_class: Bools) -> dict[str, float | None]:
    """Return all figures of one detector."""
    return {
        "auroc": auroc(scores, poisoned),
        "auroc_class": auroc(scores[in_class], poisoned[in_class]),
        "tpr_1": tpr_at_fpr(scores, poisoned, 0.01),
        "tpr_01": tpr_at_fpr(scores, poisoned, 0.001),
    }


def upper_bound(events: int, trials: int, level: float = 0.95) -> float:
    """Return the one-sided upper confidence bound of Clopper and Pearson (1934): 0 of 60 gives 4.9 %."""
    return 1.0 if events >= trials else float(stats.beta.ppf(level, events + 1, trials - events))


def summary(values: Sequence[float | None], *, worst: str = "low") -> dict[str, float | int | None]:
    """Return mean, worst and n of what was measured; the worst is the lowest, or the highest where low is good."""
    found = [value for value in values if value is not None]
    if not found:
        return {"mean": None, "worst": None, "n": 0}
    return {"mean": float(np.mean(found)), "worst": min(found) if worst == "low" else max(found), "n": len(found)}
