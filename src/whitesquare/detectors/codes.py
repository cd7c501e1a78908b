"""Small windows of an image as one number each, so that equal windows can be counted."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whitesquare.types import UInt8Array

CodeArray = NDArray[np.uint16]
_ALIKE = 8
"""Grey levels within which a pixel is like the middle one of its window."""
_PRIMES = (1, 40503, 30011, 52379, 16661, 45137, 24593, 60869, 12289)


@dataclass(frozen=True)
class Scale:
    """How a window becomes a code.

    Attributes:
        size: side of the window in pixels.
        bits: grey levels kept per pixel and channel, as a power of two, 1 to 8; 0 keeps, of each pixel, whether it has
            the colour of the middle one: the outline of a spot, whatever its colour.
    """

    size: int
    bits: int


def code_bits(images: UInt8Array, scale: Scale, classes: int, most: int) -> int:
    """Return how many bits a code takes: at most ``most``, and few enough that a count per class and code is small."""
    table = int(np.clip(np.log2(1_000_000 / max(classes, 1)), 8, most))
    return min(int(scale.size * scale.size * (images.shape[1] * scale.bits or 1)), table)


def window_codes(images: UInt8Array, scale: Scale, bits: int) -> Iterator[tuple[int, int, CodeArray]]:
    """Yield row, column and the code ``(N,)`` of every window, in ``0 .. 2**bits - 1``.

    Windows that do not fit are hashed: then a few unequal windows share a code. One band of rows is held at a time.

    Args:
        images: ``(N, C, H, W)``.
        scale: size and grey levels of the window.
        bits: see :func:`code_bits`; at most 16.
    """
    height, width = images.shape[2:]
    outline = scale.bits == 0
    cells = scale.size * scale.size * (1 if outline else images.shape[1])
    exact = cells * (scale.bits or 1) <= bits
    shift, mask = np.uint8(0 if outline else 8 - scale.bits), np.uint16((1 << bits) - 1)
    for top in range(height - scale.size + 1):
        band = images[:, :, top : top + scale.size] >> shift
        rows = np.ascontiguousarray(band.transpose(2, 3, 1, 0)).astype(np.uint16)  # (size, W, C, N)
        for left in range(width - scale.size + 1):
            window = rows[:, left : left + scale.size]
            seen: CodeArray = _outline(window) if outline else window
            seen = seen.reshape(cells, len(images))
            yield top, left, _packed(seen, scale.bits or 1) if exact else _hashed(seen) & mask


def _outline(window: CodeArray) -> CodeArray:
    """Return which pixels of windows ``(size, size, C, N)`` have the colour of the middle one ``(size, size, N)``."""
    place = (len(window) - 1) // 2
    levels = window.astype(np.int16)
    same = (np.abs(levels - levels[place, place]) <= _ALIKE).all(2)
    found: CodeArray = same.astype(np.uint16)
    return found


def _packed(window: CodeArray, bits: int) -> CodeArray:
    code = np.zeros(window.shape[1], np.uint16)
    for cell in window:
        code = (code << np.uint16(bits)) | cell
    return code


def _hashed(window: CodeArray) -> CodeArray:
    """Mix the cells into 16 bits; multiplication in uint16 wraps around, which is what mixes."""
    code = np.zeros(window.shape[1], np.uint16)
    for number, cell in enumerate(window):
        code = (code ^ cell) * np.uint16(40503) + np.uint16(_PRIMES[number % len(_PRIMES)])
        code ^= code >> np.uint16(7)
    return code
