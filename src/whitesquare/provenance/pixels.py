"""A digest of what is to be seen, whichever file format holds it: it tells a harmless new encoding from a change.

Two decoders may decode a JPEG otherwise, so it explains a difference and never decides about one.
"""

from hashlib import sha256
from pathlib import Path

from whitesquare.errors import DataError
from whitesquare.layouts import is_image

_DOMAIN = b"whitesquare-pixels/v1\0"
_MODES = {1: b"L", 3: b"RGB", 4: b"RGBA"}


def pixel_digest(data: bytes, name: str) -> bytes | None:
    """Return the digest of the pixels of an image file; needs NumPy and Pillow.

    Args:
        data: content of the file.
        name: its name or path, whose end says whether it is an image.

    Returns:
        32 bytes; ``None`` for what is no image by its name, or cannot be decoded.
    """
    from whitesquare.data.decode import decode_bytes

    if not is_image(name.rpartition("/")[2]):
        return None
    try:
        pixels = decode_bytes(data, Path(name)).pixels
    except DataError:
        return None
    return digest_of_pixels(pixels.shape, pixels.tobytes())


def digest_of_pixels(shape: tuple[int, ...], pixels: bytes) -> bytes:
    """Return the digest of one image, 32 bytes; mode and shape are part of it.

    Args:
        shape: ``(C, H, W)``, C = 1, 3 or 4.
        pixels: 8 bits each, channel by channel, row by row.
    """
    head = b"".join(size.to_bytes(8, "big") for size in shape)
    return sha256(_DOMAIN + _MODES[shape[0]] + b"\0" + head + pixels).digest()
