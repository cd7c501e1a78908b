"""The pictures of a report as one ``.npz`` file, and the rule that picks its example; needs no torch."""

import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.files import whole_file
from whitesquare.data.zips import read_archive
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.types import Gallery, IntArray

SHOWN = 8
"""Poisons kept per row."""
_MOST_BYTES = 2**28
"""Of all pictures of a gallery together: some rows of :data:`SHOWN`."""


def example_position(labels: IntArray, target: int) -> int:
    """Return the position of the report's example: the first 8 (the ninth class), else the first outside the target.

    A rule and not a choice: the example is never picked by what a model does with it.

    Raises:
        NothingToDoError: no image outside the target class.
    """
    for wanted in (labels == 8, np.ones(len(labels), bool)):
        if (found := np.flatnonzero(wanted & (labels != target))).size:
            return int(found[0])
    raise NothingToDoError(f"There is no image outside the target class {target}; add some, or name another target.")


def write_gallery(path: Path, gallery: Gallery) -> None:
    """Write a gallery, whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {"example": gallery.example, "triggered": gallery.triggered}
    for name in gallery.poisons:
        arrays[f"originals:{name}"] = gallery.originals[name]
        arrays[f"poisons:{name}"] = gallery.poisons[name]
        arrays[f"ids:{name}"] = np.array(gallery.poison_ids[name])
    with whole_file(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_gallery(path: Path) -> Gallery:
    """Read a gallery written by :func:`write_gallery`.

    Raises:
        DataError: if the file is missing or unreadable.
    """
    try:
        with path.open("rb") as file:
            archive = read_archive(file, os.fstat(file.fileno()).st_size, path)
            if (size := sum(member.size for member in archive.members)) > _MOST_BYTES:
                raise ValueError(f"its pictures have {size} bytes, expected at most {_MOST_BYTES}")
            file.seek(0)
            return _gallery(file)
    except (OSError, ValueError, KeyError, BadZipFile, EOFError, SyntaxError, zlib.error, MemoryError) as error:
        raise DataError(f"{path} cannot be read as a gallery ({error}); make its folder again.") from error


def _gallery(file: BinaryIO) -> Gallery:
    with np.load(file) as arrays:
        names = [key.partition(":")[2] for key in arrays if key.startswith("poisons:")]
        return Gallery(
            example=arrays["example"],
            triggered=arrays["triggered"],
            originals={name: arrays[f"originals:{name}"] for name in names},
            poisons={name: arrays[f"poisons:{name}"] for name in names},
            poison_ids={name: tuple(map(str, arrays[f"ids:{name}"])) for name in names},
        )
