"""Does the reference carry what the data carry? Then it is not clean, and no yardstick.

What was found in an alarmed class is looked for in the trusted samples in the way in which it was found: a trigger by
its pixels, anything else by the scores of the detector that raised the alarm. What the data's other samples show there
is what a clean sample shows by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from whitesquare.data.pixels import chosen, joined
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import BoolArray, Detector, Evidence
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.marks.field import FieldKind
from whitesquare.scanning.marks.types import RARE, likenesses, some
from whitesquare.scanning.reference import Reference
from whitesquare.types import FloatArray, UInt8Array

ALPHA = 0.001
"""A share of the reference is beyond chance below this p-value, and beside the point below :data:`LEAST`."""
LEAST = 0.005
_CONTROLS = 5_000


@dataclass(frozen=True)
class _Trace:
    """Which trusted samples carry a trigger ``(M,)``, and the share of the class's unflagged samples that seem to."""

    carries: BoolArray
    chance: float


def carried(evidence: Evidence, raised: Sequence[Raised], reference: Reference) -> tuple[str, ...]:
    """Return a sentence for every alarm whose trigger, or whatever it was raised by, the reference carries as well.

    Args:
        evidence: the data under suspicion, alone.
        raised: the alarms.
        reference: the trusted samples; those that are in the data too are looked at like all others.
    """
    return tuple(sentence for one in raised for sentence in _sentences(evidence, one, reference))


def beyond_chance(count: int, size: int, chance: float) -> bool:
    """Tell whether ``count`` of ``size`` are more than chance would give."""
    if not size or count < LEAST * size:
        return False
    return bool(stats.binomtest(count, size, max(chance, RARE), alternative="greater").pvalue <= ALPHA)


def _sentences(evidence: Evidence, one: Raised, reference: Reference) -> list[str]:
    label, name = one.alarm.label, one.alarm.class_name
    own = reference.labels == label
    trace = _by_pixels(evidence, one, reference) if one.trigger is not None else None
    found = []
    if trace is not None and beyond_chance(int(trace.carries[own].sum()), int(own.sum()), trace.chance):
        found.append(_said(one, trace.carries[own], f"of class {name}"))
    elif one.trigger is None or isinstance(one.trigger.kind, FieldKind):
        carries, chance = _by_scores(evidence, one, reference.images[own])
        if beyond_chance(int(carries.sum()), len(carries), chance):
            found.append(_said(one, carries, f"of class {name}"))
    if trace is not None and beyond_chance(int(trace.carries[~own].sum()), int((~own).sum()), RARE):
        found.append(_said(one, trace.carries[~own], f"of other classes than {name}"))
    return found


def _said(one: Raised, carries: BoolArray, whose: str) -> str:
    proven = one.alarm.tier == "confirmed"
    what = "trigger" if proven or one.trigger is not None else "mark"
    end = "the reference is not clean" if proven else "the reference is not clean, or what they share is harmless"
    return f"{int(carries.sum())} of {len(carries)} reference samples {whose} carry the same {what}: {end}."


def _by_pixels(evidence: Evidence, one: Raised, reference: Reference) -> _Trace | None:
    """Compare every trusted sample with the trigger, as closely as samples of other classes come once in a thousand."""
    assert one.trigger is not None  # noqa: S101 - narrows the type: only such alarms come here
    label, trigger = one.alarm.label, one.trigger
    likeness = trigger.kind.likeness(trigger)
    others = some(np.flatnonzero(evidence.labels != label), evidence.seed, _CONTROLS)
    if not len(others):
        return None
    bound = trigger.kind.bound(evidence, trigger, label)
    if bound is None:
        bound = float(np.quantile(likenesses(likeness, evidence, others), 1 - RARE))
    rest = some(np.setdiff1d(evidence.members(label), one.carriers), evidence.seed, _CONTROLS)
    chance = float((likenesses(likeness, evidence, rest) > bound).mean()) if len(rest) else 0.0
    return _Trace(likeness(reference.images) > bound, chance)


def _by_scores(evidence: Evidence, one: Raised, images: UInt8Array) -> tuple[BoolArray, float]:
    """Put trusted samples in the place of the alarmed class, and let the detector that raised the alarm score them.

    Return which lie beyond all but one in a thousand of the other classes, and the share of the class's own samples
    that were not flagged that do so; none where the detector asks a model or says nothing of samples.
    """
    nobody = np.zeros(0, np.bool_), 0.0
    detector = next((found for found in DETECTORS.values() if found.rule_id == one.alarm.rule_id), None)
    if detector is None or detector.needs - {"images"} or not len(images):
        return nobody
    kept = np.flatnonzero(evidence.labels != one.alarm.label)
    before = _scores(detector, evidence)
    swapped = replace(
        evidence,
        images=joined(chosen(evidence.images, kept), images),
        labels=np.concatenate([evidence.labels[kept], np.full(len(images), one.alarm.label)]),
        trusted=np.zeros(len(kept) + len(images), np.bool_),
        model=None,
        features=None,
        logits=None,
        losses=None,
    )
    after = _scores(detector, swapped)
    if before is None or after is None or not np.isfinite(after[: len(kept)]).any():
        return nobody
    rest = np.setdiff1d(evidence.members(one.alarm.label), one.carriers)
    usual = _beyond(before[rest], before[kept])
    return _beyond(after[len(kept) :], after[: len(kept)]), float(usual.mean()) if len(usual) else 0.0


def _scores(detector: Detector, evidence: Evidence) -> FloatArray | None:
    try:
        return detector.score(evidence).scores
    except Exception:  # noqa: BLE001 - an alarm outlives whatever a detector makes of a crafted reference
        return None


def _beyond(scores: FloatArray, others: FloatArray) -> BoolArray:
    beyond: BoolArray = np.nan_to_num(scores, nan=-np.inf) > np.nanquantile(others, 1 - RARE)
    return beyond
