"""What else a mark could be: causes without an attacker, named in a report; an alarm with one is not confirmed."""

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.marks.types import FoundTrigger, some
from whitesquare.types import FloatArray, IntArray

_NEARLY_ALL = 0.95
_BORDER = 2
_FEWEST, _COMPARED = 3, 300
_CLOSE = 0.25
"""Of the usual distance to the nearest image of the class, what that between copies is at most."""


def benign_causes(
    evidence: Evidence,
    trigger: FoundTrigger | None,
    label: int,
    carriers: IntArray,
    scores: FloatArray | None = None,
    *,
    grouped: bool = False,
) -> tuple[str, ...]:
    """Return what else a mark could be, most likely first; empty if nothing speaks for a harmless cause.

    Args:
        evidence: the samples.
        trigger: what was reconstructed; ``None`` if nothing was.
        label: the class that stands out.
        carriers: positions of those that carry it.
        scores: ``(N,)`` of the detector by which the class stands out; ``None`` if its other members are as usual.
        grouped: whether the rest of the images tells who carries it.
    """
    causes = []
    members = evidence.members(label)
    if carried_by_all(carriers, members):
        causes.append("every image of the class carries it: a mark of the source (scanner, watermark, crop)")
    elif scores is not None and _shift_of_all(evidence, label, scores):
        causes.append("nearly every image of the class has it in some form: a texture of the source, or of the class")
    if grouped:
        causes.append("those that carry it are alike in the rest of the image, too: a natural group of the class")
    if trigger is not None and trigger.kind.placed and _is_frame(trigger.mask):
        causes.append("it runs along the edge of the image: a border")
    if _are_duplicates(evidence, carriers, members):
        causes.append("the images that carry it are copies of one another: duplicates")
    return tuple(causes)


def carried_by_all(carriers: IntArray, members: IntArray) -> bool:
    """Tell whether nearly every member of a class is a carrier."""
    return len(carriers) >= _NEARLY_ALL * len(members)


def _shift_of_all(evidence: Evidence, label: int, scores: FloatArray) -> bool:
    """Tell whether hardly anybody of a class is usual: poison leaves its other members as they are."""
    own, others = scores[evidence.labels == label], scores[evidence.labels != label]
    if not np.isfinite(others).any():
        return False
    return bool((own > np.nanmedian(others)).mean() >= _NEARLY_ALL)


def _is_frame(mask: FloatArray) -> bool:
    """Tell whether the mask lies along the edges of the image and covers most of three sides or more."""
    inner = mask[_BORDER:-_BORDER, _BORDER:-_BORDER] if min(mask.shape) > 2 * _BORDER else mask[:0]
    sides = (mask[:_BORDER].any(0), mask[-_BORDER:].any(0), mask[:, :_BORDER].any(1), mask[:, -_BORDER:].any(1))
    return bool(inner.sum() <= 0.1 * mask.sum() and sum(side.mean() > 0.5 for side in sides) >= 3)


def _are_duplicates(evidence: Evidence, carriers: IntArray, members: IntArray) -> bool:
    """Tell whether carriers have copies among one another, where as many other samples of the class have none."""
    rest = np.setdiff1d(members, carriers)
    count = min(len(carriers), len(rest), _COMPARED)
    if count < _FEWEST:
        return False
    return _apart(evidence, carriers, count) < _CLOSE * _apart(evidence, rest, count)


def _apart(evidence: Evidence, positions: IntArray, count: int) -> float:
    """Return the median distance to the nearest of ``count`` images, in grey levels a pixel."""
    images = evidence.images[some(positions, evidence.seed, count)].reshape(count, -1).astype(np.float32)
    squares = (images * images).sum(1)
    apart = squares[:, None] + squares - 2 * images @ images.T
    np.fill_diagonal(apart, np.inf)
    return float(np.median(np.sqrt(np.maximum(apart.min(1), 0) / images.shape[1])))
