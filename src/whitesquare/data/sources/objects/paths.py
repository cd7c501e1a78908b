"""Ids of images that are files, of which an object knows the paths."""

import os
from collections.abc import Sequence
from pathlib import Path

from whitesquare.data.names import check_name
from whitesquare.errors import DataError


def path_ids(paths: Sequence[str], where: str, root: str | Path | None = None) -> tuple[Path, tuple[str, ...]]:
    """Return a folder, and the paths of files below it, which are their ids on any machine.

    Args:
        paths: of the files.
        where: what names them, for the errors.
        root: the folder, if the object says one; else it is the one that all have in common, or the working folder for
            paths that are relative to it.

    Raises:
        DataError: a file is not there or is named twice.
    """
    relative = all(not os.path.isabs(path) and ".." not in Path(path).parts for path in paths)
    absolute = [os.path.abspath(path) for path in paths]
    for given, path in zip(paths, absolute, strict=True):
        if not os.path.isfile(path):
            raise DataError(
                f"{where} names {given!r}, which is no file (looked for {path}); add it, or give full paths."
            )
    base = os.path.abspath(root) if root is not None else os.getcwd()
    if any(not path.startswith(base + os.sep) for path in absolute) or (root is None and not relative):
        base = os.path.commonpath([os.path.dirname(path) for path in absolute])
    ids = tuple(Path(os.path.relpath(path, base)).as_posix() for path in absolute)
    seen: dict[str, int] = {}
    for i, name in enumerate(ids):
        check_name(name, "file name", where)
        if (first := seen.setdefault(name, i)) != i:
            raise DataError(
                f"{where}: the samples {first} and {i} both name {name!r}; expected each file once, so take one out."
            )
    return Path(base), ids
