"""MATLAB's files of version 5 to 7, as far as plain matrices of numbers go; of all else nothing is read.

Readers for all that such a file can hold break on damaged ones, and take the process with them.
"""

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.streams import AGAIN, MOST_BYTES, most_unpacked
from whitesquare.errors import DataError

_HEADER, _HEAD = 128, 512
_MATRIX, _PACKED = 14, 15
_UINT32, _INT32, _INT8 = 6, 5, 1
_NUMBERS = range(6, 16)
"""Classes of matrices of real numbers."""
_COMPLEX = 0x0800
_DTYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
_BROKEN = (OSError, ValueError, KeyError, OverflowError, MemoryError, struct.error, zlib.error)

Element = tuple[int, int, int, int]
"""Kind of an element, where its content begins, how long that is, and where the next begins."""


def read_matrix(path: Path, name: str) -> NDArray[Any]:
    """Read one matrix of numbers.

    Args:
        path: the file.
        name: of the variable.

    Raises:
        DataError: there is none of that name, it holds something else, or the file is damaged or of another version.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER)
            if header[:10] == b"MATLAB 7.3":
                raise DataError(
                    f"{path} is of MATLAB 7.3, which is HDF5; expected version 5 to 7, so save it with -v7."
                )
            if header[124:] != b"\x00\x01IM":
                raise ValueError("it does not begin as version 5 does")
            while tag := file.read(8):
                kind, count = struct.unpack("<II", tag)
                if count > size:
                    raise ValueError("a matrix is longer than the file")
                content = file.read(count)
                if len(content) < count:
                    raise ValueError("it is cut off")
                found = _named(content, kind, name, min(MOST_BYTES, most_unpacked(size)))
                if found is not None:
                    return found
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as a MATLAB file ({error!s:.120}); {AGAIN}.") from error
    raise DataError(f"{path} has no matrix {name!r}; expected SVHN's 'X' and 'y'.")


def _named(content: bytes, kind: int, name: str, most: int) -> NDArray[Any] | None:
    """Return a matrix if it has that name; of any other, next to nothing is unpacked."""
    if kind == _MATRIX:
        return _matrix(content) if _name(content) == name else None
    if kind != _PACKED:
        return None
    inflate = zlib.decompressobj()
    head = inflate.decompress(content, _HEAD)
    if struct.unpack_from("<I", head)[0] != _MATRIX or _name(head[8:]) != name:
        return None
    whole = head + inflate.decompress(inflate.unconsumed_tail, most)
    if not inflate.eof:
        raise ValueError(f"{name!r} is cut off, or larger than a file of this size can hold")
    return _matrix(whole[8:])


def _element(content: bytes, at: int) -> Element:
    kind, count = struct.unpack_from("<II", content, at)
    if kind >> 16:  # a short one, within its tag
        return kind & 0xFFFF, at + 4, kind >> 16, at + 8
    return kind, at + 8, count, at + 8 + (count + 7 & -8)


def _parts(content: bytes) -> tuple[Element, Element, Element]:
    flags = _element(content, 0)
    shape = _element(content, flags[3])
    return flags, shape, _element(content, shape[3])


def _name(content: bytes) -> str:
    kind, start, count, _ = _parts(content)[2]
    return content[start : start + count].decode("latin-1") if kind == _INT8 else ""


def _matrix(content: bytes) -> NDArray[Any]:
    flags, dimensions, name = _parts(content)
    (word,) = struct.unpack_from("<I", content, flags[1])
    if flags[0] != _UINT32 or dimensions[0] != _INT32 or word & _COMPLEX or word & 0xFF not in _NUMBERS:
        raise ValueError("a variable is no matrix of real numbers")
    shape = struct.unpack_from(f"<{dimensions[2] // 4}i", content, dimensions[1])
    kind, start, count, _ = _element(content, name[3])
    dtype = np.dtype(_DTYPES[kind])
    if min(shape, default=-1) < 0 or math.prod(shape) * dtype.itemsize != count:
        raise ValueError(f"a matrix of the shape {shape} has {count} bytes")
    return np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape, order="F")
