"""Rules for the names that reach reports, manifests and file systems: splits, sample ids, class names."""

from pathlib import Path
from typing import TYPE_CHECKING, Union

from whitesquare.data.layouts import SPLITS, is_plain
from whitesquare.errors import DataError, unknown_name

if TYPE_CHECKING:  # it needs NumPy
    from whitesquare.types import ImageDataset


def named(source: Union[str, Path, "ImageDataset"]) -> str:
    """Return what a data set is called in a report: its name or path, or, of an object, its kind."""
    return str(source) if isinstance(source, str | Path) else getattr(source, "kind", "arrays")


def check_split(split: str) -> None:
    """Refuse a split that is neither ``"train"`` nor ``"test"``.

    Raises:
        UsageError: naming the known splits.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)


def check_name(name: str, what: str, where: str) -> None:
    """Refuse a name that could break a line, a terminal or a signed list of names.

    Args:
        name: the name; markup such as ``<script>`` is legal, whoever renders it escapes it.
        what: the kind of thing, for the error: ``"sample id"``.
        where: the file or argument it came from, for the error.

    Raises:
        DataError: if the name is empty or holds a control character or line break.
    """
    if not is_plain(name):
        raise DataError(
            f"{where}: the {what} {name!r} is empty or holds a control character; "
            "expected printable text, so rename it."
        )


def check_names(names: tuple[str, ...], what: str, where: str) -> None:
    """Refuse names that are not plain or not unique.

    Raises:
        DataError: naming the first that is wrong.
    """
    seen: set[str] = set()
    for name in names:
        check_name(name, what, where)
        if name in seen:
            raise DataError(f"{where}: the {what} {name!r} occurs twice; expected unique names, so rename one.")
        seen.add(name)
