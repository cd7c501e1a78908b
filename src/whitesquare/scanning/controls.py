"""What a trigger is compared with: what chance would have made of the same class, in the way in which it was made.

A *patch*: what members that do not carry it show in its place. A *faint* pattern: what such members share that a random
filter picks. A *field* over the whole image is what carriers have on average and the rest of their class has not; so
have natural groups (sevens with a bar differ from those without) and single images, which are asked in turn. A patch
without a place is a piece of its carriers; so are pieces, as rich in contrast, of others.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.faint import FAINT, chance_triggers
from whitesquare.scanning.trigger import ENOUGH, FoundTrigger, some
from whitesquare.types import FloatArray, IntArray, UInt8Array

_MOST, _LEAST = 2000, 99
_VALUES = 1 << 27
"""Grey levels that are held at once."""


def controls_of(
    evidence: Evidence, label: int, carriers: IntArray, trigger: FoundTrigger, count: int, rng: np.random.Generator
) -> Iterator[FoundTrigger]:
    """Give controls of a trigger, made of members of its class that do not carry it.

    Args:
        evidence: the samples.
        label: the class.
        carriers: positions that are left out; at least one member must be left.
        trigger: what they are compared with.
        count: how many; fewer where the class has fewer than 99 other members, but as many as it has.
        rng: draws them.
    """
    if trigger.kind == FAINT:
        return chance_triggers(evidence, label, carriers, trigger.images, count, rng)
    unflagged = np.setdiff1d(evidence.members(label), carriers)
    count = min(count, max(_LEAST, len(unflagged)))
    if trigger.kind == "field":
        return _groups(evidence, unflagged, len(carriers), trigger, count, rng)
    few = len(unflagged) < _LEAST
    images = evidence.images[rng.choice(unflagged, count, replace=few)]
    if trigger.kind == "roaming":
        return (_piece(image, trigger, rng) for image in images)
    return (replace(trigger, pattern=image.astype(np.float32)) for image in images)


def _groups(
    evidence: Evidence, unflagged: IntArray, size: int, trigger: FoundTrigger, count: int, rng: np.random.Generator
) -> Iterator[FoundTrigger]:
    """Give what an image differs in from other classes, and then ``size`` images from the rest: as strong as it is."""
    pool = some(unflagged, evidence.seed, max(2, min(_MOST, _VALUES // evidence.images[0].size)))
    rows = evidence.images[pool].reshape(len(pool), -1).astype(np.float32)
    centre, usual = rows.mean(0), trigger.usual.ravel()
    group, strength = max(1, min(size, len(pool) // 4)), float(np.linalg.norm(trigger.pattern))
    for number in range(count):
        drawn = rows[rng.integers(len(rows))]
        if number % 2 and len(rows) >= ENOUGH:
            # The rest has, on the whole, the opposite of what a group has: no need to take its mean as well.
            like = rows @ (drawn - centre)
            shared = rows[np.argpartition(-like, group - 1)[:group]].mean(0) - centre
        else:
            shared = drawn - usual
        shared *= np.float32(strength / max(float(np.linalg.norm(shared)), 1.0))
        yield replace(trigger, pattern=shared.reshape(trigger.pattern.shape))


def _piece(image: UInt8Array, trigger: FoundTrigger, rng: np.random.Generator) -> FoundTrigger:
    """Cut a piece of an image that has at least the contrast of the trigger, if there is one, or the most there is."""
    rows, columns = np.nonzero(trigger.mask)
    top, left = int(rows.min()), int(columns.min())
    height, width = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    contrast = _contrast(image.astype(np.float32), height, width)
    wanted = min(
        float(trigger.pattern[:, top : top + height, left : left + width].mean(0).var()), float(contrast.max())
    )
    row, column = (int(at) for at in rng.choice(np.argwhere(contrast >= wanted)))
    pattern = np.zeros_like(trigger.pattern)
    pattern[:, top : top + height, left : left + width] = image[:, row : row + height, column : column + width]
    return replace(trigger, pattern=pattern)


def _contrast(image: FloatArray, height: int, width: int) -> FloatArray:
    """Return the variance of brightness in every window of a size, by the place of its first pixel."""
    grey = image.mean(0, dtype=np.float64)
    # Origins that make the window begin, not lie, at the pixel.
    shift = (-(height // 2), -(width // 2))
    mean, square = (uniform_filter(one, (height, width), origin=shift) for one in (grey, grey * grey))
    whole = np.s_[: grey.shape[0] - height + 1, : grey.shape[1] - width + 1]
    found: FloatArray = (square - mean * mean)[whole].astype(np.float32)
    return found
