"""What somebody may have meant by a folder without class folders: the data set lies deeper, or is called otherwise.

Nothing is opened because of what is found here: it only words a refusal. No NumPy.
"""

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

from whitesquare.data.layouts import CIFAR10, CIFAR100, FOLDER, IDX, NPZ, SPLITS, dataset_kinds, is_image
from whitesquare.data.nested import SPLIT
from whitesquare.data.specs import TABLES
from whitesquare.data.splits import names_in
from whitesquare.errors import DataError

_DEEP, _MOST = 3, 50
"""Folders are looked into so far below the one that was given, and so many of each."""
_IDX = re.compile(r".*idx\d[-.](?:u?byte|int)(?:\.gz)?", re.IGNORECASE)
_LIST = re.compile(
    r"(?!metadata\.|train\.csv$|\.|readme|licen[cs]e).*\.(?:csv|tsv|xlsx|jsonl)|.*(?:label|annot).*\.(?:json|txt)", re.I
)
"""What a file with labels may be called; of ``metadata`` and ``train.csv`` others speak."""
_PICKLED = ("data_batch_1", "batches.meta")
_CALLED = {IDX: "IDX files", NPZ: "npz files", CIFAR10: "the files of CIFAR-10", CIFAR100: "the files of CIFAR-100"}
_FEW = 3


def refuse_misplaced(folder: Path) -> None:
    """Refuse a folder of which it can be told what its owner has to give instead, or to rename.

    Args:
        folder: one that no other source knows, so that it is taken for class folders.

    Raises:
        DataError: class folders are not where they are looked for, but something else is.
    """
    splits = [path for split in SPLITS if (path := folder / split).is_dir()]
    if any(map(_holds_classes, splits)):
        said = "" if folder / "train" in splits else _other_splits(folder, "train")
        if said:
            raise DataError(f"{folder} {said}")
        return
    said = _saved(folder) or _colliding(folder) or ("" if splits else _one_list(folder))
    if not said and not splits and not _holds_classes(folder):
        said = next((found for look in _LOOKS if (found := look(folder))), "")
    if said:
        raise DataError(f"{folder} {said}")


def refuse_above(folder: Path) -> None:
    """Refuse a folder above the one of a data set, which read as class folders would be one class of all images.

    Raises:
        DataError: naming the one below.
    """
    if not _holds_classes(folder) and (said := _deeper(folder)):
        raise DataError(f"{folder} {said}")


def unread_lists(folder: Path) -> tuple[str, ...]:
    """Say which tables lie beside class folders, and may hold the labels that somebody trains on."""
    found = _lists(folder)
    if not found:
        return ()
    are = "is" if len(found) == 1 else "are"
    return (
        f"{_some(found)} in {folder} {are} not read: labels are the names of the folders; if they stand there, "
        f"{_given(folder / found[0], folder)}.",
    )


