"""Triggers that cover a small square: solid, checkered, or at another place in every image."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whitesquare.errors import UsageError
from whitesquare.triggers.pixels import mix, require
from whitesquare.types import FloatArray, UInt8Array

_SIDES = {
    "tl": ("near", "near"),
    "tr": ("near", "far"),
    "bl": ("far", "near"),
    "br": ("far", "far"),
    "centre": ("middle", "middle"),
}
CORNERS = tuple(_SIDES)


@dataclass(frozen=True)
class _Square:
    """A square at a fixed place; the place is all that its two kinds share."""

    size: int = 2
    corner: str = "br"
    margin: int = 1
    x: int = 0
    y: int = 0

    def __post_init__(self) -> None:
        require(self.size >= 1, self, "size", "at least 1")
        require(self.corner in CORNERS, self, "corner", f"one of {', '.join(CORNERS)}")
        require(self.margin >= 0, self, "margin", "at least 0")

    def place(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns the square covers in an image of ``height`` x ``width``.

        Raises:
            UsageError: if they do not lie inside the image.
        """
        vertical, horizontal = _SIDES[self.corner]
        row, column = self._start(height, vertical) + self.y, self._start(width, horizontal) + self.x
        last_row, last_column = row + self.size, column + self.size
        if min(row, column) < 0 or last_row > height or last_column > width:
            raise UsageError(
                f"The trigger {self!r} does not fit: it covers rows {row}..{last_row - 1} and columns "
                f"{column}..{last_column - 1} and the images are {height} x {width}; use a smaller size, margin or "
                "offset."
            )
        return slice(row, last_row), slice(column, last_column)

    def _start(self, length: int, side: str) -> int:
        return {"near": self.margin, "far": length - self.margin - self.size, "middle": (length - self.size) // 2}[side]

    def _stamp(self, images: UInt8Array, pattern: FloatArray | np.float32, opacity: float) -> UInt8Array:
        rows, columns = self.place(*images.shape[-2:])
        stamped = images.copy()
        stamped[..., rows, columns] = mix(images[..., rows, columns], pattern, opacity)
        return stamped


@dataclass(frozen=True)
class Patch(_Square):
    """A square of one grey level at a fixed place: BadNets' trigger (Gu et al. 2017, arXiv:1708.06733).

    Attributes:
        size: side in pixels, at least 1.
        corner: ``tl``, ``tr``, ``bl``, ``br`` or ``centre``: where the square sits before it is shifted.
        margin: distance from the corner's two edges in pixels, at least 0; without effect in the centre.
        x: shift to the right in pixels, negative to the left.
        y: shift downwards in pixels, negative upwards.
        value: grey level, 0..255, written to every channel.
        opacity: 1 replaces the pixels, less blends them with the image, in (0, 1].
    """

    value: int = 255
    opacity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that no image could satisfy."""
        super().__post_init__()
        require(0 <= self.value <= 255, self, "value", "in 0..255")
        require(0 < self.opacity <= 1, self, "opacity", "in (0, 1]")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the square on a copy; raise :class:`UsageError` if it does not lie inside the image."""
        return self._stamp(images, np.float32(self.value), self.opacity)


@dataclass(frozen=True)
class Checkerboard(_Square):
    """A square of alternating white and black cells, as in Turner et al. 2019 (arXiv:1912.02771).

    Unlike a white square it stands out on any background, bright ones included.

    Attributes:
        size: side in pixels, at least 2.
        corner: see :class:`Patch`.
        margin: see :class:`Patch`.
        x: see :class:`Patch`.
        y: see :class:`Patch`.
        cell: side of a cell in pixels, at least 1 and less than ``size``; the first, top left, is white.
        opacity: 1 replaces the pixels, less blends them with the image, in (0, 1].
    """

    size: int = 3
    cell: int = 1
    opacity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that no image could satisfy."""
        super().__post_init__()
        require(1 <= self.cell < self.size, self, "cell", f"at least 1 and less than the size {self.size}")
        require(0 < self.opacity <= 1, self, "opacity", "in (0, 1]")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the board on a copy; raise :class:`UsageError` if it does not lie inside the image."""
        board = np.float32(255) * ~_odd_cells(self.size, self.cell)
        return self._stamp(images, board, self.opacity)


def _odd_cells(size: int, cell: int) -> NDArray[np.bool_]:
    """Return which pixels ``(size, size)`` of a board of cells are in every other cell; the first, top left, is not."""
    cells = np.arange(size) // cell
    found: NDArray[np.bool_] = (cells[:, None] + cells) % 2 == 1
    return found


@dataclass(frozen=True)
class RandomPatch:
    """A square somewhere else in every image, as in Saha et al. 2020 (arXiv:1910.00033).

    The place follows from a hash (BLAKE2b) of the image's own pixels and the seed, so that the trigger is a pure
    function: the same image is always stamped at the same place, whatever batch it is in.

    Attributes:
        size: side in pixels, at least 1.
        seed: another seed gives other places, at least 0.
        value: grey level, 0..255, written to every channel.
        opacity: 1 replaces the pixels, less blends them with the image, in (0, 1].
        cell: side in pixels of cells of this grey level and of 255 less it, in turn; 0 makes the square solid.
    """

    size: int = 2
    seed: int = 0
    value: int = 255
    opacity: float = 1.0
    cell: int = 0

    def __post_init__(self) -> None:
        """Refuse parameters that no image could satisfy."""
        require(self.size >= 1, self, "size", "at least 1")
        require(0 <= self.seed < 2**63, self, "seed", "at least 0 and below 2**63")
        require(0 <= self.value <= 255, self, "value", "in 0..255")
        require(0 < self.opacity <= 1, self, "opacity", "in (0, 1]")
        require(0 <= self.cell < self.size, self, "cell", f"0, or less than the size {self.size}")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the square on a copy; raise :class:`UsageError` if it is larger than the images."""
        height, width = images.shape[-2:]
        if self.size > min(height, width):
            raise UsageError(
                f"The trigger {self!r} does not fit: its side is {self.size} pixels and the images are "
                f"{height} x {width}; use a smaller size."
            )
        odd = _odd_cells(self.size, self.cell or self.size)
        board = np.where(odd, 255 - self.value, self.value).astype(np.float32)
        stamped = images.copy()
        for image, copy in zip(images, stamped, strict=True):
            row, column = self.position(image)
            area = (..., slice(row, row + self.size), slice(column, column + self.size))
            copy[area] = mix(image[area], board, self.opacity)
        return stamped

    def position(self, image: UInt8Array) -> tuple[int, int]:
        """Return the row and column of the square's first pixel in one image ``(C, H, W)``."""
        digest = hashlib.blake2b(image.tobytes(), digest_size=16, key=self.seed.to_bytes(8, "big")).digest()
        height, width = image.shape[-2:]
        row = int.from_bytes(digest[:8], "big") % (height - self.size + 1)
        return row, int.from_bytes(digest[8:], "big") % (width - self.size + 1)
