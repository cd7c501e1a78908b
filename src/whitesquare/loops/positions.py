"""Samples that say their position: what a loop needs to tell whose losses it computed."""

from collections.abc import Mapping
from operator import index
from typing import Any, Protocol

from whitesquare.data.names import kind_of
from whitesquare.errors import UsageError

POSITION = "position"
"""The key under which a sample that is a mapping says its position; of a tuple it is the last item."""


class Indexed(Protocol):
    """What a ``torch.utils.data.DataLoader`` takes and addresses by position."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, position: int, /) -> Any:
        """Return a sample."""


class WithPositions:
    """Samples of another, each with its position; made by :func:`with_positions`."""

    def __init__(self, samples: Indexed) -> None:
        self.samples = samples

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def __getitem__(self, position: int) -> Any:
        """Return ``(*sample, position)``, or, of a mapping, the same with ``"position"``.

        Raises:
            IndexError: there is none at that position.
            UsageError: it has something under ``"position"`` already.
        """
        i = index(position)
        if not -len(self) <= i < len(self):
            raise IndexError(f"There are {len(self)} samples, and none at {i}.")
        i %= len(self)
        sample = self.samples[i]
        if isinstance(sample, Mapping):
            if POSITION in sample:
                raise UsageError(
                    f"The sample {i} has {sample[POSITION]!r:.60} under {POSITION!r}, where its position is to stand; "
                    "give what it has another name."
                )
            return {**sample, POSITION: i}
        return (*sample, i) if isinstance(sample, tuple | list) else (sample, i)


def with_positions(samples: Indexed) -> WithPositions:
    """Return the same samples, each with its position, for a loader with any number of workers in any order.

    Args:
        samples: with ``len()`` and positions: a ``torch.utils.data.Dataset``, a ``datasets.Dataset``, an attested
            split. What it does with a random crop or flip stays its own.

    Raises:
        UsageError: it has no length or no positions, as a stream and a loader have none.
    """
    if isinstance(samples, Mapping) or not (hasattr(samples, "__len__") and hasattr(samples, "__getitem__")):
        raise UsageError(
            f"A {kind_of(samples)} has no samples by position; give the data set that the loader reads, with len() and "
            "dataset[i], or, of a stream, let the loop record ids."
        )
    return WithPositions(samples)
