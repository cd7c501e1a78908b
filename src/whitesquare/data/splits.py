"""Files of one kind by the split that their names, or their folders, speak of; and what is of none; no NumPy."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from whitesquare.data.layouts import FOLDER, SPLITS, dataset_kinds, is_image
from whitesquare.data.specs import TAR

_OTHERS = ("validation", "valid", "val", "dev")
_NAMED = re.compile(rf"(?:^|[-_.])({'|'.join((*SPLITS, *_OTHERS))})(?=[-_.])")
"""The first such word in a file's name says of which split it is."""
_KINDS = (".parquet", TAR)
_FEW, _LOOKED_AT = 3, 1000


class Files(Protocol):
    """Shards of a split."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files."""


NO_FILES: Mapping[str, Files] = {}


def files_by_split(folder: Path, suffix: str) -> dict[str, list[Path]]:
    """Return the files named by split in a folder or in ``data`` below it, or those in folders named so; sorted."""
    for place in (folder, folder / "data"):
        found: dict[str, list[Path]] = {}
        for path in shard_files(place, suffix):
            if (split := _split_of(path.name)) in SPLITS:
                found.setdefault(split, []).append(path)
        if found:
            return found
    return {split: files for split in SPLITS if (files := shard_files(folder / split, suffix))}


def shard_files(folder: Path, suffix: str) -> list[Path]:
    """Return the files in a folder whose names end so, in whatever case, sorted; hidden ones are no shards."""
    names = (name for name in names_in(folder) if name.lower().endswith(suffix))
    return sorted(folder / name for name in names if not name.startswith("."))


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder; of none, none."""
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - of a million files, no million paths


def has_class_folders(folder: Path) -> bool:
    """Tell whether a folder holds folders that hold image files."""
    return any(is_image(file.name) for file in folder.glob("*/*"))


def holds_others(folder: Path) -> bool:
    """Tell whether a folder holds a data set in a form that counts for more than files known by their names."""
    kinds = set(dataset_kinds(folder)) - {FOLDER}
    return bool(kinds) or any(has_class_folders(place) for place in (folder, folder / "train"))


def left_unread(folder: Path, splits: Mapping[str, Files] = NO_FILES) -> tuple[str, ...]:
    """Say which parts of a data set with named splits are read as neither of them, such as those for validation.

    Args:
        folder: of the data set.
        splits: the shards that it consists of, if it does: others that lie beside them are named, too.
    """
    read = {path for one in splits.values() for path in one.files}
    beside = _shards_unread(folder, read) if folder.is_dir() else ()
    names = sorted(_others(folder))
    is_split = any((folder / split).is_dir() for split in SPLITS)
    if not names or not (is_split or any(files_by_split(folder, suffix) for suffix in _KINDS)):
        return beside
    told = (
        f"{_some(names)} in {folder}: neither the train nor the test split, and not read; open them by their own path."
    )
    return (told, *beside)


def _shards_unread(folder: Path, read: Collection[Path]) -> tuple[str, ...]:
    places = (folder, folder / "data", *(folder / split for split in SPLITS))
    names = [
        path.relative_to(folder).as_posix()
        for suffix in {path.suffix.lower() for path in read} & set(_KINDS)
        for place in places
        for path in shard_files(place, suffix)
        if path not in read and _split_of(path.name) not in _OTHERS
    ]
    if not names:
        return ()
    return (
        f"{_some(names)} in {folder}: not read, for shards are read that lie in one folder and whose names say the "
        "split (train-0000.tar), where any do; move or rename them.",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW]) + (", ..." if len(names) > _FEW else "")


def _others(folder: Path) -> Iterator[str]:
    for prefix in ("", "data/"):
        for name in names_in(folder / prefix):
            is_part = name.endswith(_KINDS) and _split_of(name) in _OTHERS
            if is_part or (name in _OTHERS and (folder / prefix / name).is_dir()):
                yield prefix + name
    if has_class_folders(folder / "train"):
        yield from (name for name in names_in(folder) if name not in (*SPLITS, *_OTHERS) and _shows(folder / name))


def _shows(path: Path) -> bool:
    """Tell whether something beside the splits is a folder of images, or of folders of images."""
    if path.name.startswith(".") or path.is_symlink() or not path.is_dir():
        return False
    return any(is_image(file.name) for pattern in ("*", "*/*") for file in islice(path.glob(pattern), _LOOKED_AT))


def _split_of(name: str) -> str:
    named = _NAMED.search(name)
    return named[1] if named else ""
