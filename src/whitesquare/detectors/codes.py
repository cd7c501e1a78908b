"""Small windows of an image as one number each, so that equal windows can be counted."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.pixels import Pixels, row_of
from whitesquare.types import UInt8Array

CodeArray = NDArray[np.uint16]
EVERY = slice(None)
_ALIKE = 8
"""Grey levels within which a pixel is like the middle one of its window."""
_TILE = 2**22
"""Grey levels of a row of all images that are worked on at a time; what is made of them takes about 200 bytes each."""
_TURNED = 256
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


def code_bits(images: Pixels, scale: Scale, classes: int, most: int) -> int:
    """Return how many bits a code takes: at most ``most``, and few enough that a count per class and code is small."""
    table = int(np.clip(np.log2(1_000_000 / max(classes, 1)), 8, most))
    return min(int(scale.size * scale.size * (images.shape[1] * scale.bits or 1)), table)


def tiles(shape: tuple[int, ...], size: int) -> Iterator[slice]:
    """Yield the columns of images ``(N, C, H, W)`` in parts; windows of ``size`` pixels lie in one part each.

    Few images are one part; of many, as many columns are taken at a time as leaves memory for all of them.
    """
    count, channels, _, width = shape
    places = max(1, _TILE // max(1, count * channels))
    for left in range(0, width - size + 1, places):
        yield slice(left, min(left + places + size - 1, width))


def window_codes(images: Pixels, scale: Scale, bits: int, columns: slice = EVERY) -> Iterator[tuple[int, CodeArray]]:
    """Yield every row and the codes ``(W', N)`` of the windows that begin there, in ``0 .. 2**bits - 1``.

    Images that are smaller than a window have none. A row of a window becomes a code once, for all windows that it is
    part of. What does not fit is hashed: then a few unequal windows share a code. Only the rows of one window are held
    at a time.

    Args:
        images: ``(N, C, H, W)``.
        scale: size and grey levels of the window.
        bits: see :func:`code_bits`; at most 16.
        columns: of the images that windows are made of.
    """
    size, mask = scale.size, np.uint16((1 << bits) - 1)
    held: deque[NDArray[Any]] = deque(maxlen=size)
    for bottom in range(images.shape[2]):
        row = _samples_last(row_of(images, bottom, columns))
        if row.shape[1] < size:
            return
        held.append(row if scale.bits == 0 else _across(row >> np.uint8(8 - scale.bits), scale, bits))
        if len(held) < size:
            continue
        wide = size if scale.bits == 0 else size * images.shape[1] * scale.bits
        rows = _outlines(held, size) if scale.bits == 0 else held
        code = _packed(rows, wide) if wide * size <= bits else _hashed(rows) & mask
        yield bottom - size + 1, code


def _samples_last(row: UInt8Array) -> UInt8Array:
    """Return a row of images ``(N, C, W)`` as ``(C, W, N)``; a few at a time, for a processor to keep them at hand."""
    turned = np.empty((*row.shape[1:], len(row)), np.uint8)
    for start in range(0, len(row), _TURNED):
        turned[..., start : start + _TURNED] = row[start : start + _TURNED].transpose(1, 2, 0)
    return turned


def _across(row: UInt8Array, scale: Scale, bits: int) -> CodeArray:
    """Return the code ``(W', N)`` of every run of pixels of a row ``(C, W, N)`` that is as wide as a window."""
    places = row.shape[1] - scale.size + 1
    cells = [plane[left : left + places].astype(np.uint16) for left in range(scale.size) for plane in row]
    return _packed(cells, scale.bits) if len(cells) * scale.bits * scale.size <= bits else _hashed(cells)


def _outlines(rows: Iterable[UInt8Array], size: int) -> Iterator[CodeArray]:
    """Yield, row by row, which pixels of windows have the colour of the middle one, as bits of a code ``(W', N)``."""
    held, place = list(rows), (size - 1) // 2
    places = held[0].shape[1] - size + 1
    middle = held[place][:, place : place + places]
    darkest = np.maximum(middle, _ALIKE) - np.uint8(_ALIKE)
    span = np.minimum(middle, 255 - _ALIKE) + np.uint8(_ALIKE) - darkest
    above, alike = np.empty(middle.shape, np.uint8), np.empty(middle.shape, np.bool_)
    for row in held:
        code = np.zeros(middle.shape[1:], np.uint8)
        for left in range(size):
            # What is darker than the darkest wraps around to a large number.
            np.subtract(row[:, left : left + places], darkest, out=above)
            np.less_equal(above, span, out=alike)
            code += code  # a shift takes ten times as long
            code |= (alike[0] if len(alike) == 1 else alike.all(0)).view(np.uint8)
        yield code.astype(np.uint16)


def _packed(cells: Iterable[CodeArray], bits: int) -> CodeArray:
    """Put cells of so many bits one after the other; there is room for them."""
    return reduce(lambda code, cell: (code << np.uint16(bits)) | cell, cells)


def _hashed(cells: Iterable[CodeArray]) -> CodeArray:
    """Mix cells into 16 bits; multiplication in uint16 wraps around, which is what mixes."""

    def mixed(code: CodeArray, cell: tuple[int, CodeArray]) -> CodeArray:
        number, value = cell
        code = (code ^ value) * np.uint16(40503) + np.uint16(_PRIMES[number % len(_PRIMES)])
        return code ^ (code >> np.uint16(7))

    return reduce(mixed, enumerate(cells), np.zeros(1, np.uint16))
