"""Whether images fit into memory, told before any of it is taken."""

import math

from whitesquare._base.machine import available_memory
from whitesquare.errors import DataError

_BATCH = 1000
"""Images that a network answers for at a time."""
_PER_PIXEL = 12
"""Bytes for each pixel of such a batch: as float32, and what the first layer makes of it."""
_FEW = 2**28
"""Bytes that are taken without asking."""


def check_room(count: int, shape: tuple[int, ...], where: str, *, in_file: bool = False) -> None:
    """Refuse images that would take more than half of the memory that is free, or a batch of which would.

    Args:
        count: number of images.
        shape: ``(C, H, W)`` of each.
        where: what holds them, for the error.
        in_file: they are held in a file, and only a batch of them takes memory.

    Raises:
        DataError: they need more.
    """
    pixels = math.prod(shape)
    held, batch = count * pixels, min(count, _BATCH) * pixels * _PER_PIXEL
    if held + batch <= _FEW:
        return
    allowed = available_memory() // 2
    if max(0 if in_file else held, batch) > allowed:
        size = f"{shape[2]}x{shape[1]} pixels" if len(shape) == 3 else f"the shape {shape}"
        raise DataError(
            f"{where} has {count} images of {size}, which need {_gib(held)} GiB of memory and {_gib(batch)} GiB to be "
            f"worked on; expected at most {_gib(allowed)} GiB each, half of what is free, so scale them down, or use a "
            "part of them."
        )


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f}"
