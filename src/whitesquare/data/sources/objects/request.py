"""What is asked of an object that is to be opened."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whitesquare.data.layouts import position_id
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, IntArray


@dataclass(frozen=True)
class ObjectRequest:
    """What is asked.

    Attributes:
        split: first part of the ids of samples that have no name.
        only: positions of the samples that are wanted; ``None`` for all.
        beside: the other split, of the same classes, where the object has one.
        is_sized: a size is asked for, so that images must be given one by one.
        on_progress: told how many samples are read.
    """

    split: str
    only: IntArray | None = None
    beside: Any = None
    is_sized: bool = False
    on_progress: Progress = silent

    def of(self, only: IntArray | None) -> "ObjectRequest":
        """Ask the same of an object that lies inside another, for the samples at these positions."""
        return replace(self, only=only, beside=None)

    def positions(self, count: int) -> IntArray:
        """Return the positions of the samples that are wanted of so many."""
        return np.arange(count) if self.only is None else self.only

    def ids(self, count: int) -> tuple[str, ...]:
        """Name the samples that are wanted by their positions."""
        return tuple(position_id(self.split, i) for i in self.positions(count).tolist())


Again = Callable[[Any, ObjectRequest], ImageDataset]
"""Opens an object that lies inside another."""
