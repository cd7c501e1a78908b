"""Copying the files of samples as they are, so that a data set comes out in the form in which it was read."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

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
        if done % 1000 == 0 or done == len(positions):
            on_progress("copying", done, len(positions))


def moved_names(dataset: ImageDataset, labels: Mapping[int, int]) -> dict[int, str]:
    """Return the paths of files of class folders that go to another class, each with a name that no file had.

    Args:
        dataset: whose ids are paths, the last but one part of which is the class.
        labels: by position, the new class.
    """
    taken = set(dataset.ids)
    found: dict[int, str] = {}
    for i, label in labels.items():
        above, _, name = dataset.ids[i].rpartition("/")
        folder = f"{above.rpartition('/')[0]}/{dataset.classes[label]}".lstrip("/")
        stem, dot, suffix = name.rpartition(".")
        path, number = f"{folder}/{name}", 1
        while path in taken:
            number += 1
            path = f"{folder}/{stem}-{number}{dot}{suffix}"
        taken.add(path)
        found[i] = path
    return found


def as_bytes(positions: IntArray, count: int) -> bytes:
    """Return a byte for each of ``count`` samples, which is 1 for those at ``positions``."""
    keep = bytearray(count)
    for i in positions.tolist():
        keep[i] = 1
    return bytes(keep)
