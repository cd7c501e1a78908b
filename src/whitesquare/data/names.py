"""Rules for the names that reach reports, manifests and file systems: splits, sample ids, class names."""

from collections.abc import Mapping
from pathlib import Path

from whitesquare.data.layouts import SPLITS, is_plain
from whitesquare.data.sources.objects.splits import splits_in
from whitesquare.errors import DataError, unknown_name

Data = str | Path | object
"""What is opened as a data set: a name or a path, or an object; see :func:`whitesquare.data.open_dataset`."""


def named(source: Data) -> str:
    """Return what a data set is called in a report: its name or path, or, of an object, its kind."""
    if (splits := splits_in(source)) is not None:
        source = next(iter(splits.values()))
    if isinstance(source, str | Path):
        return str(source)
    own = "arrays" if isinstance(source, tuple | Mapping) else kind_of(source)
    kind = getattr(source, "kind", None)
    return kind if isinstance(kind, str) else own


def kind_of(thing: object) -> str:
    """Return what a thing is called: its class, with the package if that is not the user's own."""
    kind = type(thing)
    root = kind.__module__.partition(".")[0]
    return kind.__name__ if root in ("__main__", "builtins") else f"{root}.{kind.__name__}"


def check_split(split: str) -> None:
    """Refuse a split that is neither ``"train"`` nor ``"test"``.

    Raises:
        UsageError: naming the known splits.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)


def check_name(name: object, what: str, where: str) -> None:
    """Refuse a name that could break a line, a terminal or a signed list of names.

    Args:
        name: the name; markup such as ``<script>`` is legal, whoever renders it escapes it.
        what: the kind of thing, for the error: ``"sample id"``.
        where: the file or argument it came from, for the error.

    Raises:
        DataError: if the name is no text, is empty, or holds a control character or line break.
    """
    if not isinstance(name, str):
        raise DataError(
            f"{where}: the {what} {name!r:.60} is a {type(name).__name__}; expected text, so give str() of it."
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: the {what} {name!r} holds bytes that are no UTF-8, and no report or manifest can say it; rename "
            "it, as by convmv -f latin1 -t utf8."
        ) from error
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
