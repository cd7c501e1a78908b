"""What a fused score is worth: p-values where that can be had honestly, and words where it cannot."""

from dataclasses import dataclass

import numpy as np

from whitesquare.detectors.types import BoolArray, Evidence
from whitesquare.types import FloatArray

REVIEW = 0.01
"""Samples with a p-value up to this go to the review queue."""
_RATE, _LEVEL = 0.01, 0.1
CONFORMAL, APPROXIMATE, RANKING = "conformal", "approximate", "ranking only"


@dataclass(frozen=True)
class Calibration:
    """P-values ``(N,)`` float32, NaN in ranking mode, and what they mean."""

    kind: str
    note: str
    p_values: FloatArray


def calibrate(evidence: Evidence, fused: FloatArray, alarmed: BoolArray) -> Calibration:
    """Turn fused scores into p-values.

    With trusted samples that took part in the training: conformal, ``(1 + #{trusted >= s}) / (n + 1)``, valid because
    trusted and clean samples are exchangeable. Benjamini and Hochberg at 10 % can reject at a poison rate of 1 % only
    if ``1 / (n + 1) <= 0.001``; with fewer trusted samples only a ranking is given.
    Without: against the samples of classes without an alarm; approximate, and labelled so.

    Args:
        evidence: what was scanned, with the trusted samples behind it where p-values are to be conformal.
        fused: ``(N,)``.
        alarmed: ``(N,)``: samples of classes with an alarm.
    """
    trusted = int(evidence.trusted.sum())
    if trusted:
        if 1 / (trusted + 1) > _RATE * _LEVEL:
            need = int(np.ceil(1 / (_RATE * _LEVEL))) - 1
            note = (
                f"Ranking only: {trusted} trusted samples cannot resolve a poison rate of 1 % at a false discovery "
                f"rate of 10 %; at least {need} are needed, so no p-value is given."
            )
            return Calibration(RANKING, note, np.full(len(fused), np.nan, np.float32))
        note = (
            f"Conformal p-values against {trusted} trusted samples that were trained on with the rest: at most 1 % of "
            "clean samples fall to p <= 0.01, if the trusted ones are what they are said to be."
        )
        return Calibration(CONFORMAL, note, _p_values(fused, fused[evidence.trusted]))
    reference = fused[~alarmed]
    if len(reference) < 100:
        note = "Ranking only: there is no class without an alarm, or it is too small, to compare with."
        return Calibration(RANKING, note, np.full(len(fused), np.nan, np.float32))
    note = (
        "Approximate p-values: samples of the classes without an alarm serve as clean ones; wrong if those are "
        "poisoned too. No false discovery rate is claimed; give a clean --reference for that."
    )
    return Calibration(APPROXIMATE, note, _p_values(fused, reference))


def _p_values(fused: FloatArray, reference: FloatArray) -> FloatArray:
    ordered = np.sort(reference)
    above = len(ordered) - np.searchsorted(ordered, fused, side="left")
    return ((1 + above) / (1 + len(ordered))).astype(np.float32)
