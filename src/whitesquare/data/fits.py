"""How an image is brought to another size: one filter, and three ways to fit it in."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from whitesquare.errors import DataError, UsageError, unknown_name
from whitesquare.types import Shape, UInt8Array

STRETCH, CROP, PAD = "stretch", "crop", "pad"
FITS = {
    STRETCH: "stretched as a whole",
    CROP: "scaled until nothing is left free, what stands over at the sides cut off",
    PAD: "scaled until all of it fits in, with black beside it",
}
"""What becomes of an image of another form than asked for, in words. The first is the one where nothing is said: it
leaves nothing out, and what lies in a corner stays in the corner."""
MOST = 4096
"""Largest side that images are brought to."""

_FILTER = Image.Resampling.BILINEAR
FILTER = "Pillow's bilinear filter"
"""With which pixels are mixed, over all that become one: what training pipelines do where nothing else is said."""


@dataclass(frozen=True)
class Sizing:
    """What is asked of the size of images.

    Attributes:
        size: both sides of every image, in pixels; ``None`` leaves images of one size as they are.
        fit: one of :data:`FITS`; ``None`` is the first.

    Raises:
        UsageError: one of them cannot be.
    """

    size: int | None = None
    fit: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no image can be brought to."""
        size = self.size
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST):
            raise UsageError(
                f"The size is {size!r:.40}; expected a whole number of pixels in 1..{MOST}, for both sides."
            )
        if self.fit is not None and self.fit not in FITS:
            raise unknown_name("fit", self.fit, FITS)

    @property
    def is_asked(self) -> bool:
        """Whether anything is asked."""
        return self.size is not None or self.fit is not None


@dataclass(frozen=True)
class Frame:
    """The size that every image of a data set is brought to.

    Attributes:
        shape: ``(C, H, W)``.
        fit: one of :data:`FITS`.
        why: how it was chosen, in words.
    """

    shape: Shape
    fit: str
    why: str

    def bring(self, pixels: UInt8Array, name: str) -> UInt8Array:
        """Bring an image ``(C, H, W)`` to this size; one that has it is returned as it is.

        Grey becomes grey of three equal channels where the others are in colour.

        Raises:
            DataError: it is in colour, and the others are grey.
        """
        channels, height, width = self.shape
        if len(pixels) > channels:
            raise DataError(
                f"{name} is in colour and the training images are grey; expected grey as well, so convert one of them."
            )
        if pixels.shape[1:] != (height, width):
            ordered = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
            fitted = np.asarray(_fitted(Image.fromarray(np.ascontiguousarray(ordered)), width, height, self.fit))
            pixels = fitted[np.newaxis] if fitted.ndim == 2 else fitted.transpose(2, 0, 1)
        return pixels if len(pixels) == channels else np.repeat(pixels, channels, axis=0)


def _fitted(picture: Image.Image, width: int, height: int, fit: str) -> Image.Image:
    if fit == PAD:
        scale = min(width / picture.width, height / picture.height)
        across, down = (max(1, round(side * scale)) for side in picture.size)
        found = Image.new(picture.mode, (width, height))
        found.paste(picture.resize((across, down), _FILTER), ((width - across) // 2, (height - down) // 2))
        return found
    kept_across, kept_down = float(picture.width), float(picture.height)
    if fit == CROP:
        kept_across = min(picture.width, picture.height * width / height)
        kept_down = min(picture.height, picture.width * height / width)
    left, top = (picture.width - kept_across) / 2, (picture.height - kept_down) / 2
    return picture.resize((width, height), _FILTER, box=(left, top, left + kept_across, top + kept_down))
