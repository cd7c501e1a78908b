"""Reconstruct a trigger from the samples that seem to carry it."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.ndimage import label as connected

from whitesquare.data.pixels import parts_of
from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.types import BoolArray, Evidence, Hint
from whitesquare.scanning.marks.field import ENOUGH, FieldKind
from whitesquare.scanning.marks.patch import TOLERANCE, PatchKind
from whitesquare.scanning.marks.roaming import RoamingKind
from whitesquare.scanning.marks.types import FoundTrigger, some
from whitesquare.types import FloatArray, IntArray, UInt8Array

_AGREE, _ELSEWHERE = 0.8, 0.3
"""An opaque pixel agrees in that share of the carriers at least, and in that share of other samples at most."""
_HALF = 0.5
_LARGEST_PATCH = 0.1
_OTHERS, _FEW_OTHERS, _TOGETHER, _ASKED = 2000, 500, 2**26, 64
"""Samples that are no carriers, at most and, where images are so large that more have more bytes, at least; and places
that are looked at."""
NEIGHBOURS = np.ones((3, 3), np.int64)
"""Pixels that touch at a corner are of one part."""
_WINDOW, _FEWEST_PIXELS = 6, 4
"""Side of what is cut out around a place where a patch was seen, and the pixels that must agree there."""


def reconstruct(evidence: Evidence, hint: Hint) -> FoundTrigger | None:
    """Reconstruct the trigger of a hint from its carriers; ``None`` if they share nothing that others lack.

    Pixels on which the carriers agree, and the others do not, are the stamp; the strongest half of them is kept, and
    what lies amid them, since a perturbation may be common to the carriers as well. If there are none, the difference
    of means is a field.
    """
    carriers = some(hint.carriers, evidence.seed)
    images, sites = evidence.images[carriers], hint.places
    if sites is not None:
        order = {int(position): row for row, position in enumerate(hint.carriers)}
        return _roaming(images, sites[[order[int(position)] for position in carriers]])
    others = _others(evidence, hint)
    if len(carriers) < 2 or len(others) < 2:
        return None
    rest = evidence.images[others]
    typical, usual = np.median(images, 0), np.median(rest, 0).astype(np.float32)
    agree, elsewhere = _agreement(images, typical), _agreement(rest, typical)
    change = np.abs(typical - usual).max(0)
    own = np.setdiff1d(evidence.members(hint.label), hint.carriers)
    if len(own) >= ENOUGH:
        # What the rest of the class shows too is its content, not a stamp.
        same_class = evidence.images[some(own, evidence.seed)]
        elsewhere = np.maximum(elsewhere, _agreement(same_class, typical))
        change = np.minimum(change, np.abs(typical - np.median(same_class, 0)).max(0))
    opaque = (agree >= _AGREE) & (elsewhere <= _ELSEWHERE) & (change >= TOLERANCE / 2)
    if hint.mask is not None:
        opaque &= hint.mask >= _HALF * hint.mask.max()
    strong = opaque & _boxes(opaque & (change >= _HALF * change[opaque].max(initial=1)))
    if 0 < strong.sum() <= max(4, _LARGEST_PATCH * strong.size):
        mask = strong.astype(np.float32)
        return FoundTrigger(PatchKind(), mask, typical.astype(np.float32), usual)
    return _field(evidence, hint, images, usual)


def _boxes(parts: BoolArray) -> BoolArray:
    """Return the smallest boxes around connected parts: what is weak amid a stamp is part of it."""
    boxes = np.zeros_like(parts)
    for box in find_objects(connected(parts, NEIGHBOURS)[0]):
        boxes[box] = True
    return boxes


def carriers_of_mask(evidence: Evidence, hint: Hint) -> Hint:
    """Fill in the carriers of a hint that only knows the place, by pixels common there and rare in other classes."""
    assert hint.mask is not None  # noqa: S101 - narrows the type: only such hints come here
    members = evidence.members(hint.label)
    others = some(np.flatnonzero(evidence.labels != hint.label), evidence.seed, 20_000)
    inside = np.argwhere(hint.mask >= _HALF * hint.mask.max())
    best: IntArray = np.empty(0, np.int64)
    shown = [_greys(evidence, who, inside[:_ASKED]) for who in (members, others)]
    for own, rest in zip(*shown, strict=True):
        share = np.bincount(own, minlength=16) / max(len(own), 1)
        rarity = (np.bincount(rest, minlength=16) + 1) / (len(rest) + 1)
        telling = np.flatnonzero(share > 20 * rarity)
        found = members[np.isin(own, telling)]
        best = found if len(found) > len(best) else best
    return Hint(hint.label, hint.strength, best, hint.mask)


def _greys(evidence: Evidence, positions: IntArray, at: IntArray) -> IntArray:
    """Return the grey level, in 16 steps, of some images at some places, ``(places, images)``."""
    rows, columns = at.T
    parts = [part[:, :, rows, columns].mean(1).T for _, part in parts_of(evidence.images, positions)]
    return np.concatenate([np.empty((len(at), 0)), *parts], 1).astype(np.int64) >> 4


def _others(evidence: Evidence, hint: Hint) -> IntArray:
    """Draw samples of all classes that are not carriers."""
    free = np.ones(len(evidence.labels), np.bool_)
    free[hint.carriers] = False
    few = max(_FEW_OTHERS, _TOGETHER // int(np.prod(evidence.images.shape[1:])))
    return some(np.flatnonzero(free), evidence.seed + 1, min(few, _OTHERS))


def _agreement(images: UInt8Array, typical: NDArray[np.floating]) -> FloatArray:
    """Return the share ``(H, W)`` of images whose pixel is the typical one in every channel."""
    few, count = images_at_once(images.shape, len(images)), np.zeros(images.shape[2:], np.int64)
    for start in range(0, len(images), few):
        # A difference to a median is a float64: of 2,000 photographs at once it would take gigabytes.
        count += (np.abs(images[start : start + few].astype(np.int16) - typical) <= TOLERANCE).all(1).sum(0)
    share: FloatArray = count.astype(np.float32) / np.float32(len(images))
    return share


def _field(evidence: Evidence, hint: Hint, images: UInt8Array, usual: FloatArray) -> FoundTrigger | None:
    """Take the difference of means between carriers and the rest of the class, or all others if there is no rest."""
    members = evidence.members(hint.label)
    rest = np.setdiff1d(members, hint.carriers)
    rest = rest if len(rest) >= ENOUGH else _others(evidence, hint)
    delta = images.mean(0, dtype=np.float32) - evidence.images[some(rest, evidence.seed)].mean(0, dtype=np.float32)
    size = np.abs(delta).max(0)
    if size.max() < 4:
        return None
    mask = np.where(size >= 0.1 * size.max(), size / size.max(), 0).astype(np.float32)
    return FoundTrigger(FieldKind(), mask, delta, usual)


def _roaming(images: UInt8Array, places: IntArray) -> FoundTrigger | None:
    """Align the carriers on their places and keep the pixels on which they agree."""
    height, width = images.shape[2:]
    side = min(_WINDOW, height, width)
    inside = np.minimum(places, [height - side, width - side])
    # Where none lies wholly inside, all are moved as far from the edge: those at one place stay aligned.
    kept = (inside == places).all(1) if (inside == places).all(1).any() else np.ones(len(places), np.bool_)
    crops = np.stack(
        [image[:, r : r + side, c : c + side] for image, (r, c) in zip(images[kept], inside[kept], strict=True)]
    )
    typical = np.median(crops, 0).astype(np.float32)
    agree = _agreement(crops, typical)
    if (agree >= _AGREE).sum() < _FEWEST_PIXELS:
        return None
    mask = np.zeros((height, width), np.float32)
    row, column = (int(v) for v in places[0])
    row, column = min(row, height - side), min(column, width - side)
    mask[row : row + side, column : column + side] = agree >= _AGREE
    pattern = np.zeros((images.shape[1], height, width), np.float32)
    pattern[:, row : row + side, column : column + side] = typical
    return FoundTrigger(RoamingKind(), mask, pattern, 0 * pattern)
