"""What a scan found, held against the truth, as figures by name.

==============================================  ========================================================================
``fused.``, ``DETECTOR.``                       each of the following, of its scores:
``auroc``, ``auroc_class``                      :func:`~whitesquare.learning.estimates.auroc`, over all, over the target
``tpr_1``, ``tpr_01``                           :func:`~whitesquare.learning.estimates.tpr_at_fpr` at 1 % and 0.1 %
``top_50``                                      poisons in the first 50 ranks, of as many as could be: 50, or all
``seconds``                                     wall-clock, not of the fused scores
``right_class``, ``confirmed``                  1 or 0: an alarm of the poisoned class; a confirmed one
``p_value``, ``flip_rate``                      of that alarm
``iou``                                         its trigger and the true stamp, overlap over union; 0 without an alarm
``false_confirmed``, ``false_suspicious``       1 or 0: any alarm of another class, of that tier
``false_alarm``                                 1 or 0: of any tier; on clean data, whether there was any alarm
``false_unnamed``                               1 or 0: and no harmless cause was named beside it
``undecided``                                   1 or 0: the verdict is ``not decided``
``flagged.``, ``with_review.``                  if all confirmed or suspicious samples go, or those to review, too:
``elimination``, ``sacrifice``                  shares of the poisons, and of the clean samples, that go
``review_fpr``                                  share of the clean samples with a p-value of at most 0.01
``seconds``                                     wall-clock, of the whole scan
==============================================  ========================================================================
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data import Overlay
from whitesquare.learning.estimates import auroc, tpr_at_fpr
from whitesquare.scanning.calibration import REVIEW
from whitesquare.scanning.types import Alarm, Scan
from whitesquare.triggers import Checkerboard, Faded, Patch
from whitesquare.types import FloatArray, Trigger

Bools = NDArray[np.bool_]
Figures = dict[str, float | None]
FALSE = ("false_confirmed", "false_suspicious", "false_alarm", "false_unnamed")
"""Names of the figures that say whether an alarm was false."""
_FIRST = 50


def figures_of(scan: Scan, poisons: Overlay | None, target: int, trigger: Trigger) -> Figures:
    """Measure a scan.

    Args:
        scan: what was found.
        poisons: what was scanned, where some of it is poisoned.
        target: the class that the poisons are of.
        trigger: the one on them.
    """
    scores, in_class = scan.scores, scan.scores.labels == target
    poisoned = np.zeros(scan.result.size, np.bool_)
    if poisons:
        poisoned[poisons.positions] = True
    right = [alarm for alarm in scan.result.alarms if poisons and alarm.label == target]
    others = [alarm for alarm in scan.result.alarms if alarm not in right]
    clean = scores.p_values[np.isfinite(scores.p_values) & ~poisoned]
    found = _ranking("fused", scores.fused, poisoned, in_class)
    for run in scan.result.runs:
        if run.name in scores.by_detector:
            found |= _ranking(run.name, scores.by_detector[run.name], poisoned, in_class)
            found[f"{run.name}.seconds"] = run.seconds
    if poisons:
        found |= _alarm(right[0] if right else None, true_mask(trigger, *poisons.pixels.shape[2:]))
    tiers = {one.tier for one in others}
    false = ("confirmed" in tiers, "suspicious" in tiers, bool(tiers), any(not one.benign for one in others))
    found |= {name: float(holds) for name, holds in zip(FALSE, false, strict=True)}
    found["undecided"] = float(bool(scan.result.undecided))
    found |= removal("flagged", flagged(scan), poisoned)
    found |= removal("with_review", flagged(scan, ("confirmed", "suspicious", "review")), poisoned)
    found["review_fpr"] = float((clean <= REVIEW).mean()) if len(clean) else None
    return found | {"seconds": sum(scan.result.seconds.values())}


def flagged(scan: Scan, tiers: tuple[str, ...] = ("confirmed", "suspicious")) -> Bools:
    """Return which samples are flagged with one of these tiers ``(N,)``."""
    found = np.zeros(scan.result.size, np.bool_)
    found[[flag.position for flag in scan.result.flagged if flag.tier in tiers]] = True
    return found


def removal(name: str, gone: Bools, poisoned: Bools) -> Figures:
    """Return the shares of poisons and of clean samples that are gone."""
    parts = {"elimination": poisoned, "sacrifice": ~poisoned}
    return {f"{name}.{key}": float(gone[part].mean()) if part.any() else None for key, part in parts.items()}


def in_first_ranks(scores: FloatArray, poisoned: Bools) -> float | None:
    """Return how many poisons are in the first 50 ranks, as a share of 50 or of all poisons, whichever is less.

    Of equal scores the clean samples come first, and samples without a score ``(N,)`` come last.
    """
    possible = min(_FIRST, int(poisoned.sum()))
    order = np.lexsort((poisoned, -np.nan_to_num(scores, nan=-np.inf)))
    return int(poisoned[order[:_FIRST]].sum()) / possible if possible else None


def iou(found: NDArray[Any], true: NDArray[Any]) -> float:
    """Return the overlap of two masks over their union; two empty masks agree."""
    one, other = np.asarray(found) > 0, np.asarray(true) > 0
    union = int((one | other).sum())
    return 1.0 if union == 0 else int((one & other).sum()) / union


def true_mask(trigger: Trigger, height: int, width: int) -> Bools | None:
    """Return the pixels ``(H, W)`` that a stamp of fixed place covers; ``None`` for any other trigger."""
    inner = trigger.trigger if isinstance(trigger, Faded) else trigger
    if not isinstance(inner, Patch | Checkerboard):
        return None
    mask = np.zeros((height, width), np.bool_)
    mask[inner.place(height, width)] = True
    return mask


def _ranking(name: str, scores: FloatArray, poisoned: Bools, in_class: Bools) -> Figures:
    return {
        f"{name}.auroc": auroc(scores, poisoned),
        f"{name}.auroc_class": auroc(scores[in_class], poisoned[in_class]),
        f"{name}.tpr_1": tpr_at_fpr(scores, poisoned, 0.01),
        f"{name}.tpr_01": tpr_at_fpr(scores, poisoned, 0.001),
        f"{name}.top_50": in_first_ranks(scores, poisoned),
    }


def _alarm(alarm: Alarm | None, mask: Bools | None) -> Figures:
    trigger, test = (alarm.trigger, alarm.transplant) if alarm else (None, None)
    overlap = iou(np.array(trigger.mask), mask) if trigger and mask is not None else 0.0
    return {
        "right_class": float(alarm is not None),
        "confirmed": float(alarm is not None and alarm.tier == "confirmed"),
        "p_value": alarm.p_value if alarm else None,
        "flip_rate": test.flip_rate.value if test else None,
        "iou": None if mask is None else overlap,
    }
