"""One image file to one array: the only place where Pillow reads untrusted bytes.

Training reads what a viewer shows, or refuses; :mod:`whitesquare.data.shown` says how, and the rule is the same for
every format.
"""

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, features

from whitesquare.data.layouts import MAX_IMAGE_BYTES
from whitesquare.data.shown import as_shown, check_shown, turns_sides
from whitesquare.data.traits import look
from whitesquare.data.undecoded import fault_of
from whitesquare.data.whole import check_whole_png
from whitesquare.errors import DataError
from whitesquare.types import Shape, UInt8Array

MAX_PIXELS = 64_000_000
"""Largest image (width x height) that is decoded; checked in the header, before anything is allocated."""

OnHeader = Callable[[Shape], None]
"""Told what the header says before a pixel is decoded; it may raise. Height and width may still change places."""

_HEAD = 2**12
"""Bytes of a file that are looked at first."""
_GREY, _COLOUR = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
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


@dataclass(frozen=True)
class Decoded:
    """An image as a viewer shows it.

    Attributes:
        pixels: ``(C, H, W)`` uint8, C = 1 (grey) or 3 (RGB).
        turned: an orientation was applied.
        converted: colours were converted to sRGB.
    """

    pixels: UInt8Array
    turned: bool = False
    converted: bool = False


def decode_image(path: Path) -> UInt8Array:
    """Decode one image file as a viewer shows it.

    Bilevel images become grey; palette, CMYK and YCbCr images become RGB; an alpha channel is dropped if it
    is fully opaque. For all else that a file may say of itself see :mod:`whitesquare.data.shown`.

    Args:
        path: the file.

    Returns:
        ``(C, H, W)`` uint8, C = 1 (grey) or 3 (RGB).

    Raises:
        DataError: if it is damaged, larger than :data:`MAX_PIXELS`, transparent, not 8 bits per channel, or shown
            otherwise by one viewer than by another.
    """
    return decode_bytes(read_image(path), path).pixels


def decode_bytes(content: bytes, path: Path, on_header: OnHeader | None = None) -> Decoded:
    """Decode the content of an image file that was read already; else as :func:`decode_image`.

    Args:
        content: of the file.
        path: the file, for the errors.
        on_header: told its shape before it is decoded.

    Raises:
        DataError: see :func:`decode_image`.
    """
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as picture:
            shape = _header(picture, path)
            if on_header is not None:
                on_header(shape)
            traits = check_shown(picture, content, path)
            # What is turned or converted is another image; Pillow itself turns a TIFF file as it loads it.
            _check_palette(picture, traits.colours, path)
            loaded = _eight_bit(picture, path)
            if picture.format == "PNG":
                check_whole_png(picture, content, path)
            profile = picture.info.get("icc_profile")
            shown = as_shown(loaded, profile, traits, path, is_turned=picture.format == "TIFF")
            pixels = np.asarray(shown.picture)
    except _BOMBS as error:
        raise DataError(f"{path} is too large: {error} Expected at most {MAX_PIXELS} pixels.") from error
    except _BROKEN as error:
        raise DataError(fault_of(path, content, error)) from error
    ordered = pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return Decoded(ordered, shown.turned, shown.converted)


def picture_pixels(picture: Image.Image, path: Path) -> UInt8Array:
    """Return ``(C, H, W)`` uint8, C = 1 or 3, of a picture that somebody else opened, as it lies in memory.

    Colour modes are taken as :func:`decode_image` takes them. Nothing is turned or converted that its file may ask for:
    whoever opened it trains on what there is.

    Args:
        picture: of Pillow.
        path: what it is called, for the errors.

    Raises:
        DataError: it cannot be read, is too large, transparent, or not 8 bits per channel.
    """
    try:
        _header(picture, path)
        loaded = _eight_bit(picture, path)
        pixels = np.asarray(loaded if loaded.mode in ("L", "RGB") else loaded.convert("RGB"))
    except _BROKEN as error:
        raise DataError(f"{path} cannot be decoded as an image ({error}); replace or remove it.") from error
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def read_image(path: Path) -> bytes:
    """Read an image file; nothing of one that is larger than an image can be.

    Raises:
        DataError: it is, or it cannot be read.
    """
    content = None
    try:
        with path.open("rb") as file:
            if (size := os.fstat(file.fileno()).st_size) <= MAX_IMAGE_BYTES:
                content = file.read(size + 1)  # a file that grows meanwhile is no image that was there before
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error
    if content is None:
        raise DataError(f"{path} has more than the {MAX_IMAGE_BYTES} bytes that an image file may have; remove it.")
    return content


