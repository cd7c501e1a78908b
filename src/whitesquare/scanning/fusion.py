"""From raw scores to one: tail evidence per detector, the strongest of each family, the sum of the best families.

Averaging all detectors drowns a specialist, and the plain maximum has too many ties; the sum of the :data:`TOP` best
families keeps both a single loud witness and a few quiet ones. Fused scores are calibrated once, as a whole.
"""

from dataclasses import dataclass

import numpy as np

from whitesquare.detectors.types import BoolArray, Evidence, Suspicion
from whitesquare.types import FloatArray, IntArray

_REFERENCE = 20_000
_TAIL = 0.02
_CAP = 8.0
"""Decades that evidence approaches beyond what the reference can resolve; without a limit one detector would decide."""
_COMPARABLE = frozenset({"pixel", "residual", "response"})
"""Families whose raw scores mean the same in every class; those of the others are standardised per class first."""
TOP = 3


@dataclass(frozen=True)
class Scored:
    """A detector's scores with what fusion must know of it."""

    name: str
    family: str
    suspicion: Suspicion


def fuse(evidence: Evidence, scored: list[Scored]) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return the fused scores ``(N,)`` and the tail evidence of every detector ``(N,)``, in decades."""
    tails = {one.name: tail_evidence(evidence, one) for one in scored}
    families = sorted({one.family for one in scored})
    rows = []
    for family in families:
        members = [tails[one.name] for one in scored if one.family == family]
        # The best of m is expected to be better: log10(m) takes that back.
        rows.append(np.max(members, axis=0) - np.log10(len(members)))
    if not rows:
        return np.zeros(len(evidence.labels), np.float32), tails
    ranked = np.sort(np.stack(rows), axis=0)[::-1]
    fused: FloatArray = np.maximum(ranked[:TOP], 0).sum(0, dtype=np.float32)
    return fused, tails


def tail_evidence(evidence: Evidence, one: Scored) -> FloatArray:
    """Return ``-log10`` of the share of reference samples that score as high, ``(N,)``; 0 where nothing was scored.

    The reference of a sample are all samples of the other classes: its own class may be half poisoned. Beyond the
    reference the tail is continued as an exponential.
    """
    scores = one.suspicion.scores if one.family in _COMPARABLE else standardised(evidence, one.suspicion.scores)
    found = np.zeros(len(scores), np.float32)
    rng = np.random.default_rng(evidence.seed)
    usable = np.isfinite(scores)
    for label in range(len(evidence.classes)):
        members = np.flatnonzero((evidence.labels == label) & usable)
        others = (evidence.labels != label) & usable
        reference = scores[_reference(evidence, others, rng)]
        if len(members) and len(reference) >= 20:
            found[members] = _decades(scores[members], np.sort(reference))
    return found


def standardised(evidence: Evidence, scores: FloatArray) -> FloatArray:
    """Return scores minus their class's median, over its deviation; NaN stays NaN."""
    result = scores.copy()
    for label in range(len(evidence.classes)):
        members = np.flatnonzero((evidence.labels == label) & np.isfinite(scores))
        if len(members):
            middle = np.median(scores[members])
            spread = 1.4826 * np.median(np.abs(scores[members] - middle))
            result[members] = (scores[members] - middle) / (spread + 1e-6 + 1e-3 * abs(middle))
    return result


def _reference(evidence: Evidence, others: BoolArray, rng: np.random.Generator) -> IntArray:
    positions = np.flatnonzero(others)
    if len(positions) > _REFERENCE:
        positions = rng.choice(positions, _REFERENCE, replace=False)
    return positions


def _decades(scores: FloatArray, reference: FloatArray) -> FloatArray:
    size = len(reference)
    above = size - np.searchsorted(reference, scores, side="left")
    decades = -np.log10((1 + above) / (1 + size))
    tail = reference[int((1 - _TAIL) * size) :]
    scale = max(float((tail - tail[0]).mean()), 1e-6 + 1e-4 * abs(float(tail[0]))) * np.log(10)
    beyond = _CAP * -np.expm1(-np.maximum(scores - reference[-1], 0) / (scale * _CAP))
    evidence: FloatArray = (decades + beyond).astype(np.float32)
    return evidence
