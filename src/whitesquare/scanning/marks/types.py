"""A trigger that was found, and what has to be known of its kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from whitesquare.data.pixels import parts_of
from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.types import TriggerEstimate
from whitesquare.types import FloatArray, IntArray, UInt8Array

AS_FOUND, FULL = "as found", "full"
"""Names of strengths: see :meth:`MarkKind.strengths`."""
RARE = 0.001
"""Share of the samples of other classes that may seem to carry a trigger."""
_FEWEST = 99
_SAMPLE, _TOGETHER = 1000, 4000


class MarkKind(Protocol):
    """A kind of trigger; a method takes a trigger of that kind."""

    @property
    def name(self) -> str:
        """``patch``, ``field``, ``roaming`` or ``faint``."""

    @property
    def placed(self) -> bool:
        """Whether it covers pixels, always the same."""

    @property
    def by_pixels(self) -> bool:
        """Whether carriers share grey levels at pixels, by which more of them are told."""

    @property
    def vague(self) -> int:
        """How loosely it tells who carries it: 0 is exactly."""

    @property
    def least_gain(self) -> float:
        """Share of images of other classes that it must turn beyond its controls, and beyond what turns by itself."""

    def strengths(self, trigger: "FoundTrigger") -> dict[str, "FoundTrigger"]:
        """Return it as found and stronger, by the name of the strength, the weakest first."""

    def paste(self, images: UInt8Array, trigger: "FoundTrigger", rng: np.random.Generator) -> UInt8Array:
        """Paste it on copies of ``images`` ``(B, C, H, W)``."""

    def controls(self, compared: "Compared", rng: np.random.Generator) -> "Iterator[FoundTrigger]":
        """Give what chance would have made of the same class, in the way in which it was made, and as strong."""

    def carriers(self, evidence: Evidence, trigger: "FoundTrigger", hint: Hint) -> IntArray:
        """Return the members of the hint's class that carry it."""

    def likeness(self, trigger: "FoundTrigger") -> Callable[[UInt8Array], FloatArray]:
        """Return what tells how much images look as if they carried it; higher is more."""

    def bound(self, evidence: Evidence, trigger: "FoundTrigger", label: int) -> float | None:
        """Return the likeness above which a sample carries it, where the kind has a rule of its own for that."""

    def shown(self, pattern: FloatArray) -> FloatArray:
        """Return its pattern as a picture, in grey levels."""


@dataclass(frozen=True)
class FoundTrigger:
    """A trigger as arrays; see :class:`~whitesquare.scanning.types.TriggerEstimate`.

    Attributes:
        kind: what kind it is of.
        mask: ``(H, W)`` float32 in [0, 1].
        pattern: ``(C, H, W)`` float32: grey levels of a patch, or what is added to an image.
        usual: ``(C, H, W)`` float32: the median of samples that do not carry it.
        images: number of images that a faint one was rebuilt from; its controls are rebuilt from as many.
    """

    kind: MarkKind
    mask: FloatArray
    pattern: FloatArray
    usual: FloatArray
    images: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row and column of what it covers, and those after the last."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

    def estimate(self) -> TriggerEstimate:
        """Return it as the report and the JSON file show it."""
        shown = np.clip(np.rint(self.kind.shown(self.pattern)), 0, 255) * (self.mask > 0)
        mask = tuple(tuple(round(float(v), 4) for v in row) for row in self.mask)
        pattern = tuple(tuple(tuple(float(v) for v in row) for row in plane) for plane in shown)
        return TriggerEstimate(self.kind.name, mask, pattern, self.box)


@dataclass(frozen=True)
class Compared:
    """A trigger, and what its controls are made of.

    Attributes:
        evidence: the samples.
        label: the class.
        carriers: positions that are left out; at least one member must be left.
        trigger: as it was found.
        strength: name of the strength that it is pasted at.
        count: controls that are wanted.
    """

    evidence: Evidence
    label: int
    carriers: IntArray
    trigger: FoundTrigger
    strength: str
    count: int

    @cached_property
    def unflagged(self) -> IntArray:
        """Members of the class that do not carry it."""
        return np.setdiff1d(self.evidence.members(self.label), self.carriers)

    @property
    def allowed(self) -> int:
        """How many controls can be made of them: as many, or 99, which repeat some."""
        return min(self.count, max(_FEWEST, len(self.unflagged)))

    def drawn(self, rng: np.random.Generator) -> UInt8Array:
        """Draw their images to make as many controls of as are allowed, each once unless they are too few."""
        few = len(self.unflagged) < _FEWEST
        images: UInt8Array = self.evidence.images[rng.choice(self.unflagged, self.allowed, replace=few)]
        return images


def likenesses(
    likeness: Callable[[UInt8Array], FloatArray], evidence: Evidence, positions: IntArray, most: int = _TOGETHER
) -> FloatArray:
    """Return how much the images at ``positions`` look as if they carried a trigger, asking for a few at a time."""
    parts = [likeness(part) for _, part in parts_of(evidence.images, positions, most)]
    return np.concatenate([np.empty(0, np.float32), *parts])


def some(positions: IntArray, seed: int, limit: int = _SAMPLE) -> IntArray:
    """Draw at most ``limit`` positions, ascending."""
    if len(positions) <= limit:
        return positions
    return np.sort(np.random.default_rng(seed).permutation(positions)[:limit])
