"""A field: what carriers have on average over the whole image, and the rest of their class has not.

So have natural groups (sevens with a bar differ from those without) and single images: it is compared with both, in
turn, as strong as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.marks.added import Added
from whitesquare.scanning.marks.types import AS_FOUND, FULL, Compared, FoundTrigger, some
from whitesquare.types import IntArray

ENOUGH = 20
"""Samples of the rest of a class that say what is usual in it; with fewer, other classes do."""
_GAIN = 2.5
_MOST = 2000
_VALUES = 1 << 27
"""Grey levels that are held at once."""


@dataclass(frozen=True)
class FieldKind(Added):
    """A difference of means, added; see :class:`~whitesquare.scanning.marks.types.MarkKind`."""

    name: ClassVar[str] = "field"
    placed: ClassVar[bool] = False
    by_pixels: ClassVar[bool] = True
    vague: ClassVar[int] = 1
    least_gain: ClassVar[float] = 0.10

    def strengths(self, trigger: FoundTrigger) -> dict[str, FoundTrigger]:
        """Return it as found, and two and a half times as strong."""
        return {AS_FOUND: trigger, FULL: replace(trigger, pattern=_GAIN * trigger.pattern)}

    def controls(self, compared: Compared, rng: np.random.Generator) -> Iterator[FoundTrigger]:
        """Give what an image has and other classes have not, and then what as many images as carriers have."""
        evidence, trigger = compared.evidence, compared.trigger
        pool = some(
            compared.unflagged, evidence.seed, max(2, min(_MOST, _VALUES // int(np.prod(evidence.images.shape[1:]))))
        )
        rows = evidence.images[pool].reshape(len(pool), -1).astype(np.float32)
        centre, usual = rows.mean(0), trigger.usual.ravel()
        group = max(1, min(len(compared.carriers), len(pool) // 4))
        norm = float(np.linalg.norm(self.strengths(trigger)[compared.strength].pattern))
        for number in range(compared.allowed):
            one = rows[rng.integers(len(rows))]
            if number % 2 and len(rows) >= ENOUGH:
                # The rest has, on the whole, the opposite of what a group has: no need to take its mean as well.
                like = rows @ (one - centre)
                shared = rows[np.argpartition(-like, group - 1)[:group]].mean(0) - centre
            else:
                shared = one - usual
            shared *= np.float32(norm / max(float(np.linalg.norm(shared)), 1.0))
            yield replace(trigger, pattern=shared.reshape(trigger.pattern.shape))

    def carriers(self, evidence: Evidence, trigger: FoundTrigger, hint: Hint) -> IntArray:
        """Return the hint's carriers: it was made of them."""
        return hint.carriers
