"""Rules for the names that reach reports, manifests and file systems: splits, sample ids, class names."""

import unicodedata

from whitesquare.errors import DataError, unknown_name

SPLITS = ("train", "test")

_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that end a line, drive a terminal or cannot be written as UTF-8."""


def check_split(split: str) -> None:
    """Refuse a split that is neither ``"train"`` nor ``"test"``.

    Raises:
        UsageError: naming the known splits.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)


def is_plain(name: str) -> bool:
    """Tell whether ``name`` is non-empty and free of control characters and line breaks."""
    if name.isprintable():  # the fast path: nearly every name
        return bool(name)
    return not any(unicodedata.category(letter) in _BREAKING for letter in name)


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


def class_order(name: str) -> tuple[int, int, str]:
    """Sorting key of class folders: whole numbers first and as numbers, then the other names."""
    if name.isascii() and name.isdigit():
        return (0, int(name), name)
    return (1, 0, name)
