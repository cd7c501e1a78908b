"""What is added to an image, whatever it shows: what the kinds that are no patch have in common."""

from collections.abc import Callable

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.types import FloatArray, UInt8Array

_CHUNK = 500
_MIDDLE = 127.5


class Added:
    """A pattern that is added; see :class:`~whitesquare.scanning.marks.types.MarkKind`."""

    def paste(self, images: UInt8Array, trigger: FoundTrigger, rng: np.random.Generator) -> UInt8Array:
        """Add it to copies of ``images`` ``(B, C, H, W)``."""
        added = images + trigger.pattern
        np.clip(np.rint(added, out=added), 0, 255, out=added)
        return added.astype(np.uint8)

    def likeness(self, trigger: FoundTrigger) -> Callable[[UInt8Array], FloatArray]:
        """Return what projects images ``(N, C, H, W)`` on the pattern, in grey levels ``(N,)``."""
        flat = trigger.pattern.ravel() / max(float(np.linalg.norm(trigger.pattern)), 1e-6)

        def along(images: UInt8Array) -> FloatArray:
            starts = range(0, max(len(images), 1), _CHUNK)
            parts = [images[start : start + _CHUNK].astype(np.float32) for start in starts]
            return np.concatenate([part.reshape(len(part), -1) @ flat for part in parts])

        return along

    def bound(self, evidence: Evidence, trigger: FoundTrigger, label: int) -> float | None:
        """Return nothing: there is no rule of its own."""
        return None

    def shown(self, pattern: FloatArray) -> FloatArray:
        """Return the pattern on mid-grey."""
        on_grey: FloatArray = _MIDDLE + pattern
        return on_grey
