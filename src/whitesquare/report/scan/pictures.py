"""Pictures of a scan: the reconstructed trigger, its mask, and suspects with the place of the evidence."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whitesquare.errors import DataError
from whitesquare.report.common import html, images, style
from whitesquare.scanning.contacts import ContactSheet
from whitesquare.scanning.types import TriggerEstimate
from whitesquare.types import UInt8Array

SHOWN = 12
"""Suspects shown of one alarm."""

_ALL = 60
_FEWEST = 3
_SMALL = 64
_LARGE = 160
_MARGIN = 2
_CHECKS = ((226, 230, 236), (246, 248, 250))
"""Two pale greys: the board that shows through where there is no trigger."""


@dataclass(frozen=True)
class TriggerPictures:
    """A trigger as data URIs: in the whole image, enlarged, and how much of the pixel below it replaces."""

    whole: str
    near: str
    mask: str
    opacity: float
    height: int
    width: int


@dataclass(frozen=True)
class Suspect:
    """One line of a contact sheet, as data URIs."""

    id: str
    normal_id: str
    suspect: str
    heat: str
    normal: str


def trigger_pictures(trigger: TriggerEstimate) -> TriggerPictures:
    """Picture a trigger at full strength, on a chequered board, and its mask.

    Raises:
        DataError: the mask or the pattern is empty, ragged, or of another size than the other.
    """
    mask, pattern = _arrays(trigger)
    picture = images.picture(np.rint(pattern).astype(np.uint8))
    top, left, bottom, right = _near(trigger.bbox, *mask.shape)
    weak = 0.02 * max(float(mask.max()), 1e-9)
    board = _on_board(picture, mask > weak)
    shades = _shades(mask)
    crop = slice(top, bottom), slice(left, right)
    encode = _png if max(mask.shape) <= _SMALL else _jpeg
    return TriggerPictures(
        whole=encode(board),
        near=encode(_on_board(picture[crop], (mask > weak)[crop])),
        mask=encode(images.enlarge(shades[crop])),
        opacity=float(mask.max()),
        height=mask.shape[0],
        width=mask.shape[1],
    )


def _arrays(trigger: TriggerEstimate) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        mask, pattern = np.array(trigger.mask, np.float64), np.array(trigger.pattern, np.float64)
    except ValueError as error:
        raise DataError(f"A reconstructed trigger has lines of different lengths: {error}.") from error
    if mask.ndim != 2 or pattern.ndim != 3 or pattern.shape[1:] != mask.shape or 0 in pattern.shape:
        raise DataError(
            f"A reconstructed trigger has a mask of shape {mask.shape} and a pattern of shape {pattern.shape}; "
            "expected (H, W) and (C, H, W)."
        )
    return np.clip(np.nan_to_num(mask), 0.0, 1.0), np.clip(np.nan_to_num(pattern), 0.0, 255.0)


def _near(bbox: tuple[int, int, int, int], height: int, width: int) -> tuple[int, int, int, int]:
    """Give the box some air, inside the image; a box that is none becomes the whole image."""
    top, left, bottom, right = bbox
    top, left = max(0, top - _MARGIN), max(0, left - _MARGIN)
    bottom, right = min(height, bottom + _MARGIN), min(width, right + _MARGIN)
    return (top, left, bottom, right) if top < bottom and left < right else (0, 0, height, width)


def _on_board(picture: UInt8Array, there: NDArray[np.bool_]) -> UInt8Array:
    """Enlarge a picture and put it on the board; a check is smaller than a pixel, so the two are not confused."""
    large = images.enlarge(picture)
    shown = images.enlarge(there.astype(np.uint8)).astype(bool)
    rows, columns = np.indices(shown.shape) // 7
    board = np.array(_CHECKS, np.uint8)[(rows + columns) % 2]
    result: UInt8Array = np.where(shown[..., None], large, board)
    return result


def _shades(amount: NDArray[np.float64]) -> UInt8Array:
    return np.asarray(style.HEAT(amount, bytes=True), np.uint8)[..., :3]


def check(sheet: ContactSheet) -> None:
    """Refuse a contact sheet that cannot be shown.

    Raises:
        DataError: an array is not uint8, is empty, or differs in size from the others.
    """
    what = f"The contact sheet of label {sheet.label}"
    for array in (sheet.suspects, sheet.normal):
        if array.dtype != np.uint8 or array.ndim != 4 or 0 in array.shape[1:]:
            raise DataError(f"{what}: found {array.dtype} of shape {array.shape}, expected uint8 (M, C, H, W).")
    count, _, height, width = sheet.suspects.shape
    if sheet.normal.shape != sheet.suspects.shape or sheet.heat.shape != (count, height, width):
        raise DataError(
            f"{what}: suspects {sheet.suspects.shape}, normal {sheet.normal.shape} and heat {sheet.heat.shape} do not "
            "fit together."
        )
    if len(sheet.suspect_ids) != count or len(sheet.normal_ids) != count:
        raise DataError(f"{what}: {count} suspects, but {len(sheet.suspect_ids)} and {len(sheet.normal_ids)} ids.")


def suspects(sheet: ContactSheet, alarms: int) -> list[Suspect]:
    """Picture the first suspects of a sheet; with many alarms in a page, fewer of each.

    Args:
        sheet: what :func:`check` let pass.
        alarms: number of alarms in the page.
    """
    shown = min(len(sheet.suspects), SHOWN, max(_FEWEST, _ALL // max(1, alarms)))
    return [
        Suspect(
            sheet.suspect_ids[i],
            sheet.normal_ids[i],
            thumbnail(images.picture(sheet.suspects[i])),
            thumbnail(overlay(images.picture(sheet.suspects[i]), sheet.heat[i])),
            thumbnail(images.picture(sheet.normal[i])),
        )
        for i in range(shown)
    ]


def overlay(picture: UInt8Array, heat: NDArray[np.floating]) -> UInt8Array:
    """Lay heat over a greyed, paled picture: where the evidence is, orange; elsewhere the picture can be made out."""
    amount = np.clip(np.nan_to_num(heat.astype(np.float64)), 0.0, 1.0)[..., None]
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) * 0.6 + 70
    colour = np.array([0xD5, 0x5E, 0x00], np.float64)
    result: UInt8Array = np.rint(grey * (1 - 0.85 * amount) + colour * 0.85 * amount).astype(np.uint8)
    return result


def thumbnail(picture: UInt8Array) -> str:
    """Encode a picture as a data URI: a small one exactly, a large one scaled down as JPEG, for the page's size."""
    return _png(picture) if max(picture.shape[:2]) <= _SMALL else _jpeg(picture, _LARGE)


def _jpeg(picture: UInt8Array, side: int = 320) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88, subsampling=0)
    return html.uri("image/jpeg", buffer.getvalue())


def _png(picture: UInt8Array) -> str:
    return html.uri("image/png", images.png(picture))
