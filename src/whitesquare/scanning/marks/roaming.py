"""A patch that wanders: a few pixels without a fixed place, put together from copies and looked for everywhere.

It is a piece of its carriers; so are pieces, as rich in contrast, of other members, with which it is compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.ndimage import uniform_filter

from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.marks.types import AS_FOUND, RARE, Compared, FoundTrigger, likenesses, some
from whitesquare.types import FloatArray, IntArray, UInt8Array

_FARTHEST, _LEAST = 48.0, 1.0
"""Grey levels: a carrier is no farther from the mark; and where others are as near as that, it is nothing rare."""
_SOUGHT = 5_000
"""Samples of other classes that are looked at, which takes long."""
_CACHED = 1 << 16
"""Pixels that are worked on at a time: more do not fit into a processor's cache."""


@dataclass(frozen=True)
class RoamingKind:
    """A mark without a place; see :class:`~whitesquare.scanning.marks.types.MarkKind`."""

    name: ClassVar[str] = "roaming"
    placed: ClassVar[bool] = False
    by_pixels: ClassVar[bool] = False
    vague: ClassVar[int] = 1
    least_gain: ClassVar[float] = 0.10

    def strengths(self, trigger: FoundTrigger) -> dict[str, FoundTrigger]:
        """Return it as found."""
        return {AS_FOUND: trigger}

    def paste(self, images: UInt8Array, trigger: FoundTrigger, rng: np.random.Generator) -> UInt8Array:
        """Put it at a random place in every image."""
        rows, columns = np.nonzero(trigger.mask > 0)
        values = np.clip(np.rint(trigger.pattern), 0, 255).astype(np.uint8)[:, rows, columns]
        rows, columns = rows - rows.min(), columns - columns.min()
        pasted = images.copy()
        down = rng.integers(0, images.shape[2] - rows.max(), len(images))
        right = rng.integers(0, images.shape[3] - columns.max(), len(images))
        for number in range(len(images)):
            pasted[number][:, rows + down[number], columns + right[number]] = values
        return pasted

    def controls(self, compared: Compared, rng: np.random.Generator) -> Iterator[FoundTrigger]:
        """Give pieces of other members."""
        return (_piece(image, compared.trigger, rng) for image in compared.drawn(rng))

    def carriers(self, evidence: Evidence, trigger: FoundTrigger, hint: Hint) -> IntArray:
        """Return all members that show it somewhere; the hint's where it is nothing rare: white is part of any wall."""
        bound = self.bound(evidence, trigger, hint.label)
        if bound is None:
            return hint.carriers
        members = evidence.members(hint.label)
        return members[likenesses(self.likeness(trigger), evidence, members) > bound]

    def likeness(self, trigger: FoundTrigger) -> Callable[[UInt8Array], FloatArray]:
        """Return what tells the distance at the place where it fits best, times -1."""
        return lambda images: -nearest(images, trigger.mask, trigger.pattern)

    def bound(self, evidence: Evidence, trigger: FoundTrigger, label: int) -> float | None:
        """Return what one in a thousand samples of other classes reaches; ``None`` without any, or if that is close."""
        others = some(np.flatnonzero(evidence.labels != label), evidence.seed, _SOUGHT)
        if not len(others):
            return None
        rare = float(np.quantile(-likenesses(self.likeness(trigger), evidence, others), RARE))
        return None if rare < _LEAST else -min(rare, _FARTHEST)

    def shown(self, pattern: FloatArray) -> FloatArray:
        """Return the pattern as it is."""
        return pattern


def nearest(images: UInt8Array, mask: FloatArray, pattern: FloatArray) -> FloatArray:
    """Return how far each image is from a mark at the place where it fits best.

    Args:
        images: ``(N, C, H, W)``.
        mask: ``(H, W)``; above 0 where the mark's pixels are.
        pattern: ``(C, H, W)`` with the mark's grey levels there.

    Returns:
        Root mean square ``(N,)`` of the difference over the mark's pixels, in grey levels.
    """
    least = [squares.reshape(len(squares), -1).min(1) for squares in _squares(images, mask, pattern)]
    count = int((mask > 0).sum()) * len(pattern)
    apart: FloatArray = np.sqrt(np.concatenate([np.empty(0, np.float32), *least]) / count)
    return apart


def places_of(images: UInt8Array, mask: FloatArray, pattern: FloatArray) -> IntArray:
    """Return ``(N, 2)`` row and column of the first pixel of a mark where it fits best; see :func:`nearest`."""
    found = []
    for squares in _squares(images, mask, pattern):
        best = squares.reshape(len(squares), -1).argmin(1)
        found.append(np.stack(np.divmod(best, squares.shape[2]), 1))
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def _squares(images: UInt8Array, mask: FloatArray, pattern: FloatArray) -> Iterator[FloatArray]:
    """Yield, of a few images at a time, the sum of squares for all places at once: pixel by pixel of the mark."""
    rows, columns = np.nonzero(mask > 0)
    height, width = (
        side - int(at.max() - at.min()) for side, at in zip(images.shape[2:], (rows, columns), strict=True)
    )
    cells = list(zip(rows - rows.min(), columns - columns.min(), pattern[:, rows, columns].T, strict=True))
    few = max(1, _CACHED // int(np.prod(images.shape[2:])))
    for start in range(0, len(images), few):
        planes = images[start : start + few].astype(np.float32)
        total = np.zeros((len(planes), height, width), np.float32)
        apart = np.empty_like(total)
        for down, right, values in cells:
            for channel, value in enumerate(values):
                np.subtract(planes[:, channel, down : down + height, right : right + width], value, out=apart)
                np.multiply(apart, apart, out=apart)
                total += apart
        yield total


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
