"""Where results of a data set must not be written: over it, or into it, where they would become a part of it."""

from pathlib import Path

from whitesquare._base.folders import folder_kind
from whitesquare.data.layouts import place_of
from whitesquare.data.names import Data
from whitesquare.errors import UsageError


def check_apart(source: Data, folder: Path) -> None:
    """Refuse to write over a data set or into it, where what is written would become a class of it.

    Args:
        source: name or path of the data set, or an object, which lies nowhere.
        folder: the output folder.

    Raises:
        UsageError: one lies in the other.
    """
    place = place_of(source) if isinstance(source, str | Path) else None
    if place is None:
        return
    ours, theirs = folder.resolve(), place.resolve()
    if ours == theirs or theirs in ours.parents or ours in theirs.parents:
        raise UsageError(
            f"The output folder {folder} and the data set {source} lie in one another; name another folder."
        )


def check_outside(source: Data, folder: Path) -> None:
    """Refuse to write into a data set, unless it is a folder of ours, in which results have their places.

    Raises:
        UsageError: see :func:`check_apart`.
    """
    place = place_of(source) if isinstance(source, str | Path) else None
    if place is not None and place.is_dir() and folder_kind(place) is None:
        check_apart(source, folder)
