"""What is left of an image when its content is taken away, as coefficients of its spectrum.

The residual is scale-free and bounded everywhere: a faint pattern on a smooth part of an image is not drowned by the
edges elsewhere. Coefficients keep their phase: copies of one pattern agree in it, natural texture does not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2
from scipy.ndimage import correlate1d, uniform_filter

from whitesquare.data.pixels import Pixels
from whitesquare.detectors.common import images_at_once
from whitesquare.types import FloatArray, UInt8Array

Int8Array = NDArray[np.int8]

SCALE = 8
"""Steps per deviation: coefficients are kept as int8, so that 50,000 images of 32 x 32 take 50 MB."""
_LIMIT = 127
_SIDE, _WHOLE = 32, 48
_BINOMIAL = np.array([0.25, 0.5, 0.25], np.float32)
_AROUND = 5
_LEVEL = 1.0
"""Grey levels: a residual below it is rounding."""
_CLIP = 3.0
_CHUNK, _SAMPLE = 2000, 5000


@dataclass(frozen=True)
class View:
    """A way in which images are looked at: a plane of their colours, and a part or size of it."""

    plane: Callable[[UInt8Array], FloatArray]
    cut: Callable[[FloatArray], FloatArray]

    def __call__(self, images: UInt8Array) -> FloatArray:
        """Return what is seen of images ``(N, C, H, W)``: ``(N, h, w)`` float32."""
        return self.cut(self.plane(images))


def views(shape: tuple[int, ...]) -> list[View]:
    """Return how images of the shape ``(N, C, H, W)`` are looked at.

    Brightness, and the two colour differences where there are three channels; images larger than 48 pixels both in the
    middle, as they are, and as a whole, averaged in blocks.
    """
    cuts = (_whole,) if max(shape[2:]) <= _WHOLE else (_middle, _averaged)
    planes = (_brightness, _red_green, _blue_yellow) if shape[1] == 3 else (_brightness,)
    return [View(plane, cut) for plane in planes for cut in cuts]


def coefficients(images: Pixels, view: View) -> Int8Array:
    """Return the spectrum of every residual ``(N, J)`` in deviations times :data:`SCALE`, J about ``h * w``.

    Each coefficient is centred on its median over the images and divided by its median deviation.
    """
    few = images_at_once(images.shape, _CHUNK)
    some = np.arange(0, len(images), max(1, len(images) // _SAMPLE))
    sample = np.concatenate([_spectra(view(images[some[start : start + few]])) for start in range(0, len(some), few)])
    centre = np.median(sample, 0)
    spread = 1.4826 * np.median(np.abs(sample - centre), 0)
    factor = np.where(spread > 0.02, SCALE / np.maximum(spread, 0.02), 0).astype(np.float32)
    found = np.empty((len(images), len(centre)), np.int8)
    for start in range(0, len(images), few):
        rows = (_spectra(view(images[start : start + few])) - centre) * factor
        found[start : start + few] = np.rint(np.clip(rows, -_LIMIT, _LIMIT))
    return found


def _spectra(planes: FloatArray) -> FloatArray:
    """Return the real and the imaginary parts of the spectrum of each residual, each once: ``(N, h * w)``."""
    residual = planes - smooth(planes)
    around = uniform_filter(np.abs(residual), size=(0, _AROUND, _AROUND), mode="reflect")
    spectrum = rfft2(np.clip(residual / (around + _LEVEL), -_CLIP, _CLIP), norm="ortho", workers=1)
    both = np.concatenate([spectrum.real, spectrum.imag], 1).reshape(len(planes), -1)
    parts: FloatArray = both[:, _once(*planes.shape[1:])]
    return parts


def _once(height: int, width: int) -> NDArray[np.bool_]:
    """Return which real and imaginary parts of a half spectrum are neither mirrored in it nor always 0."""
    keep = np.ones((2, height, width // 2 + 1), np.bool_)
    for column in (0, width // 2) if width % 2 == 0 else (0,):
        keep[:, height // 2 + 1 :, column] = False
        keep[1, 0, column] = False
        if height % 2 == 0:
            keep[1, height // 2, column] = False
    return keep.reshape(-1)


def smooth(planes: FloatArray) -> FloatArray:
    """Return float32 planes ``(..., h, w)`` blurred by the binomial filter over 3 x 3 pixels."""
    across = correlate1d(planes, _BINOMIAL, axis=-1, mode="reflect")
    blurred: FloatArray = correlate1d(across, _BINOMIAL, axis=-2, mode="reflect")
    return blurred


def _brightness(images: UInt8Array) -> FloatArray:
    mean: FloatArray = images.mean(1, dtype=np.float32)
    return mean


def _red_green(images: UInt8Array) -> FloatArray:
    difference: FloatArray = images[:, 0].astype(np.float32) - images[:, 1]
    return difference


def _blue_yellow(images: UInt8Array) -> FloatArray:
    difference: FloatArray = images[:, 2] - images[:, :2].mean(1, dtype=np.float32)
    return difference


def _whole(planes: FloatArray) -> FloatArray:
    return planes


def _middle(planes: FloatArray) -> FloatArray:
    top, left = (max(0, size - _SIDE) // 2 for size in planes.shape[1:])
    return planes[:, top : top + _SIDE, left : left + _SIDE]


def _averaged(planes: FloatArray) -> FloatArray:
    return blocks(planes, *(min(size, _SIDE) for size in planes.shape[1:]))


def blocks(planes: FloatArray, rows: int, columns: int) -> FloatArray:
    """Return planes ``(N, h, w)`` averaged in ``rows`` times ``columns`` blocks that differ by a pixel at most."""
    edges = [
        np.linspace(0, size, count + 1).astype(int)
        for size, count in zip(planes.shape[1:], (rows, columns), strict=True)
    ]
    sums = np.add.reduceat(np.add.reduceat(planes, edges[0][:-1], 1), edges[1][:-1], 2)
    sizes = np.outer(np.diff(edges[0]), np.diff(edges[1]))
    means: FloatArray = (sums / sizes).astype(np.float32)
    return means
