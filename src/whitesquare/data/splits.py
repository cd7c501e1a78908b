"""Files of one kind by the split that their names, or their folders, speak of; and what is of none; no NumPy."""

import re
from collections.abc import Iterator
from pathlib import Path

from whitesquare.data.layouts import SPLITS, is_image
from whitesquare.data.specs import TAR

_OTHERS = ("validation", "valid", "val", "dev")
_NAMED = re.compile(rf"(?:^|[-_.])({'|'.join((*SPLITS, *_OTHERS))})(?=[-_.])")
"""The first such word in a file's name says of which split it is."""
_KINDS = (".parquet", TAR)
_FEW = 3


def files_by_split(folder: Path, suffix: str) -> dict[str, list[Path]]:
    """Return the files named by split in a folder or in ``data`` below it, or those in folders named so; sorted."""
    for place in (folder, folder / "data"):
        found: dict[str, list[Path]] = {}
        for path in sorted(place.glob(f"*{suffix}")):
            if (split := _split_of(path)) in SPLITS:
                found.setdefault(split, []).append(path)
        if found:
            return found
    return {split: files for split in SPLITS if (files := sorted((folder / split).glob(f"*{suffix}")))}


def has_class_folders(folder: Path) -> bool:
    """Tell whether a folder holds folders that hold image files."""
    return any(is_image(file.name) for file in folder.glob("*/*"))


def left_unread(folder: Path) -> tuple[str, ...]:
    """Say which parts of a data set with named splits are read as neither of them, such as those for validation."""
    if not folder.is_dir():
        return ()
    by_kind = {suffix: files_by_split(folder, suffix) for suffix in _KINDS}
    if not any(by_kind.values()) and not any((folder / split).is_dir() for split in SPLITS):
        return ()
    names = sorted(_others(folder))
    if not names:
        return ()
    some = ", ".join(names[:_FEW]) + (", ..." if len(names) > _FEW else "")
    return (f"{some} in {folder}: neither the train nor the test split, and not read; open them by their own path.",)


def _others(folder: Path) -> Iterator[str]:
    for place in (folder, folder / "data"):
        for path in place.glob("*"):
            if (path.is_dir() and path.name in _OTHERS) or (path.suffix in _KINDS and _split_of(path) in _OTHERS):
                yield path.relative_to(folder).as_posix()


def _split_of(path: Path) -> str:
    named = _NAMED.search(path.name)
    return named[1] if named else ""
