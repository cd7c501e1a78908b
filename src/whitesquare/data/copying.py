"""Copying the files of samples as they are, so that a data set comes out in the form in which it was read."""

from pathlib import Path

from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, IntArray


def copy_files(dataset: ImageDataset, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
    """Write the contents of samples as files under their ids.

    Args:
        dataset: whose ids are paths.
        folder: where.
        positions: of the samples.
        on_progress: told how many are written.
    """
    for done, i in enumerate(positions.tolist(), 1):
        path = folder / dataset.ids[i]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dataset.content(i))
        if done % 1000 == 0 or done == len(positions):
            on_progress("copying", done, len(positions))


def as_bytes(positions: IntArray, count: int) -> bytes:
    """Return a byte for each of ``count`` samples, which is 1 for those at ``positions``."""
    keep = bytearray(count)
    for i in positions.tolist():
        keep[i] = 1
    return bytes(keep)
