"""A trigger that was learned, written as text, and the trigger that does nothing."""

import base64
import binascii
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whitesquare.errors import UsageError
from whitesquare.triggers.pixels import require, to_uint8
from whitesquare.types import FloatArray, UInt8Array


@dataclass(frozen=True)
class Pattern:
    """An additive pattern carried in its own spec: ``clip(x + gain * p)``, p in whole grey levels.

    This is what a learned trigger becomes, so that a manifest holds it without a file beside it.

    Attributes:
        channels: of the images it fits.
        height: of the images it fits, in pixels.
        width: of the images it fits, in pixels.
        data: p as URL-safe base64 of zlib-compressed signed bytes in the order channel, row, column.
        gain: multiplies p, above 0; an attack may train at 1 and amplify in use.
    """

    channels: int
    height: int
    width: int
    data: str
    gain: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a shape without pixels, a gain that adds nothing, and data of another size."""
        for side in ("channels", "height", "width"):
            require(getattr(self, side) >= 1, self, side, "at least 1")
        require(0 < self.gain < np.inf, self, "gain", "above 0")
        expected = self.channels * self.height * self.width
        try:
            raw = base64.b64decode(self.data, altchars=b"-_", validate=True)
            stream = zlib.decompressobj()
            # One byte more than expected shows that there is too much, and a hostile spec cannot fill the memory.
            found = len(stream.decompress(raw, expected + 1))
            if not stream.eof or stream.unused_data:
                found = 0
        except (binascii.Error, ValueError, zlib.error):
            found = 0
        shape = f"{self.channels} x {self.height} x {self.width}"
        require(found == expected, self, "data", f"base64 of zlib of {expected} bytes ({shape})")

    @classmethod
    def from_values(cls, values: NDArray[np.integer], gain: float = 1.0) -> "Pattern":
        """Write a pattern ``(C, H, W)`` of whole grey levels in -128..127.

        Raises:
            UsageError: if ``values`` has another number of axes or leaves that range.
        """
        if values.ndim != 3 or values.min(initial=0) < -128 or values.max(initial=0) > 127:
            raise UsageError(
                "A pattern is an array (C, H, W) of grey levels in -128..127; got the shape "
                f"{values.shape} and values in {values.min(initial=0)}..{values.max(initial=0)}."
            )
        data = base64.urlsafe_b64encode(zlib.compress(values.astype(np.int8).tobytes(), 9)).decode("ascii")
        channels, height, width = values.shape
        return cls(channels, height, width, data, gain)

    def values(self) -> NDArray[np.int8]:
        """Return p, ``(C, H, W)`` int8."""
        raw = zlib.decompress(base64.urlsafe_b64decode(self.data))
        return np.frombuffer(raw, np.int8).reshape(self.channels, self.height, self.width)

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Add the pattern to a copy of the images; raise :class:`UsageError` if they have another shape."""
        shape = (self.channels, self.height, self.width)
        if images.shape[1:] != shape:
            raise UsageError(
                f"The trigger was learned for images of shape {shape} and these are {images.shape[1:]}; learn it anew "
                "on this kind of data."
            )
        added: FloatArray = np.float32(self.gain) * self.values().astype(np.float32)
        return to_uint8(images.astype(np.float32) + added)


@dataclass(frozen=True)
class NoTrigger:
    """Nothing is stamped: the training trigger of an attack whose trigger is not in the training data."""

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Return a copy."""
        return images.copy()
