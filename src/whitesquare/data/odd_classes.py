"""What is odd about the classes of a data set, and often a slip: names that look alike, nearly as many as samples."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from whitesquare.types import IntArray

_MANY, _SHARED = 20, 2
"""So many samples or more should share their classes: so many to each, on average."""


def class_notes(classes: Sequence[str], labels: IntArray) -> tuple[str, ...]:
    """Say what is odd about classes.

    Args:
        classes: their names.
        labels: of the samples, positions in ``classes``.
    """
    found: list[str] = []
    seen: dict[str, str] = {}
    for name in classes:
        other = seen.setdefault(_looks(name), name)
        if other != name and not found:
            found.append(
                f"The classes {other!r:.60} and {name!r:.60} differ in nothing but case, spaces or Unicode form; if "
                "they are one class, give it one name."
            )
    if "-1" in classes and "0" in classes:
        found.append(
            "The class '-1' is read as a class like the others; where it stands for no label, take its samples out."
        )
    if len(labels) >= _MANY and (present := len(np.unique(labels))) * _SHARED > len(labels):
        found.append(
            f"{present:,} classes were found for {len(labels):,} samples; if their labels are captions or names of "
            "files, give a column, member or folders that say the class."
        )
    return tuple(found)


def _looks(name: str) -> str:
    """Return what a name looks like; letters alone are told apart by their case, as data sets of letters do."""
    plain = unicodedata.normalize("NFKC", name)
    if not plain.isascii():
        plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    plain = " ".join(plain.split())
    return plain.casefold() if len(plain) > 1 else plain
