"""Images with a trigger on them, stamped when they are asked for: what is more than memory holds lies in a file."""

from dataclasses import dataclass

from whitesquare.data.pixels import Pixels
from whitesquare.types import Index, Trigger, UInt8Array


@dataclass(frozen=True, eq=False)
class StampedPixels:
    """Images ``(N, C, H, W)`` that a trigger is stamped on; see :class:`whitesquare.data.pixels.Pixels`.

    Attributes:
        base: without it.
        trigger: what is stamped.
    """

    base: Pixels
    trigger: Trigger

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)``."""
        return self.base.shape

    def __len__(self) -> int:
        """Return N."""
        return len(self.base)

    def __getitem__(self, index: Index, /) -> UInt8Array:
        """Return the images at ``index`` with the trigger, ``(B, C, H, W)``."""
        return self.trigger(self.base[index])
