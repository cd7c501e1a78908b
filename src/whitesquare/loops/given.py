"""What a loop gives a recorder: whose samples they are, and the numbers of a batch, in whatever form."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.names import kind_of
from whitesquare.errors import UsageError

MOST_EPOCHS = 2**31
"""More do not fit into the column of their numbers."""


@runtime_checkable
class Labelled(Protocol):
    """What names its samples and their classes: a data set of :func:`whitesquare.open_dataset`, an attested split."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the samples, by position."""

    @property
    def labels(self) -> Sequence[int] | NDArray[np.int64]:
        """Labels of the samples, by position."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is a position in this tuple."""


def ids_of(data: Labelled | Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the samples of a recorder.

    Raises:
        UsageError: it was given something else, such as what a loader takes, or an id stands twice.
    """
    given: Any = data.ids if isinstance(data, Labelled) else data
    mend = "give the data set as whitesquare.open_dataset returns it, or a list of the ids of its samples"
    if isinstance(given, str | Path) or not (isinstance(given, Iterable) or hasattr(given, "__getitem__")):
        raise UsageError(f"The recorder was given {given!r:.80} for its data; {mend}.")
    ids: list[str] = []
    for one in given:  # what gives samples is asked for one of them, not for all
        if not isinstance(one, str):
            raise UsageError(
                f"The recorder was given a {kind_of(given)} for its data, in which a {kind_of(one)} stands where an id "
                f"is looked for; {mend}."
            )
        ids.append(one)
    different = len(set(ids))
    if not ids or different < len(ids):
        raise UsageError(
            f"{len(ids)} ids were given and {different} of them are different; expected a list of ids, one for each "
            "sample and each once."
        )
    return tuple(ids)


def losses_in(batch: Any) -> NDArray[np.float64]:
    """Return the losses of a batch.

    Raises:
        UsageError: they are no real numbers, or cannot be read.
    """
    found = _array(batch, "losses")
    if found.dtype.kind not in "biuf":
        raise UsageError(f"The losses of a batch are {found.dtype}; expected a real number for each sample.")
    return found.astype(np.float64)


def samples_in(batch: Any) -> NDArray[Any]:
    """Return the positions or the ids of the samples of a batch.

    Raises:
        UsageError: they cannot be read.
    """
    found = _array(batch, "samples")
    whole = found.dtype == object and all(isinstance(one, int) for one in found.ravel().tolist())
    return found.astype(np.int64) if whole else found


def epoch_in(asked: Any) -> int:
    """Return the number of an epoch.

    Raises:
        UsageError: it is no whole number from 0 on.
    """
    try:
        number = int(asked)
        if number == asked and 0 <= number < MOST_EPOCHS:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"The epoch {asked!r:.60} ends; expected a whole number from 0 on, or none for the next one.")


def _array(batch: Any, what: str) -> NDArray[Any]:
    try:
        return np.asarray([_plain(one) for one in batch] if isinstance(batch, list | tuple) else _plain(batch))
    except Exception as error:
        raise UsageError(
            f"The {what} of a batch, a {kind_of(batch)}, cannot be read ({type(error).__name__}: {error!s:.120}); "
            "expected a tensor, an array or a list of numbers, one for each sample."
        ) from error


def _plain(values: Any) -> Any:
    """Return a tensor, whose kind need not be one of NumPy's, as what NumPy reads."""
    if not hasattr(values, "detach"):
        return values
    values = values.detach()
    return (values.float() if values.is_floating_point() else values).cpu().numpy()
