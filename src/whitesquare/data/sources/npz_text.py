"""Texts in ``.npz`` files: class names, ids and the layout."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.errors import DataError


def strings_of(found: dict[str, NDArray[Any]], name: str, path: Path) -> tuple[str, ...] | None:
    """Return an array of texts by its name; ``None`` if there is none.

    Raises:
        DataError: it holds something else.
    """
    if name not in found:
        return None
    array = found[name]
    if array.ndim != 1:
        raise _notext_of(array, name, path)
    return tuple(text_of(array, name, path).tolist())


def text_of(array: NDArray[Any], name: str, path: Path) -> NDArray[Any]:
    """Return an array, unless it holds no text: numpy takes any four bytes for a letter, and Python breaks on some.

    Raises:
        DataError: it holds something else.
    """
    if array.dtype.kind != "U":
        raise _notext_of(array, name, path)
    letters = np.frombuffer(array.tobytes(), np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    if letters.max(initial=0) > sys.maxunicode:
        raise DataError(f"{path}: {name!r} holds numbers that are no letters; write it again.")
    return array


def _notext_of(array: NDArray[Any], name: str, path: Path) -> DataError:
    return DataError(
        f"{path}: {name!r} is {array.dtype} of the shape {array.shape}, expected a list of strings; "
        f"save numpy.array({name}, dtype=str)."
    )
