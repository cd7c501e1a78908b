"""One image, whatever a user has it as: a picture, an array, a tensor, the bytes of a file, or its path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.decode import picture_pixels, read_image
from whitesquare.data.sources.arrays import CHANNELS
from whitesquare.data.sources.objects.kinds import is_of
from whitesquare.data.sources.objects.numbers import not_bytes
from whitesquare.errors import DataError
from whitesquare.types import UInt8Array

_MARK = b"whitesquare pixels "
"""Begins the content of an image that has no file: after it come channels, height and width, and the pixels."""


def content_of(cell: Any, where: str) -> bytes:
    """Return the content of an image: the bytes of its file where there is one, else its pixels with their shape.

    Args:
        cell: the image.
        where: which, for the errors.

    Raises:
        DataError: it is none, or cannot be read.
    """
    if isinstance(cell, Mapping) and ("bytes" in cell or "path" in cell):  # as Hugging Face has it
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return bytes(cell)
    if isinstance(cell, (str, Path)):
        return read_image(Path(cell))
    return packed(pixels_of(cell, where))


def pixels_of(cell: Any, where: str) -> UInt8Array:
    """Return the pixels of a picture, an array or a tensor as ``(C, H, W)``, C = 1 or 3.

    Raises:
        DataError: it is none of these, or its numbers are no 8-bit pixels.
    """
    if cell is None:
        raise DataError(f"{where} has no image (None); expected one for each sample, so take the sample out.")
    if is_of(cell, "PIL.Image", "Image"):
        return picture_pixels(cell, Path(where))
    if is_of(cell, "torch", "Tensor"):
        if cell.is_floating_point():
            raise not_bytes(as_array(cell), where, "image", of_torch=True)
        return _channels_first(as_array(cell), where)
    if isinstance(cell, np.ndarray) or hasattr(cell, "__array__"):
        return _channels_first(np.asarray(cell), where)
    raise DataError(
        f"{where} has the type {type(cell).__name__} where an image is looked for; expected a PIL image, an array or "
        "tensor of uint8, the bytes of an image file, or its path, so give (image, label) in this order, or a dict."
    )


def as_array(given: Any) -> NDArray[Any]:
    """Return a tensor, or what is like an array, as an array; of a tensor on the CPU without a copy.

    Raises:
        DataError: it cannot be read so.
    """
    is_tensor = is_of(given, "torch", "Tensor")
    try:
        return _held(given) if is_tensor else np.asarray(given)
    except Exception as error:
        kind = f"tensor of {given.dtype} on {given.device}" if is_tensor else type(given).__name__
        mend = "tensor.to(torch.uint8) in memory" if is_tensor else "numbers of one shape"
        raise DataError(
            f"A {kind} cannot be read as an array ({type(error).__name__}: {error!s:.120}); expected {mend}, so "
            "convert it."
        ) from error


def _held(tensor: Any) -> NDArray[Any]:
    held = tensor.detach().cpu()
    if str(held.layout) != "torch.strided":
        held = held.to_dense()
    array: NDArray[Any] = held.float().numpy() if str(held.dtype) == "torch.bfloat16" else held.numpy()
    return array


def packed(pixels: UInt8Array) -> bytes:
    """Write pixels ``(C, H, W)`` so that they can be told apart from those of another shape."""
    channels, height, width = pixels.shape
    return b"%s%d %d %d\n" % (_MARK, channels, height, width) + pixels.tobytes()


def unpacked(content: bytes) -> UInt8Array | None:
    """Return what was packed, read-only; ``None`` for the content of a file."""
    if not content.startswith(_MARK):
        return None
    head, _, pixels = content[len(_MARK) :].partition(b"\n")
    return np.frombuffer(pixels, np.uint8).reshape(tuple(map(int, head.split())))


def _channels_first(image: NDArray[Any], where: str) -> UInt8Array:
    if image.dtype != np.uint8:
        raise not_bytes(image, where, "image")
    if image.ndim == 2:
        image = image[np.newaxis]
    if image.ndim == 4:
        raise DataError(
            f"{where} has an image of the shape {image.shape}, which is that of a batch; expected one image a sample, "
            "so give the DataLoader or the data set itself, or leave the first axis out."
        )
    if image.ndim != 3 or not image.size:
        raise DataError(
            f"{where} has an image of the shape {image.shape}; expected (H, W), (C, H, W) or (H, W, C), so reshape it."
        )
    first, last = image.shape[0] in CHANNELS, image.shape[2] in CHANNELS
    if first == last:
        raise DataError(
            f"{where} has an image of the shape {image.shape}, "
            + ("which can be (C, H, W) or (H, W, C)" if first else "and none of its sides is 1, 3 or 4 channels")
            + "; give it as a PIL image, with PIL.Image.fromarray(...)."
        )
    pixels = image if first else image.transpose(2, 0, 1)
    if len(pixels) == 4:
        if not (pixels[3] == 255).all():
            raise DataError(f"{where} has transparent pixels, expected none; flatten it onto a background.")
        pixels = pixels[:3]
    return pixels
