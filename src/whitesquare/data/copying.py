"""Copying the files of samples as they are, so that a data set comes out in the form in which it was read."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from whitesquare.data.layouts import SPLITS
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, IntArray

NOWHERE_ELSE: Mapping[int, str] = MappingProxyType({})
"""That every file keeps its name."""


def copy_files(
    dataset: ImageDataset,
    folder: Path,
    positions: IntArray,
    on_progress: Progress = silent,
    names: Mapping[int, str] = NOWHERE_ELSE,
) -> None:
    """Write the contents of samples as files under their ids.

    Args:
        dataset: whose ids are paths.
        folder: where.
        positions: of the samples.
        on_progress: told how many are written.
        names: by position, the paths of those that are written elsewhere.
    """
    for done, i in enumerate(positions.tolist(), 1):
        path = folder / names.get(i, dataset.ids[i])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dataset.content(i))
        _as_it_was(path, dataset, i)
        if done % 1000 == 0 or done == len(positions):
            on_progress("copying", done, len(positions))


def _as_it_was(path: Path, dataset: ImageDataset, i: int) -> None:
    """Give a copy the permissions and the time of its file: what was private does not become readable for all."""
    root = getattr(dataset, "root", None)
    if not isinstance(root, Path):
        return
    with suppress(OSError):  # where files have none of these, or it is gone meanwhile
        known = (root / dataset.ids[i]).stat()
        path.chmod(known.st_mode & 0o777)
        os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


def above_class(id: str) -> str:
    """Return where the class folder of a file lies, by its path: ``train/``, or nowhere but in the root."""
    first, slash, _ = id.partition("/")
    return first + slash if first in SPLITS else ""


def moved_names(dataset: ImageDataset, labels: Mapping[int, int]) -> dict[int, str]:
    """Return the paths of files of class folders that go to another class, each with a name that no file had.

    A file in folders inside its class folder comes to lie in folders of these names inside the other.

    Args:
        dataset: whose ids are paths, which begin with the class or with a split and the class.
        labels: by position, the new class.
    """
    taken = set(dataset.ids)
    found: dict[int, str] = {}
    for i, label in labels.items():
        above = above_class(dataset.ids[i])
        _, _, inside = dataset.ids[i].removeprefix(above).partition("/")
        stem, dot, suffix = inside.rpartition(".")
        place, number = f"{above}{dataset.classes[label]}/", 1
        path = place + inside
        while path in taken:
            number += 1
            path = f"{place}{stem}-{number}{dot}{suffix}"
        taken.add(path)
        found[i] = path
    return found


def as_bytes(positions: IntArray, count: int) -> bytes:
    """Return a byte for each of ``count`` samples, which is 1 for those at ``positions``."""
    keep = bytearray(count)
    for i in positions.tolist():
        keep[i] = 1
    return bytes(keep)
