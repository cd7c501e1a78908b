"""What an array in a file says of itself, read with care before its content is."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare._base.streams import Readable
from whitesquare.errors import DataError

_LONGEST = 2**12
"""Most bytes of one text or number."""
_HEADERS = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
}
_MOST_HEADER = 2**14


@dataclass(frozen=True)
class Announced:
    """What the head of a member says of its array.

    Attributes:
        head: all bytes in front of the array.
        shape: of the array.
        fortran: whether its first index changes fastest.
        dtype: of its elements.
    """

    head: bytes
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_head(stream: Readable, size: int, name: str, limit: int, texts: int, path: Path) -> Announced:
    """Read the header of an array: the lengths in it are those of a stranger.

    Args:
        stream: stands at the first byte of the member.
        size: bytes that the member is said to have.
        name: of the array, for the errors.
        limit: most bytes that it may have.
        texts: most elements, if they are no numbers.
        path: of the file, likewise.

    Raises:
        DataError: it is too large, of another size than it says, or an array of objects.
        ValueError: it is no array.
    """
    magic = stream.read(8)
    if len(magic) < 8 or not magic.startswith(b"\x93NUMPY"):
        raise ValueError(f"{name!r} is no array")
    version = magic[6], magic[7]
    if version not in _HEADERS:
        raise DataError(f"{path}: {name!r} has the .npy version {version}, expected 1.0 or 2.0; save it again.")
    width, read_header = _HEADERS[version]
    length = stream.read(width)
    text = stream.read(min(int.from_bytes(length, "little"), _MOST_HEADER))
    shape, fortran, dtype = read_header(io.BytesIO(length + text))
    if dtype.hasobject:
        raise DataError(
            f"{path}: {name!r} is an array of Python objects, which can run code and are never loaded; "
            "expected numbers or strings, so save it with a plain dtype."
        )
    found = Announced(magic + length + text, shape, fortran, dtype)
    expected = len(found.head) + found.bytes
    if dtype.itemsize > _LONGEST or (dtype.kind not in "uibfc" and math.prod(shape) > texts):
        raise DataError(
            f"{path}: {name!r} declares {math.prod(shape)} elements of {dtype.itemsize} bytes, expected at most "
            f"{texts} texts, and {_LONGEST} bytes of one; split the data set, or use class folders."
        )
    if max(expected, size) > limit:
        raise DataError(
            f"{path}: {name!r} declares {max(expected, size)} bytes, expected at most {limit}; "
            "split the data set, or use class folders, which are read image by image."
        )
    if size != expected or min(shape, default=0) < 0:
        raise DataError(
            f"{path}: {name!r} holds {size} bytes, expected {expected} for its shape {shape}; write or copy it again."
        )
    return found
