"""Close-ups: parts of large images at full size, for marks that the scan's models, to which these are averaged, miss.

The places at which something small was found are cut out of every image, put side by side, and learned by models of
their own; what was found is then tested on them as on any others. A mark that is larger is seen in the whole image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.pixels import parts_of
from whitesquare.detectors.types import Evidence
from whitesquare.scanning.candidates import Candidate
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.prune import pruned
from whitesquare.scanning.running import as_step, torch_threads
from whitesquare.types import Classifier, FloatArray, UInt8Array

Number = TypeVar("Number", bound=np.generic)
Box = tuple[int, int, int, int]
_SMALL = 4
"""Averaged pixels that a side of a mark covers at most, to be worth a closer look."""
_MARGIN, _LEAST, _MOST = 16, 24, 40
"""Pixels that a window is larger than the largest mark, and the least and most that a side of it has."""
_ALL = 80
"""Pixels of a side of all windows together: what a network need not average down."""


@dataclass(frozen=True)
class Windows:
    """Square parts of images, side by side in rows.

    Attributes:
        shape: ``(H, W)`` of a whole image.
        side: of a window, in pixels.
        corners: row and column of the first pixel of each.
    """

    shape: tuple[int, int]
    side: int
    corners: tuple[tuple[int, int], ...]

    @property
    def across(self) -> int:
        """Windows in a row."""
        return math.ceil(math.sqrt(len(self.corners)))

    def cut(self, whole: NDArray[Number]) -> NDArray[Number]:
        """Cut the windows out of ``(..., H, W)``."""
        down = -(-len(self.corners) // self.across)
        parts = np.zeros((*whole.shape[:-2], down * self.side, self.across * self.side), whole.dtype)
        for number, (top, left) in enumerate(self.corners):
            parts[self._tile(number)] = whole[..., top : top + self.side, left : left + self.side]
        return parts

    def placed(self, trigger: FoundTrigger) -> FoundTrigger | None:
        """Return a trigger as the first window shows it that shows all of it; ``None`` where none does."""
        number = next((n for n, corner in enumerate(self.corners) if self._holds(corner, trigger.box)), None)
        if number is None:
            return None
        mask = self.cut(trigger.mask)
        own = np.zeros_like(mask)
        own[self._tile(number)] = 1
        return replace(trigger, mask=mask * own, pattern=self.cut(trigger.pattern), usual=self.cut(trigger.usual))

    def restored(self, trigger: FoundTrigger) -> FoundTrigger:
        """Return a trigger that :meth:`placed` made as whole images show it; pixels that it does not cover are 0."""
        row, column, _, _ = trigger.box
        number = row // self.side * self.across + column // self.side
        top, left = self.corners[number]

        def back(part: NDArray[Number]) -> NDArray[Number]:
            whole = np.zeros((*part.shape[:-2], *self.shape), part.dtype)
            whole[..., top : top + self.side, left : left + self.side] = part[self._tile(number)]
            return whole

        return replace(trigger, mask=back(trigger.mask), pattern=back(trigger.pattern), usual=back(trigger.usual))

    def _tile(self, number: int) -> tuple[Any, ...]:
        down, right = divmod(number, self.across)
        rows, columns = (slice(n * self.side, (n + 1) * self.side) for n in (down, right))
        return ..., rows, columns

    def _holds(self, corner: tuple[int, int], box: Box) -> bool:
        (top, left), (first, start, last, end) = corner, box
        return top <= first and left <= start and last <= top + self.side and end <= left + self.side


@dataclass(frozen=True)
class Sight:
    """Samples as models see them: whole, or as windows.

    Attributes:
        evidence: the samples.
        models: the first finds, the others must agree.
        windows: the parts that are seen; ``None`` where all is.
    """

    evidence: Evidence
    models: Sequence[Classifier]
    windows: Windows | None = None

    def of(self, candidates: Sequence[Candidate], label: int) -> list[Candidate]:
        """Return the candidates of a class that the windows show, pruned by the model that finds."""
        placed = [(one, self.windows.placed(one.found)) for one in candidates] if self.windows else []
        return [
            replace(one, trigger=pruned(self.evidence, self.models[0], found, label), found=found)
            for one, found in placed
            if found is not None
        ]

    def whole(self, trigger: FoundTrigger) -> FoundTrigger:
        """Return a trigger of the windows as whole images show it."""
        return trigger if self.windows is None else self.windows.restored(trigger)

    def logits(self, images: UInt8Array) -> FloatArray:
        """Ask the model that finds about whole images ``(B, C, H, W)``."""
        return self.models[0].logits(images if self.windows is None else self.windows.cut(images))


@dataclass(frozen=True)
class Closer:
    """Who looks closer, where models see large images averaged down.

    Attributes:
        factor: pixels of a side that they see as one; above 1.
        seed: of the trainings.
        device: where they are computed.
        threads: on which.
    """

    factor: int
    seed: int
    device: str
    threads: int

    def look(self, evidence: Evidence, candidates: Sequence[Candidate]) -> Sight | None:
        """Train models on windows around what is small enough; ``None`` if nothing is.

        Raises:
            TrainingError: a training diverged.
        """
        from whitesquare.learning.choice import recipe_for
        from whitesquare.scanning.model import train_scan_models

        _, _, height, width = evidence.images.shape
        windows = windows_around(candidates, (height, width), _SMALL * self.factor)
        if windows is None:
            return None
        images = np.concatenate([windows.cut(part) for _, part in parts_of(evidence.images)])
        with torch_threads(self.threads):
            trained = train_scan_models(
                images,
                evidence.labels,
                evidence.classes,
                seed=self.seed,
                recipe=recipe_for(images.shape[1:], None),
                on_progress=as_step(evidence.on_progress, "training models on close-ups"),
                device=self.device,
            )
        seen = replace(evidence, images=images, model=None, features=None, logits=None, losses=None)
        return Sight(seen, (trained.first, *trained.witnesses), windows)


def windows_around(candidates: Sequence[Candidate], shape: tuple[int, int], largest: int) -> Windows | None:
    """Return windows around the strongest candidates at fixed places that are no larger than so many pixels a side."""
    small = [one for one in candidates if one.found.kind.placed and _side(one.found.box) <= largest]
    if not small or min(shape) < _LEAST:
        return None
    side = int(np.clip(max(_side(one.found.box) for one in small) + _MARGIN, _LEAST, _MOST))
    side = min(side, *shape)
    corners: list[tuple[int, int]] = []
    for one in sorted(small, key=lambda one: -one.hint.strength):
        box = one.found.box
        if not any(Windows(shape, side, (corner,)).placed(one.found) for corner in corners):
            middle = ((box[0] + box[2] - side) // 2, (box[1] + box[3] - side) // 2)
            corners.append((int(np.clip(middle[0], 0, shape[0] - side)), int(np.clip(middle[1], 0, shape[1] - side))))
    return Windows(shape, side, tuple(corners[: (_ALL // side) ** 2]))


def _side(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])
