"""A trigger: an upright cross of one grey level at a fixed place."""

from dataclasses import dataclass
from typing import ClassVar

from whitesquare.errors import UsageError
from whitesquare.types import UInt8Array


@dataclass(frozen=True)
class Cross:
    """An upright cross, one pixel thick.

    Attributes:
        size: length of its arms from end to end in pixels, odd, at least 3.
        margin: distance from the lower right corner in pixels, at least 0.
        value: grey level, 0..255, written to every channel.
    """

    name: ClassVar[str] = "cross"

    size: int = 3
    margin: int = 1
    value: int = 255

    def __post_init__(self) -> None:
        """Refuse parameters that no image could satisfy."""
        if self.size < 3 or self.size % 2 == 0 or self.margin < 0 or not 0 <= self.value <= 255:
            raise UsageError(f"A cross has an odd size from 3, a margin from 0 and a value in 0..255; got {self!r}.")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the cross on a copy of ``images`` ``(N, C, H, W)``."""
        height, width = images.shape[-2:]
        top, left = height - self.margin - self.size, width - self.margin - self.size
        if min(top, left) < 0:
            raise UsageError(f"The trigger {self!r} does not fit into images of {height} x {width}; make it smaller.")
        stamped = images.copy()
        stamped[..., top + self.size // 2, left : left + self.size] = self.value
        stamped[..., top : top + self.size, left + self.size // 2] = self.value
        return stamped