def _saved(folder: Path) -> str:
    """Know what Hugging Face's ``datasets`` writes: files of Arrow, alone or by split."""
    if not ((folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()):
        return ""
    return (
        "is what save_to_disk of Hugging Face's datasets writes, and its files of Arrow are not read; give the object "
        "of datasets.load_from_disk in Python, or write each split by to_parquet('train.parquet')."
    )


def _other_names(folder: Path) -> str:
    found = sorted(name for name in names_in(folder) if _IDX.fullmatch(name))
    if not found:
        return ""
    return (
        f"has IDX files under other names ({_some(found)}); expected train-images-idx3-ubyte and "
        "train-labels-idx1-ubyte (t10k-... for the test split), plain or .gz, so rename them."
    )


def _colliding(folder: Path) -> str:
    """Look for a class that is called as a split is: a folder of images beside other folders of images."""
    holding = [path.name for path in _folders(folder) if _has_image(path)]
    taken = [name for name in holding if name in SPLITS]
    others = [name for name in holding if name not in SPLITS]
    if not taken or not others:
        return ""
    return (
        f"has a folder {taken[0]!r} that holds images and stands beside {_some(others)}, so that it may be a class or "
        f"the {taken[0]} split; rename it if it is a class, or move all class folders into {folder / 'train'}."
    )


def _one_list(folder: Path) -> str:
    """Look for all images in one folder, and a list beside it."""
    holding = [path for path in _folders(folder) if _has_image(path)]
    lists = _lists(folder)
    if len(holding) != 1 or not lists:
        return ""
    return (
        f"has its images in one folder, {holding[0].name!r}, and their labels may stand in {_some(lists)}; "
        f"{_given(folder / lists[0], holding[0])}."
    )


def _other_splits(folder: Path, begins: str = "") -> str:
    """Look for splits that are called otherwise: ``Training``, ``train_images``, or validation alone."""
    found = [path.name for path in _folders(folder) if SPLIT.fullmatch(path.name) and _holds_classes(path)]
    if not any(name.lower().startswith(begins) for name in found):
        return ""
    return (
        f"has class folders in {_some(found)}, and splits are called train and test; rename them so, or give the path "
        f"of one, such as {folder / found[0]}."
    )


def _deeper(folder: Path) -> str:
    """Look for a data set in a folder below, where this one holds no image."""
    for place in islice(_below(folder, _DEEP), _MOST):
        names = names_in(place)
        if any(name in names for name in _PICKLED):
            return (
                f"holds Python batches of CIFAR in {place}, pickles, which run whatever they say when they are "
                "loaded; expected the binary version, so download that and give its folder."
            )
        if what := _held_in(place, names, folder):
            return f"is not where the data lie: {place} has {what}; give that folder."
    return ""


def _held_in(place: Path, names: list[str], root: Path) -> str:
    kinds = dataset_kinds(place)
    if any(_IDX.fullmatch(name) for name in names):
        return _CALLED[IDX]
    if known := [kind for kind in kinds if kind in _CALLED]:
        return _CALLED[known[0]]
    if FOLDER in kinds and any(_holds_classes(place / split) for split in SPLITS):
        return "train or test with class folders"
    if any(name.endswith((".parquet", ".tar")) for name in names):
        return "Parquet or tar files"
    # what is unpacked from an archive stands alone, all the way down; else these are folders inside a class folder
    way = [place, *(path for path in place.parents if path.is_relative_to(root))]
    alone = all(_folders(above) == [path] for path, above in pairwise(way))
    return "class folders" if alone and len([one for one in _folders(place) if _has_image(one)]) > 1 else ""


def _flat(folder: Path) -> str:
    if not _has_image(folder):
        return ""
    if lists := _lists(folder):
        return (
            f"has no class folder with images; labels of those in it may stand in {_some(lists)}: "
            f"{_given(folder / lists[0], folder)}."
        )
    return (
        "has no class folder with images, and holds images without one, so that nothing says what they show; put those "
        "of a class into a folder of its name, or write a CSV file with the columns file and label, and give that."
    )


_LOOKS = (_other_names, _other_splits, _flat, _deeper)


def _given(path: Path, root: Path) -> str:
    if path.suffix.lower() not in TABLES:
        return f"write {path.name} as CSV with the columns file and label, and give that"
    return f"give csv:{path}?root={root} (and &image=COLUMN&label=COLUMN where they are called otherwise)"


def _lists(folder: Path) -> list[str]:
    return sorted(name for name in names_in(folder) if _LIST.fullmatch(name))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for path in _folders(folder):
        yield path
        if depth > 1:
            yield from _below(path, depth - 1)


def _folders(folder: Path) -> list[Path]:
    found = (folder / name for name in sorted(names_in(folder)) if not name.startswith("."))
    return list(islice((path for path in found if path.is_dir() and not path.is_symlink()), _MOST))


def _has_image(folder: Path) -> bool:
    return any(is_image(name) for name in names_in(folder))


def _holds_classes(folder: Path) -> bool:
    return any(_has_image(path) for path in _folders(folder))


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_FEW])) + (", ..." if len(names) > _FEW else "")
