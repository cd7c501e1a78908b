"""What the page shows, as PNG in the picture's own pixels: the browser enlarges them without smoothing."""

import io

import numpy as np
from PIL import Image

from whitesquare.report.common.images import picture
from whitesquare.report.scan.pictures import overlay
from whitesquare.scanning.marks.faint import high_pass
from whitesquare.types import FloatArray, UInt8Array

_LARGEST = 640
"""Longest side that is sent: beyond it no screen of the page shows more."""
_GAIN = 4.0
"""By how much a residual is amplified."""


def png(image: UInt8Array) -> bytes:
    """Encode a ``(C, H, W)`` image."""
    return encoded(picture(image))


def evidence(image: UInt8Array, heat: FloatArray) -> bytes:
    """Encode an image with the place of the evidence, ``(H, W)`` in [0, 1], in orange over its greys."""
    return encoded(overlay(picture(image), heat))


def residual(image: UInt8Array) -> bytes:
    """Encode what is left of an image without its smooth part, amplified, on mid-grey."""
    left = high_pass(image[None])[0]
    shown: UInt8Array = np.clip(np.rint(127.5 + _GAIN * left), 0, 255).astype(np.uint8)
    return encoded(picture(shown))


def encoded(shown: UInt8Array) -> bytes:
    """Encode an ``(H, W, 3)`` picture; only one that is larger than the page is scaled down."""
    opened = Image.fromarray(shown)
    opened.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    opened.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