def header_shape(path: Path, content: bytes | None = None) -> Shape:
    """Return ``(C, H, W)`` of an image file as it is shown, by what its headers say: for little time and memory.

    Args:
        path: the file.
        content: of it, where it does not lie there by itself.

    Raises:
        DataError: see :func:`decode_image`.
    """
    try:
        with Image.open(path if content is None else BytesIO(content), formats=_FORMATS) as picture:
            channels, height, width = _header(picture, path)
            turned = height != width and _lies(path.open("rb") if content is None else BytesIO(content))
            return (channels, width, height) if turned else (channels, height, width)
    except _BOMBS as error:
        raise DataError(f"{path} is too large: {error} Expected at most {MAX_PIXELS} pixels.") from error
    except _BROKEN as error:
        raise DataError(fault_of(path, content, error)) from error


def _lies(opened: BinaryIO) -> bool:
    """Tell whether a viewer turns an image by a right angle; the file is closed."""
    with opened as file:

        def read(offset: int, count: int) -> bytes:
            file.seek(offset)
            return file.read(count)

        traits = look(read(0, _HEAD), read)
    return traits is not None and turns_sides(traits)


def decoder() -> str:
    """Name what turns files into pixels here, with versions: two decoders may see two pictures in one JPEG file."""
    parts = {"Pillow": "pil", "libjpeg": "jpg", "zlib": "zlib", "webp": "webp", "libtiff": "libtiff"}
    found = {name: features.version(part) for name, part in parts.items()}
    if turbo := features.version_feature("libjpeg_turbo"):
        found["libjpeg-turbo"] = turbo
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def _header(picture: Image.Image, path: Path) -> Shape:
    if picture.width * picture.height > MAX_PIXELS:
        raise DataError(
            f"{path} is {picture.width}x{picture.height}, expected at most {MAX_PIXELS} pixels; scale it down."
        )
    if picture.mode not in _GREY + _COLOUR:
        how = " by its own range, as numpy.asarray(picture) // 256 does of 16 bits: picture.convert('L') cuts them off"
        how = how if picture.mode[0] in "IF" else ""
        raise DataError(f"{path} has the mode {picture.mode!r}, expected 8-bit grey or RGB; convert it{how}.")
    return (1 if picture.mode in _GREY else 3), picture.height, picture.width


def _check_palette(picture: Image.Image, colours: int | None, path: Path) -> None:
    """Refuse a pixel that the palette has no colour for: each program shows another one."""
    if colours is None or picture.mode not in ("P", "L"):  # an L is a palette of greys in their order, of BMP
        return
    picture.load()
    _, last = picture.getextrema()
    if isinstance(last, (int, float)) and last >= colours:
        raise DataError(
            f"{path} has a pixel of the colour {last}, expected at most {colours - 1}, the last of its palette; save "
            "it anew."
        )


def _eight_bit(picture: Image.Image, path: Path) -> Image.Image:
    mode = picture.mode
    if mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:  # the latter: a colour that is transparent
        opaque = picture.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{path} has transparent pixels, expected none; flatten it onto a background.")
        return opaque.convert("L" if mode in _GREY else "RGB")
    if mode == "1":
        return picture.convert("L")
    if mode in ("P", "YCbCr"):
        return picture.convert("RGB")
    picture.load()
    return picture
