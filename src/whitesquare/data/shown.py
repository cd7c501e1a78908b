"""Training reads what a viewer shows, or refuses: one rule for every format.

- *Orientation* of EXIF (PNG, JPEG, TIFF) is applied, as viewers do; a value that is none, and EXIF data that cannot be
  read, are ignored, as viewers do. Refused: two values in one file, and an orientation where or how only some viewers
  read it, unless it is also where all do: in XMP, in a hidden text of PNG, behind the pixels, in a second block of EXIF
  data, in EXIF data with another header, type or count than the standard's, and in WebP, where Chromium obeys none.
- *Several frames* (APNG, animated WebP, pages of TIFF) are refused. A preview or a depth map behind a JPEG photo, which
  no viewer shows, is left out.
- *Colour profile*: one that changes next to nothing (sRGB and its kin; grey with an ordinary curve) is left alone, and
  so is one for another kind of image, which viewers ignore. With any other, colours are converted to sRGB. One that
  cannot be used is refused, and so are PNG's ``cICP`` for anything but sRGB, a profile that says otherwise than
  ``cICP`` or ``sRGB`` beside it, one whose parts or packing are odd or that has several tables (see
  :mod:`whitesquare.data.profiles`), and one of a BMP file, which few obey.
- *Gamma and primaries* of PNG, where neither a profile nor ``sRGB`` overrides them, must be about 1/2.2 and about those
  of sRGB: with others, a viewer shows another picture.
- *Chunks* of PNG that stand twice or where they must not be are refused, and so is a pixel beyond the palette, or left
  out.
- *Transparency* is refused unless every pixel is opaque, see :mod:`whitesquare.data.decode`.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

from whitesquare.data.profiles import check_greys, check_sound, check_tables
from whitesquare.data.traits import MAX_PROFILE, Traits, look
from whitesquare.errors import DataError

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_GAMMA, _SLACK = 45_455, 0.05
_PRIMARIES = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
"""White point, red, green and blue of sRGB, in 1/100,000."""
_PRIMARIES_SLACK = 200
_SRGB_CODED = b"\x01\x0d\x00\x01"
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_NEAR, _NEAR_MEAN = 8, 2.0
"""Levels of 256 by which a profile may change a colour, at most and on average, and be left alone: so much lies between
the curve of sRGB and a plain gamma of 2.2."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_ON_SIDE = 5
_PLAIN = Traits()
_UNUSABLE = (ImageCms.PyCMSError, OSError, ImportError, TypeError, ValueError)
"""What Pillow raises for a profile, or without the library that reads them."""


@dataclass(frozen=True)
class Shown:
    """A picture as a viewer shows it, grey or RGB, and what was done to it."""

    picture: Image.Image
    turned: bool
    converted: bool


def check_shown(picture: Image.Image, content: bytes, path: Path) -> Traits:
    """Refuse what two viewers show differently; called before pixels are decoded.

    Args:
        picture: opened.
        content: of its file.
        path: the file, for the errors.

    Returns:
        What the file says of itself.

    Raises:
        DataError: naming what it is.
    """
    traits = look(content, lambda offset, count: content[offset : offset + count]) or _PLAIN
    if traits.endless:
        raise DataError(
            f"{path} consists of too many parts to look through, or has something between them; save it anew."
        )
    if traits.disputed:
        raise DataError(f"{path} {traits.disputed}; save it anew.")
    if traits.frames or (getattr(picture, "n_frames", 1) > 1 and not traits.pages):
        raise DataError(
            f"{path} has several frames, of which training would see one; expected one, so save that one alone."
        )
    if len(traits.orientations) > 1:
        raise DataError(
            f"{path} states several orientations ({_listed(traits.orientations)}), so viewers disagree about it; save "
            "it upright, without an orientation."
        )
    if traits.elsewhere - (traits.orientations or {1}):
        raise DataError(
            f"{path} has the orientation {_listed(traits.elsewhere)} where or how only some viewers read it (XMP, a "
            "text, WebP, EXIF data of another place or form than the standard's), and "
            f"{_listed(traits.orientations) or 'none'} in its EXIF data for all, so viewers disagree about it; save "
            "it upright, without an orientation."
        )
    if traits.coded and traits.coded != _SRGB_CODED:
        raise DataError(f"{path} is coded in another colour space than sRGB (cICP); convert it.")
    return traits


