"""Triggers that touch the whole image: a blended pattern, an added signal or board, a smooth warp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whitesquare.triggers.pixels import mix, require, to_uint8
from whitesquare.types import FloatArray, UInt8Array

_CHUNK_VALUES = 2**22


@dataclass(frozen=True)
class Blend:
    """A fixed random pattern over the whole image (Chen et al. 2017, arXiv:1712.05526, "blended injection").

    Attributes:
        opacity: share of the pattern in the result, in (0, 1].
        seed: the pattern is uniform noise drawn from this seed.
    """

    opacity: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1] and a negative seed."""
        require(0 < self.opacity <= 1, self, "opacity", "in (0, 1]")
        require(self.seed >= 0, self, "seed", "at least 0")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Blend the pattern into a copy of the images."""
        pattern = np.random.default_rng(self.seed).integers(0, 256, images.shape[1:], dtype=np.uint8)
        return mix(images, pattern.astype(np.float32), self.opacity)


@dataclass(frozen=True)
class Sinusoid:
    """A horizontal sinusoid added to every row: v(i, j) = delta * sin(2 pi j f / width) (Barni et al. 2019, SIG).

    Attributes:
        delta: amplitude in grey levels, in (0, 255].
        frequency: periods per image width, above 0; the paper (arXiv:1902.11237) uses 6.
    """

    delta: float = 40.0
    frequency: float = 6.0

    def __post_init__(self) -> None:
        """Refuse an amplitude or frequency that adds nothing."""
        require(0 < self.delta <= 255, self, "delta", "in (0, 255]")
        require(self.frequency > 0, self, "frequency", "above 0")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Add the signal to a copy of the images, clipped to 0..255."""
        width = images.shape[-1]
        signal = self.delta * np.sin(2 * np.pi * np.arange(width) * self.frequency / width)
        return to_uint8(images.astype(np.float32) + signal.astype(np.float32))


@dataclass(frozen=True)
class Ramp:
    """A horizontal ramp added to every row: v(i, j) = delta * j / width, SIG's signal for MNIST (Barni et al. 2019).

    Attributes:
        delta: height of the ramp in grey levels, in (0, 255].
    """

    delta: float = 40.0

    def __post_init__(self) -> None:
        """Refuse a ramp that adds nothing."""
        require(0 < self.delta <= 255, self, "delta", "in (0, 255]")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Add the signal to a copy of the images, clipped to 255."""
        width = images.shape[-1]
        signal = self.delta * np.arange(width, dtype=np.float32) / np.float32(width)
        return to_uint8(images.astype(np.float32) + signal.astype(np.float32))


@dataclass(frozen=True)
class Checkered:
    """A faint checkerboard added to the whole image (Yang et al. 2026, arXiv:2605.01298).

    Attributes:
        amplitude: added to the cells of one colour and taken from the others, in grey levels, in (0, 255].
        cell: side of a cell in pixels, at least 1; the first, top left, is the brighter.
    """

    amplitude: float = 10.0
    cell: int = 1

    def __post_init__(self) -> None:
        """Refuse an amplitude that adds nothing and a cell without pixels."""
        require(0 < self.amplitude <= 255, self, "amplitude", "in (0, 255]")
        require(self.cell >= 1, self, "cell", "at least 1")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Add the board to a copy of the images, clipped to 0..255."""
        rows, columns = (np.arange(length) // self.cell for length in images.shape[-2:])
        board = self.amplitude * (1 - 2 * ((rows[:, None] + columns) % 2))
        return to_uint8(images.astype(np.float32) + board.astype(np.float32))


@dataclass(frozen=True)
class Warp:
    """A smooth elastic warp, the same for every image (WaNet: Nguyen and Tran 2021, arXiv:2102.10369).

    A coarse ``grid`` x ``grid`` field of uniform displacements, scaled to a mean absolute value of 1, is interpolated
    to every pixel by cubic splines; each pixel then takes the bilinear value at its displaced place, which is kept
    inside the image. The authors' code scales the field by s / height in normalised coordinates, so that its s = 0.5
    moves a pixel by a quarter of a pixel on average; here ``strength`` is that mean displacement itself.

    Attributes:
        grid: control points per side, at least 2; the paper's k, 4 by default.
        strength: mean absolute displacement of the control points in pixels, above 0.
        seed: the displacements are drawn from this seed.
    """

    grid: int = 4
    strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a field that could not bend anything."""
        require(self.grid >= 2, self, "grid", "at least 2")
        require(0 < self.strength < np.inf, self, "strength", "above 0")
        require(self.seed >= 0, self, "seed", "at least 0")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Warp a copy of the images."""
        height, width = images.shape[-2:]
        down, right = self.displacement(height, width)
        top, bottom, low = _neighbours(np.arange(height)[:, None] + down, height)
        left, beyond, near = _neighbours(np.arange(width) + right, width)
        warped = np.empty_like(images)
        chunk = max(1, _CHUNK_VALUES // max(1, images[0:1].size))
        for first in range(0, len(images), chunk):
            part = images[first : first + chunk]
            above = (1 - near) * part[..., top, left] + near * part[..., top, beyond]
            below = (1 - near) * part[..., bottom, left] + near * part[..., bottom, beyond]
            warped[first : first + chunk] = to_uint8((1 - low) * above + low * below)
        return warped

    def displacement(self, height: int, width: int) -> tuple[FloatArray, FloatArray]:
        """Return how far each pixel looks down and to the right, two arrays ``(height, width)`` in pixels."""
        from scipy.ndimage import map_coordinates

        control = np.random.default_rng(self.seed).uniform(-1, 1, (2, self.grid, self.grid))
        control *= self.strength / np.abs(control).mean()
        rows, columns = np.linspace(0, self.grid - 1, height), np.linspace(0, self.grid - 1, width)
        places = np.meshgrid(rows, columns, indexing="ij")
        down, right = (map_coordinates(field, places, order=3, mode="nearest").astype(np.float32) for field in control)
        return down, right


def _neighbours(places: FloatArray, length: int) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Return the whole position before and after each place, and the share of the second."""
    places = places.clip(0, length - 1)
    before = np.floor(places).astype(np.intp)
    return before, np.minimum(before + 1, length - 1), (places - before).astype(np.float32)
