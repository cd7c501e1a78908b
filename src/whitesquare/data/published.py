"""Data sets known by the files in which they were published: STL-10, SVHN, EMNIST, Keras, MedMNIST; no NumPy."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from whitesquare.data.layouts import SPLITS, find_idx
from whitesquare.data.splits import holds_others, names_in
from whitesquare.data.zips import read_archive
from whitesquare.errors import DataError

STL10, SVHN, EMNIST, NAMED_NPZ = "stl10", "svhn", "emnist", "npz"
ARRAYS = (
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
    {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},
)
"""How Keras and MedMNIST call images and labels of a split."""
_VALIDATION = ("x_val", "val_images", "x_valid")
_EMNIST = re.compile(r"emnist-(\w+)-(train|test)-(?:images|labels)-idx[13]-ubyte(?:\.gz)?")
_KUZUSHIJI = re.compile(r"(\w+)-(train|test)-(?:imgs|labels)\.npz")
_KNOWN = re.compile(rf"(?:train|test)_(?:[Xy]\.bin|32x32\.mat)|{_EMNIST.pattern}|{_KUZUSHIJI.pattern}")


@dataclass(frozen=True)
class Published:
    """One split of such a data set.

    Attributes:
        kind: which it is.
        files: that hold images and labels, in this order; or the one that holds both.
        arrays: names of both in that one file, if it is an ``.npz``.
        unread: parts that are of neither split.
    """

    kind: str
    files: tuple[Path, ...]
    arrays: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def published(source: str | Path) -> dict[str, Published] | None:
    """Return by split the files of a data set that is known by them; ``None`` if it is of another kind.

    Args:
        source: a folder with ``train_X.bin`` and ``train_y.bin`` (STL-10), with ``train_32x32.mat`` (SVHN; or that
            file), or with ``emnist-SET-train-images-idx3-ubyte`` or ``kmnist-train-imgs.npz`` (or that file); or an
            ``.npz`` file with ``x_train`` or ``train_images``. Where there are class folders or files of other kinds,
            these are what is meant.

    Raises:
        DataError: files of a split are missing, or it is not clear which set is meant.
    """
    path = Path(source)
    if path.is_dir():
        if not any(map(_KNOWN.fullmatch, names_in(path))) or holds_others(path):
            return None
        return _stl10(path) or _svhn(path) or _emnist(path, _sets(path)) or _kuzushiji(path)
    if _KUZUSHIJI.fullmatch(path.name) and path.is_file():
        return _kuzushiji(path.parent, path.name.split("-")[0])
    if path.suffix.lower() == ".npz":
        return _npz(path)
    if path.suffix.lower() == ".mat" and path.is_file():
        return {"train": Published(SVHN, (path,))}
    if (named := _EMNIST.fullmatch(path.name)) and path.is_file():
        return _emnist(path.parent, {named[1]})
    return None


def _stl10(folder: Path) -> dict[str, Published] | None:
    found = {}
    for split in SPLITS:
        files = tuple(folder / f"{split}_{part}.bin" for part in "Xy")
        there = [path.is_file() for path in files]
        if there == [True, False]:
            raise DataError(f"{folder} has {files[0].name} and no {files[1].name}, which holds its labels; add it.")
        if all(there):
            unread = ("unlabeled_X.bin",) if (folder / "unlabeled_X.bin").is_file() else ()
            found[split] = Published(STL10, files, unread=unread)
    return found or None


def _svhn(folder: Path) -> dict[str, Published] | None:
    unread = ("extra_32x32.mat",) if (folder / "extra_32x32.mat").is_file() else ()
    found = {
        split: Published(SVHN, (path,), unread=unread)
        for split in SPLITS
        if (path := folder / f"{split}_32x32.mat").is_file()
    }
    return found or None


def _sets(folder: Path) -> set[str]:
    return {named[1] for path in folder.glob("emnist-*") if (named := _EMNIST.fullmatch(path.name))}


def _emnist(folder: Path, sets: Collection[str]) -> dict[str, Published] | None:
    if len(sets) > 1:
        raise DataError(
            f"{folder} holds the sets {', '.join(sorted(sets))} of EMNIST; expected one, so give a file of it, such as "
            f"{folder}/emnist-{min(sets)}-train-images-idx3-ubyte.gz."
        )
    found = {}
    for name in sets:
        for split in SPLITS:
            files = [find_idx(folder, split, part, f"emnist-{name}-{split}") for part in ("images", "labels")]
            whole = tuple(path for path in files if path is not None)
            if len(whole) == 1:
                raise DataError(f"{folder} has {whole[0].name} and not the other of images and labels; add it.")
            if whole:
                found[split] = Published(EMNIST, whole)
    return found or None


def _kuzushiji(folder: Path, name: str = "") -> dict[str, Published] | None:
    """Find images and labels in files of their own, as KMNIST has them beside its IDX files."""
    sets = {name} if name else {named[1] for one in names_in(folder) if (named := _KUZUSHIJI.fullmatch(one))}
    if len(sets) > 1:
        raise DataError(f"{folder} holds {', '.join(sorted(sets))}; expected one, so give a file of it.")
    found = {}
    for split in SPLITS:
        files = [folder / f"{one}-{split}-{part}.npz" for one in sets for part in ("imgs", "labels")]
        there = [path for path in files if path.is_file()]
        if len(there) == 1:
            raise DataError(f"{folder} has {there[0].name} and not the other of imgs and labels; add it.")
        if there:
            found[split] = Published(NAMED_NPZ, tuple(there), ("arr_0", "arr_0"))
    return found or None


def _npz(path: Path) -> dict[str, Published] | None:
    """Look at the names of the members only; whoever reads a file refuses it if it is not built as it should be."""
    try:
        with path.open("rb") as file:
            names = [one.name for one in read_archive(file, path.stat().st_size, path).members]
    except (OSError, DataError, UnicodeDecodeError):
        return None
    unread = tuple(name for name in _VALIDATION if f"{name}.npy" in names)
    for arrays in ARRAYS:
        found = {
            split: Published(NAMED_NPZ, (path,), pair, unread)
            for split, pair in arrays.items()
            if all(f"{name}.npy" in names for name in pair)
        }
        if found:
            return found
    return None
