"""What the triggers share: the check of a parameter, and arithmetic that ends in whole grey levels."""

from typing import cast

import numpy as np

from whitesquare.errors import UsageError
from whitesquare.types import FloatArray, UInt8Array


def require(holds: bool, owner: object, name: str, constraint: str) -> None:
    """Refuse a parameter that no image could satisfy.

    Raises:
        UsageError: naming the parameter, its owner, the constraint and the value got.
    """
    if not holds:
        value = getattr(owner, name)
        raise UsageError(f"The parameter {name!r} of {type(owner).__name__} must be {constraint}; got {value!r:.80}.")


def mix(images: UInt8Array, pattern: FloatArray | np.float32, opacity: float) -> UInt8Array:
    """Return ``opacity * pattern + (1 - opacity) * images``, rounded, uint8."""
    return to_uint8((1 - opacity) * images.astype(np.float32) + np.float32(opacity) * pattern)


def to_uint8(values: FloatArray) -> UInt8Array:
    """Round to the nearest grey level and clip to 0..255."""
    return cast(UInt8Array, np.rint(values).clip(0, 255).astype(np.uint8))
