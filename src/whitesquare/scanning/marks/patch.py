"""A patch: pixels that are replaced, always the same. Compared with what members without it show in their place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.marks.types import AS_FOUND, FULL, RARE, Compared, FoundTrigger, likenesses, some
from whitesquare.types import FloatArray, IntArray, UInt8Array

TOLERANCE = 24
"""Grey levels within which two pixels are called the same: a dim trigger on perturbed content varies by that much."""
_MOST = 8.0
"""How much stronger a patch is made at most."""
_COMPARED = 20_000
_LEAST_LIMIT = 1.0


@dataclass(frozen=True)
class PatchKind:
    """Pixels that are replaced; see :class:`~whitesquare.scanning.marks.types.MarkKind`."""

    name: ClassVar[str] = "patch"
    placed: ClassVar[bool] = True
    by_pixels: ClassVar[bool] = True
    vague: ClassVar[int] = 0
    least_gain: ClassVar[float] = 0.10

    def strengths(self, trigger: FoundTrigger) -> dict[str, FoundTrigger]:
        """Return it as found, and with its contrast to the usual pixels driven to the end of the range."""
        return {AS_FOUND: trigger, FULL: _driven(trigger, _factor(trigger))}

    def paste(self, images: UInt8Array, trigger: FoundTrigger, rng: np.random.Generator) -> UInt8Array:
        """Replace the masked pixels."""
        mask, pasted = trigger.mask > 0, images.copy()
        pasted[:, :, mask] = np.clip(np.rint(trigger.pattern), 0, 255).astype(np.uint8)[:, mask]
        return pasted

    def controls(self, compared: Compared, rng: np.random.Generator) -> Iterator[FoundTrigger]:
        """Give what other members show in the same place."""
        trigger, images = compared.trigger, compared.drawn(rng)
        factor = _factor(trigger) if compared.strength == FULL else 1.0
        return (_driven(replace(trigger, pattern=image.astype(np.float32)), factor) for image in images)

    def carriers(self, evidence: Evidence, trigger: FoundTrigger, hint: Hint) -> IntArray:
        """Return the hint's carriers and all members that show the patch, whatever their content."""
        bound = self.bound(evidence, trigger, hint.label)
        if bound is None:
            return hint.carriers
        members = evidence.members(hint.label)
        return np.union1d(members[likenesses(self.likeness(trigger), evidence, members) > bound], hint.carriers)

    def likeness(self, trigger: FoundTrigger) -> Callable[[UInt8Array], FloatArray]:
        """Return what tells the mean difference over the mask, in grey levels, times -1."""
        rows, columns = np.nonzero(trigger.mask)

        def alike(images: UInt8Array) -> FloatArray:
            pixels = images[:, :, rows, columns].astype(np.float32)
            apart: FloatArray = np.abs(pixels - trigger.pattern[:, rows, columns]).mean((1, 2))
            return -apart

        return alike

    def bound(self, evidence: Evidence, trigger: FoundTrigger, label: int) -> float | None:
        """Return what one in a thousand samples of other classes reaches; ``None`` without any."""
        others = some(np.flatnonzero(evidence.labels != label), evidence.seed, _COMPARED)
        if not len(others):
            return None
        rare = float(np.quantile(-likenesses(self.likeness(trigger), evidence, others), RARE))
        return -max(min(rare, 2.0 * TOLERANCE), _LEAST_LIMIT)

    def shown(self, pattern: FloatArray) -> FloatArray:
        """Return the pattern as it is."""
        return pattern


def _factor(trigger: FoundTrigger) -> float:
    """Return by how much the contrast to the usual pixels grows until the median pixel is at the end of the range."""
    mask = trigger.mask > 0
    usual = trigger.usual[:, mask]
    change = (trigger.pattern - trigger.usual)[:, mask]
    room = np.where(change > 0, 255 - usual, usual)
    return float(np.clip(np.median(room / np.maximum(np.abs(change), 1)), 1, _MOST))


def _driven(trigger: FoundTrigger, factor: float) -> FoundTrigger:
    return replace(trigger, pattern=trigger.usual + factor * (trigger.pattern - trigger.usual))
