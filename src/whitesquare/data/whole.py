"""Whether a PNG file is whole: it has all of its pixels, and their checksums are right.

Where pixels are missing, browsers show nothing, and Pillow makes them black. Where a checksum is wrong, libpng refuses
the file, and with it torchvision and OpenCV; Pillow compares none of pixels when it decodes, only those before them.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from whitesquare._base.streams import AGAIN
from whitesquare.data.traits.damage import png_sums
from whitesquare.errors import DataError

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
_AT_ONCE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes: first column and row, and the steps to the next."""
_PIECE = 2**20


def check_whole_png(picture: Image.Image, content: bytes, path: Path) -> None:
    """Refuse a PNG file that ends before its last pixel, or was changed since it was written.

    Args:
        picture: as Pillow decoded it.
        content: of the file.
        path: the file, for the error.

    Raises:
        DataError: it does.
        zlib.error: it is damaged.
    """
    _check_sums(content, path)
    last = picture.crop((0, picture.height - 1, picture.width, picture.height))
    if last.getbbox() is not None and not picture.info.get("interlace"):  # spares to unpack most files twice
        return
    expected = _expected(content)
    found = 0
    inflate = zlib.decompressobj()
    for packed in _packed(content):
        while packed and found < expected and not inflate.eof:
            found += len(inflate.decompress(packed, _PIECE))
            packed = inflate.unconsumed_tail
    found += len(inflate.flush()) if found < expected else 0
    if found < expected:
        raise DataError(
            f"{path} ends before its last pixel: found {found} bytes of pixels, expected {expected}; replace or remove "
            "it."
        )


def _check_sums(content: bytes, path: Path) -> None:
    """Compare the checksum of every chunk that is needed for the pixels."""
    for kind, found, said in png_sums(lambda offset, count: content[offset : offset + count]):
        if found != said and len(said) == len(found):  # of a file that is cut off more is said elsewhere
            raise DataError(
                f"{path} is damaged: its part {kind!r} has another checksum (CRC) than it says; {AGAIN}, or remove it."
            )


def _expected(content: bytes) -> int:
    """Return the bytes of all rows, each with the one that names its filter."""
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    bits = content[24] * _CHANNELS[content[25]]
    total = 0
    for left, top, across, down in _ADAM7 if content[28] else _AT_ONCE:
        columns, rows = -(-max(0, width - left) // across), -(-max(0, height - top) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return total


def _packed(content: bytes) -> Iterator[bytes]:
    offset = 8
    while offset + 8 <= len(content) and (kind := content[offset + 4 : offset + 8]) != b"IEND":
        size = int.from_bytes(content[offset : offset + 4], "big")
        if kind == b"IDAT":
            yield content[offset + 8 : offset + 8 + size]
        offset += 12 + size
