"""Ids of images that are files, of which an object knows the paths."""

import os
from collections.abc import Sequence
from pathlib import Path

from whitesquare.data.names import check_name
from whitesquare.errors import DataError


def path_ids(names: Sequence[str], where: str, root: Path | None = None) -> tuple[Path, tuple[str, ...]]:
    """Return a folder, and the paths of files below it, which are their ids on any machine.

    Args:
        names: paths of the files, as the object has them.
        where: what names them, for the errors.
        root: the folder, if the object says one; else the working folder for paths below it, and for others the one
            that all have in common.

    Raises:
        DataError: a file is not there or is named twice.
    """
    here = Path.cwd()
    paths = [os.path.normpath(here / name) for name in names]  # without following links, which may lead elsewhere
    for name, path in zip(names, paths, strict=True):
        if not Path(path).is_file():
            raise DataError(
                f"{where} names {name!r}, which is no file (looked for {path}); add it, or give full paths."
            )
    base = os.path.normpath(here / (root or ""))
    known = root is not None or not any(Path(name).is_absolute() for name in names)
    if not known or any(not path.startswith(base + os.sep) for path in paths):
        base = os.path.commonpath([Path(path).parent for path in paths])
    ids = tuple(Path(os.path.relpath(path, base)).as_posix() for path in paths)
    seen: dict[str, int] = {}
    for i, name in enumerate(ids):
        check_name(name, "file name", where)
        if (first := seen.setdefault(name, i)) != i:
            raise DataError(
                f"{where}: the samples {first} and {i} both name {name!r}; expected each file once, so take one out."
            )
    return Path(base), ids
