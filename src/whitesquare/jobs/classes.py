"""The classes of a data set: number, name and how many samples each has."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whitesquare.data import has_test, open_dataset
from whitesquare.types import ImageDataset


@dataclass(frozen=True)
class ClassEntry:
    """One class; ``label`` is what commands take as its number, ``test`` is ``None`` without a test split."""

    label: int
    name: str
    train: int
    test: int | None


def classes_of(source: str | Path) -> tuple[ClassEntry, ...]:
    """List the classes of a data set; no image is decoded.

    Args:
        source: its name or path; see :func:`whitesquare.data.open_dataset`.

    Raises:
        UsageError: there is no such data set.
        DataError: it cannot be read.
    """
    train = open_dataset(source)
    had = _counts(train, train.classes)
    test = _counts(open_dataset(source, "test"), train.classes) if has_test(source) else {}
    return tuple(ClassEntry(label, name, had[name], test.get(name)) for label, name in enumerate(train.classes))


def _counts(dataset: ImageDataset, classes: tuple[str, ...]) -> dict[str, int]:
    found = np.bincount(dataset.labels, minlength=len(dataset.classes))
    counted = {name: int(number) for name, number in zip(dataset.classes, found, strict=False)}
    return {name: counted.get(name, 0) for name in classes}
