"""Pictures without Matplotlib: check what came in, compare, enlarge, encode."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whitesquare.errors import DataError
from whitesquare.records import Row
from whitesquare.types import Gallery, UInt8Array

SHOWN = 6
"""Poisons shown per row."""

DARKER = (33, 102, 172)
BRIGHTER = (179, 88, 6)

_LARGEST = 320
_TILE = 112


@dataclass(frozen=True)
class PixelBox:
    """A rectangle of pixels: the first row and column inside, and the first outside."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Sample:
    """One poison as the report shows it; pictures are ``(H, W, 3)``."""

    id: str
    original: UInt8Array
    poison: UInt8Array
    difference: UInt8Array


def check(gallery: Gallery) -> None:
    """Refuse pictures that cannot be shown.

    Raises:
        DataError: if an array is not uint8, has another number of axes, is empty, or pairs differ in shape.
    """
    for name, image in (("example", gallery.example), ("triggered", gallery.triggered)):
        _check_array(f"The gallery's {name} image", image, axes=3)
    if gallery.example.shape != gallery.triggered.shape:
        raise DataError(
            f"The gallery's example is {gallery.example.shape} but its triggered copy is "
            f"{gallery.triggered.shape}; they must have one shape."
        )
    for name, poisons in gallery.poisons.items():
        originals = gallery.originals.get(name, poisons[:0])
        if len(poisons) == len(originals) == 0:
            continue
        _check_array(f"The gallery's poisons of row {name!r:.80}", poisons, axes=4)
        _check_array(f"The gallery's originals of row {name!r:.80}", originals, axes=4)
        if poisons.shape != originals.shape:
            raise DataError(
                f"The gallery has poisons {poisons.shape} and originals {originals.shape} for row "
                f"{name!r:.80}; they must be pairs of one shape."
            )


def _check_array(what: str, array: UInt8Array, *, axes: int) -> None:
    if array.dtype != np.uint8 or array.ndim != axes or 0 in array.shape:
        raise DataError(
            f"{what}: found {array.dtype} of shape {array.shape}, expected a non-empty uint8 array of "
            f"{axes} axes, {'(C, H, W)' if axes == 3 else '(N, C, H, W)'}."
        )


def picture(image: UInt8Array) -> UInt8Array:
    """Turn a ``(C, H, W)`` image into an ``(H, W, 3)`` picture: RGB, or else its first channel in grey."""
    planes = image[:3] if len(image) in (3, 4) else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(np.moveaxis(planes, 0, 2))


def difference(original: UInt8Array, poison: UInt8Array, limit: float) -> UInt8Array:
    """Picture the signed change of each pixel: white none, blue darker, orange brighter.

    Args:
        original: the ``(C, H, W)`` image before.
        poison: the same image after.
        limit: the change, in pixel values, that gets the full colour; larger ones get it too.
    """
    change = poison.astype(np.int16) - original.astype(np.int16)
    strongest = np.take_along_axis(change, np.abs(change).argmax(axis=0)[None], axis=0)[0]
    amount = np.clip(np.abs(strongest) / max(limit, 1.0), 0.0, 1.0)[..., None]
    colour = np.where(strongest[..., None] < 0, DARKER, BRIGHTER)
    result: UInt8Array = np.rint(255 + amount * (colour - 255.0)).astype(np.uint8)
    return result


def limit(row: Row, originals: UInt8Array, poisons: UInt8Array) -> float:
    """Return the change that gets full colour in a row's differences: its L-inf, else the largest one."""
    if row.linf is not None and np.isfinite(row.linf) and row.linf > 0:
        return max(1.0, row.linf * 255)
    change = np.abs(poisons.astype(np.int16) - originals.astype(np.int16))
    return max(1.0, float(change.max(initial=0)))


def samples(row: Row, gallery: Gallery) -> list[Sample]:
    """Return the first :data:`SHOWN` poisons of a row with their originals; empty if the gallery has none."""
    poisons, originals = gallery.poisons.get(row.name), gallery.originals.get(row.name)
    if poisons is None or originals is None or not len(poisons):
        return []
    poisons, originals = poisons[:SHOWN], originals[:SHOWN]
    ids = gallery.poison_ids.get(row.name, ())
    scale = limit(row, originals, poisons)
    return [
        Sample(
            ids[i] if i < len(ids) else f"#{i + 1}",
            picture(originals[i]),
            picture(poisons[i]),
            difference(originals[i], poisons[i], scale),
        )
        for i in range(len(poisons))
    ]


def changed(before: UInt8Array, after: UInt8Array) -> PixelBox | None:
    """Return the smallest box around the pixels in which two ``(C, H, W)`` images differ, or ``None``."""
    rows, columns = np.nonzero((before != after).any(axis=0))
    if not len(rows):
        return None
    return PixelBox(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)


def enlarge(shown: NDArray[np.uint8], side: int = 224) -> UInt8Array:
    """Repeat the pixels of a small picture until its shorter side is about ``side``; larger ones stay."""
    times = max(1, round(side / min(shown.shape[:2])))
    return np.repeat(np.repeat(shown, times, axis=0), times, axis=1)


def mosaic(lines: list[list[UInt8Array]]) -> tuple[UInt8Array, list[float]]:
    """Lay out lines of equally large pictures, framed and with gaps, always :data:`SHOWN` wide.

    Returns:
        The whole picture, and where the middle of each line is.
    """
    framed = [[np.pad(_tile(shown), ((1, 1), (1, 1), (0, 0)), constant_values=154) for shown in line] for line in lines]
    height, width = framed[0][0].shape[:2]
    gap = max(4, width // 10)
    whole = np.full((len(lines) * (height + gap) - gap, SHOWN * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for y, line in enumerate(framed):
        for x, shown in enumerate(line):
            top, left = y * (height + gap), x * (width + gap)
            whole[top : top + height, left : left + width] = shown
    return whole, [y * (height + gap) + height / 2 for y in range(len(lines))]


def _tile(shown: UInt8Array) -> UInt8Array:
    image = Image.fromarray(enlarge(shown, _TILE))
    image.thumbnail((2 * _TILE, 2 * _TILE))
    return np.asarray(image)


def png(shown: UInt8Array) -> bytes:
    """Encode an ``(H, W, 3)`` picture as PNG, scaled down if it is larger than a report needs."""
    image = Image.fromarray(shown)
    image.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
