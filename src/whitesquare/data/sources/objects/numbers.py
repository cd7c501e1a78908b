"""What to say of images whose numbers are no 8-bit pixels: the very call that mends them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.errors import DataError
from whitesquare.types import UInt8Array

_LOOKED_AT = 256
"""Images, spread over all, of which the largest value is looked for."""


def not_bytes(values: NDArray[Any], where: str, name: str, *, of_torch: bool = False) -> DataError:
    """Build the error for images that are not uint8.

    Args:
        values: the images, or some of them.
        where: what holds them.
        name: what the values are called in the call that mends them.
        of_torch: whether they are a tensor.
    """
    cast = ".to(torch.uint8)" if of_torch else ".astype('uint8')"
    low, high = _range(values)
    found = f"{values.dtype} from {low:.4g} to {high:.4g}"
    advice = "give them as they were before they were normalised or scaled"
    if values.dtype.kind not in "biuf":
        found, mend = str(values.dtype), ""
    elif values.dtype == bool:
        found, mend = "True or False", f"({name} * 255){cast}"
    elif not np.isfinite((low, high)).all():
        found = f"{values.dtype} that are not all finite numbers"
        mend = ""
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        mend = f"({name} * 255).round(){cast}"
    elif values.dtype.kind == "f" and low >= -1 and high <= 1:
        mend = f"(({name} + 1) * 127.5).round(){cast}"
    elif low >= 0 and high <= 255:
        mend = f"{name}.round(){cast}" if values.dtype.kind == "f" else f"{name}{cast}"
    else:
        mend = ""
        if values.dtype.kind in "iu" and low >= 0 and high < 2**16:
            advice = f"bring 16 bits to 8 with ({name} // 256){cast}, or fewer by the range that they have"
    if values.dtype == object:
        return DataError(
            f"{where}: the {name} are an array of objects, expected one of uint8 (0..255); make it of images of one "
            f"size with numpy.stack(list({name})), and give images of several sizes one by one, as a list of pairs of "
            "image and label."
        )
    if mend:
        advice = f"convert them with {mend}"
    if of_torch and mend:
        advice += ", or give the data set without the transform that made them"
    return DataError(f"{where}: the values are {found}, expected uint8 (0..255); {advice}.")


def refuse_dark(images: UInt8Array, where: str) -> None:
    """Refuse uint8 images of which no pixel is larger than 1: they were in 0..1 and lost what they showed.

    Args:
        images: ``(N, ...)``; a few, spread over all, are looked at.
        where: what holds them.

    Raises:
        DataError: they are such.
    """
    some = images[:: max(1, len(images) // _LOOKED_AT)]
    if int(some.max(initial=0)) == 1:
        raise DataError(
            f"{where}: no pixel is larger than 1, so that every image is black; expected 0..255, so give them as "
            "images * 255 if they show only two values, else as they were before they became uint8."
        )


def _range(values: NDArray[Any]) -> tuple[float, float]:
    if values.dtype.kind not in "biuf" or not values.size:
        return 0.0, 0.0
    return float(values.min()), float(values.max())
