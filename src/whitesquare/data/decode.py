"""One image file to one array: the only place where Pillow reads untrusted bytes."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, features

from whitesquare.errors import DataError
from whitesquare.types import UInt8Array

MAX_PIXELS = 64_000_000
"""Largest image (width x height) that is decoded; checked in the header, before anything is allocated."""

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")
"""Pillow may try these only: a file that says ``.png`` must not reach the PostScript reader."""

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_BROKEN = (
    OSError,
    EOFError,
    SyntaxError,  # how Pillow reports a broken PNG chunk
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    struct.error,
    zlib.error,
)


def decode_image(path: Path) -> UInt8Array:
    """Decode one image file.

    Bilevel images become grey; palette, CMYK and YCbCr images become RGB; an alpha channel is dropped if it
    is fully opaque. Orientation tags are not applied and only the first frame is read, as training
    pipelines do.

    Args:
        path: the file.

    Returns:
        ``(C, H, W)`` uint8, C = 1 (grey) or 3 (RGB).

    Raises:
        DataError: if it is damaged, larger than :data:`MAX_PIXELS`, transparent, or not 8 bits per channel.
    """
    return _decode(path, path)


def decode_bytes(content: bytes, path: Path) -> UInt8Array:
    """Decode the content of an image file that was read already; else as :func:`decode_image`.

    Args:
        content: of the file.
        path: the file, for the errors.

    Raises:
        DataError: see :func:`decode_image`.
    """
    return _decode(BytesIO(content), path)


def decoder() -> str:
    """Name what turns files into pixels here, with versions: two decoders may see two pictures in one JPEG file."""
    parts = {"Pillow": "pil", "libjpeg": "jpg", "zlib": "zlib", "webp": "webp", "libtiff": "libtiff"}
    found = {name: features.version(part) for name, part in parts.items()}
    if turbo := features.version_feature("libjpeg_turbo"):
        found["libjpeg-turbo"] = turbo
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def _decode(source: Path | BytesIO, path: Path) -> UInt8Array:
    try:
        with Image.open(source, formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DataError(
                    f"{path} is {picture.width}x{picture.height}, expected at most {MAX_PIXELS} pixels; scale it down."
                )
            pixels = np.asarray(_eight_bit(picture, path))
    except _BOMBS as error:
        raise DataError(f"{path} is too large: {error} Expected at most {MAX_PIXELS} pixels.") from error
    except _BROKEN as error:
        raise DataError(f"{path} cannot be decoded as an image ({error}); replace or remove it.") from error
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _eight_bit(picture: Image.Image, path: Path) -> Image.Image:
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("LA", "RGBA", "PA") or (picture.mode == "P" and "transparency" in picture.info):
        opaque = picture.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{path} has transparent pixels, expected none; flatten it onto a background.")
        return opaque.convert("L" if picture.mode == "LA" else "RGB")
    if picture.mode in ("P", "CMYK", "YCbCr"):
        return picture.convert("RGB")
    raise DataError(f"{path} has the mode {picture.mode!r}, expected 8-bit grey or RGB; convert it.")