def as_shown(picture: Image.Image, profile: bytes | None, traits: Traits, path: Path, *, is_turned: bool) -> Shown:
    """Convert colours and turn a picture as a viewer does.

    Args:
        picture: decoded, of the mode L, RGB or CMYK.
        profile: its colour profile, if it has one.
        traits: what :func:`check_shown` returned.
        path: the file, for the errors.
        is_turned: its orientation was applied already.

    Raises:
        DataError: its colours are not known.
    """
    converted = False
    if profile and _fits(profile, picture.mode, path):
        check_tables(profile, path)
        try:
            if (change := _conversion(_Bytes(profile), picture.mode)) is not None:
                check_sound(profile, path)
                _check_alone(traits, path)
                if picture.mode != "CMYK":
                    check_greys(np.asarray(_apply(change, _greys(picture.mode)))[0], path)
                picture, converted = _apply(change, picture), True
        except _UNUSABLE as error:
            raise DataError(
                f"{path} has a colour profile that cannot be used ({error}), so what a viewer shows is not known; "
                "convert it to sRGB."
            ) from error
    elif not traits.srgb:
        _check_gamma(traits, path)
    if picture.mode == "CMYK":
        picture = picture.convert("RGB")
    turn = _TURNS.get(next(iter(traits.orientations), 1))
    if turn is not None and not is_turned:
        picture = picture.transpose(turn)
    return Shown(picture, turn is not None, converted)


def turns_sides(traits: Traits) -> bool:
    """Tell whether the orientation of a file makes its width its height."""
    return next(iter(traits.orientations), 1) >= _FIRST_ON_SIDE


def _check_alone(traits: Traits, path: Path) -> None:
    if traits.coded or traits.srgb:
        raise DataError(
            f"{path} has a colour profile, and says that it is sRGB ({'cICP' if traits.coded else 'sRGB'}), so viewers "
            "disagree about it; convert it to sRGB and save it without the profile."
        )


def _check_gamma(traits: Traits, path: Path) -> None:
    if traits.gamma is not None and abs(traits.gamma / _GAMMA - 1) > _SLACK:
        raise DataError(
            f"{path} states the gamma {traits.gamma / 100_000:g}, with which a viewer shows another picture than its "
            "pixels; expected about 0.45455 or none, so convert it."
        )
    stated = np.frombuffer(traits.primaries[: len(traits.primaries) // 4 * 4], ">u4").astype(np.int64)
    if traits.primaries and (
        len(traits.primaries) != 4 * len(_PRIMARIES) or np.abs(stated - _PRIMARIES).max() > _PRIMARIES_SLACK
    ):
        raise DataError(
            f"{path} states the primaries {', '.join(f'{value / 100_000:g}' for value in stated[:8])} (cHRM), with "
            "which a viewer shows other colours than its pixels; expected about those of sRGB or none, so convert it."
        )


class _Bytes:
    """A profile as a key: compared by its digest, so that a cache need not keep many of them."""

    def __init__(self, content: bytes) -> None:
        self.content, self._digest = content, sha256(content).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes) and self._digest == other._digest


def _fits(profile: bytes, mode: str, path: Path) -> bool:
    """Tell whether a profile is for images of a mode; its header says so."""
    if len(profile) > MAX_PROFILE:
        raise DataError(f"{path} has a colour profile of {len(profile)} bytes, expected at most {MAX_PROFILE}.")
    return len(profile) < 128 or profile[16:20].decode("latin-1").strip() == _PROFILE_SPACES[mode]


@lru_cache(maxsize=8)
def _conversion(profile: _Bytes, mode: str) -> "ImageCmsTransform | None":
    """Return what converts from a profile to sRGB; ``None`` if that changes next to nothing."""
    # By the colours themselves, as viewers do: the other ways to convert are for printing.
    change = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(BytesIO(profile.content)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode == "CMYK":
        return change
    sample = _sample(mode)
    moved = np.abs(np.asarray(_apply(change, sample), np.int16) - np.asarray(sample, np.int16))
    return None if moved.max() <= _NEAR and moved.mean() <= _NEAR_MEAN else change


def _apply(change: "ImageCmsTransform", picture: Image.Image) -> Image.Image:
    found = ImageCms.applyTransform(picture, change)
    if found is None:
        raise ValueError("it converts nothing")
    return found.getchannel(0) if picture.mode == "L" else found


@lru_cache(maxsize=2)
def _sample(mode: str) -> Image.Image:
    """Make an image of all greys, or of colours from everywhere."""
    if mode == "L":
        return _greys(mode)
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return Image.fromarray(colours.reshape(27, 27, 3))


def _greys(mode: str) -> Image.Image:
    return Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis]).convert(mode)


def _listed(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)))
