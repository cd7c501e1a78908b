"""Opening a data set by name or path, whatever kind it is."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from inspect import getattr_static
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare.data.cifar_files import find_cifar, refuse_pickles
from whitesquare.data.fits import Sizing
from whitesquare.data.forms import opened_splits
from whitesquare.data.holding import held
from whitesquare.data.layouts import (
    CIFAR,
    CIFAR100,
    EMBEDDED,
    FOLDER,
    IDX,
    NPZ,
    TABLE,
    dataset_kinds,
    is_image,
    only_kind,
    place_of,
)
from whitesquare.data.misnamed import hint_of, near_name, refuse_address
from whitesquare.data.misplaced import refuse_misplaced, unread_lists
from whitesquare.data.names import Data, check_split
from whitesquare.data.part import notes
from whitesquare.data.published import published
from whitesquare.data.shards import Shards, shards_of
from whitesquare.data.sized import sized
from whitesquare.data.sources.arrays import ArrayDataset
from whitesquare.data.sources.cifar import load_cifar_folder
from whitesquare.data.sources.folder import ImageFolder, load_image_folder
from whitesquare.data.sources.idx import load_idx_folder
from whitesquare.data.sources.lists import load_list
from whitesquare.data.sources.mnist import load_mnist
from whitesquare.data.sources.npz import load_npz
from whitesquare.data.sources.objects.contents import telling
from whitesquare.data.sources.objects.numbers import refuse_dark
from whitesquare.data.sources.objects.opening import open_object
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.data.sources.objects.splits import splits_in, unread_splits
from whitesquare.data.sources.others import open_other, other_source
from whitesquare.data.sources.parquet import load_parquet
from whitesquare.data.sources.published_arrays import load_published
from whitesquare.data.sources.webdataset import load_tar
from whitesquare.data.splits import left_unread
from whitesquare.data.tables import Table, left_aside, tables_of
from whitesquare.errors import DataError, UsageError
from whitesquare.records import OnNote, Progress, silent, unheard
from whitesquare.types import ImageDataset

MEMBERS = ("kind", "classes", "ids", "labels", "shape", "images", "batches", "content")
"""What an :class:`~whitesquare.types.ImageDataset` has."""
_CLOSE = 2
"""An object that lacks no more of them was meant to be one."""


def open_dataset(
    source: Data,
    split: str = "train",
    *,
    size: int | None = None,
    fit: str | None = None,
    on_note: OnNote = unheard,
    on_progress: Progress = silent,
) -> ImageDataset:
    """Open a data set: a name, a path, or an object.

    Image files may have any size. Those of one size are read as they are; others are brought to one, which is chosen by
    their headers, and :func:`whitesquare.data.notes` says so; see :mod:`whitesquare.data.sized`.

    Args:
        source: ``"mnist"`` for the embedded one (``"./mnist"`` for a folder of that name); an ``.npz`` file
            (training split only); or a folder with MNIST-named IDX files, with ``train.npz`` and
            ``test.npz``, with the binary files of CIFAR-10 or CIFAR-100, or with class folders, directly or in
            ``train`` and ``test``. Other files in the folder do not matter. A table of files and labels, or of images
            and labels: see :func:`whitesquare.data.tables.tables_of`. Tar files of WebDataset, see
            :func:`whitesquare.data.shards.shards_of`; and what :func:`whitesquare.data.published.published` knows.
            What none of these is may be known to a source that another package brings, see
            :mod:`whitesquare.plugins`. Or an object, which is the split that is asked for: images and labels as arrays
            or tensors, a data set of PyTorch, torchvision or Hugging Face, a data frame (see ``docs/data.md``), or
            whatever has what an :class:`~whitesquare.types.ImageDataset` has. A dict of these has them by split.
        split: ``"train"`` or ``"test"``.
        size: both sides that image files, and images that are given one by one, are brought to, in pixels.
        fit: how: one of :data:`whitesquare.data.fits.FITS`.
        on_note: told where labels come from, and what was left aside.
        on_progress: told how many samples are read, of an object that must be read to be known.

    Raises:
        UsageError: if there is no such path, it is not a kind that can be read, or a size is asked for that cannot be.
        DataError: if the data set is damaged, ambiguous, or has no such split.

    Example:
        >>> import whitesquare as ws
        >>> data = ws.open_dataset("photos/")
        >>> len(data.labels), data.classes[:3]
        (600, ('0', '1', '2'))
    """
    check_split(split)
    sizing = Sizing(size, fit)
    splits = splits_in(source)
    if isinstance(source, str | Path) or splits is not None:
        decides = split != "train" and (splits is None or "train" in splits)
        training = partial(_open, source, "train", sizing, silent) if decides else None
        opened = sized(_open(source, split, sizing, on_progress), sizing, training)
    else:
        opened = _open(source, split, sizing, on_progress)
        if opened is not source or sizing.is_asked:
            opened = sized(opened, sizing)
    if on_note is not unheard:
        for note in notes(opened):
            on_note(note)
    return opened


def open_held(source: Data, split: str, on_progress: Progress = silent) -> ImageDataset:
    """Open a data set that is read many times, and hold its images; what is open already is left as it is."""
    opened = open_dataset(source, split, on_progress=on_progress)
    return opened if opened is source else held(opened)


def _open(source: Data, split: str, sizing: Sizing, on_progress: Progress) -> ImageDataset:
    if not isinstance(source, str | Path):
        return _open_object(source, split, sizing, on_progress)
    opened = _open_named(source, split)
    if isinstance(opened, ArrayDataset):
        refuse_dark(opened.pixels, str(source))
    return opened


def _open_named(source: str | Path, split: str) -> ImageDataset:
    refuse_address(str(source))
    path = place_of(source)
    if path is None:
        return load_mnist(split)
    if (tables := tables_of(source)) is not None:
        return _noted(_open_table(source, tables, split), source, tables)
    if (shards := shards_of(source)) is not None:
        return _noted(load_tar(shards, split), source, shards)
    if (files := published(source)) is not None:
        return load_published(files, split)
    ours = _is_ours(path)
    other, faults = (None, "") if ours else other_source(str(source))
    if other is not None:
        return _checked(open_other(other, str(source), split))
    if path.is_dir():
        if not ours:
            refuse_pickles(path)
        return _open_folder(path, split)
    if not path.exists():
        raise UsageError(
            f"There is no file or folder {str(source)!r}; give a path, or {EMBEDDED!r} for the embedded one"
            f"{near_name(str(source))}.{faults}"
        )
    if not path.suffix:
        refuse_pickles(path.parent)
    if path.suffix.lower() != ".npz":
        hint = hint_of(path)
        raise UsageError(
            f"{path} is not a data set: expected an .npz, CSV, JSON lines, Parquet, tar or .mat file, or a folder "
            "with IDX files, the binary files of CIFAR or STL-10, a list, Parquet or tar files or class folders; give "
            f"its folder if it is a part of one{hint}.{faults}"
        )
    if split != "train":
        raise UsageError(
            f"{path} is one file, so it has no {split} split; "
            "put train.npz and test.npz into one folder and give the folder."
        )
    return load_npz(path, split)


def has_test(source: Data) -> bool:
    """Tell whether a data set has a test split, without reading it."""
    if not isinstance(source, str | Path):
        return "test" in (splits_in(source) or ())
    folder = place_of(source)
    if folder is None:
        return True
    if splits := opened_splits(source):
        return "test" in splits
    if _is_ours(folder):
        if cifar := [kind for kind in dataset_kinds(folder) if kind in CIFAR]:
            return any(find_cifar(folder, kind, "test") for kind in cifar)
        return (folder / "test.npz").is_file() or (folder / "test").is_dir() or any(folder.glob("t10k-images*"))
    other, _ = other_source(str(source))
    return other is not None and "test" in other.splits(str(source))


def format_of(source: str | Path) -> str:
    """Return the one of :data:`FORMATS` in which a data set can be written again without losing anything.

    That of CIFAR-100 is none of them: an image has one label here, and its records have two. Nor is that of a table of
    samples, which is :data:`TABLE`: only what was read from one can be written as one.
    """
    path = place_of(source)
    if path is None:
        return IDX
    if tables_of(source) is not None or shards_of(source) is not None:
        return TABLE
    if published(source) is not None:
        return NPZ
    is_own = path.is_dir() and (_is_ours(path) or other_source(str(source))[0] is None)  # as it is opened
    kind = only_kind(path, dataset_kinds(path)) if is_own else NPZ
    return NPZ if kind == CIFAR100 else kind


def require_classes(dataset: ImageDataset) -> None:
    """Refuse a data set that nothing can be learned from.

    Raises:
        DataError: if it has no images, or images of one class only.
    """
    present = np.unique(dataset.labels)
    if len(present) == 0:
        raise DataError("The data set has no images; expected images of two classes or more, so add some.")
    if len(present) == 1:
        raise DataError(
            f"All images of the data set are of the class {dataset.classes[present[0]]!r}; "
            "expected two classes or more, so add another."
        )


def _is_ours(path: Path) -> bool:
    """Tell whether a path is of one of our kinds, so that nobody else needs to be asked."""
    if path.is_dir():
        return bool(dataset_kinds(path)) or any(is_image(file.name) for file in path.glob("*/*"))
    return path.suffix.lower() == ".npz"


def _open_object(source: object, split: str, sizing: Sizing, on_progress: Progress) -> ImageDataset:
    splits = splits_in(source)
    if splits is not None and split not in splits:
        raise DataError(f"The data sets that were given have no {split} split: found {', '.join(splits)}; add it.")
    given = source if splits is None else splits[split]
    if isinstance(given, str | Path):
        return _open(given, split if has_test(given) else "train", sizing, on_progress)
    missing = [name for name in MEMBERS if getattr_static(given, name, None) is None]  # which reads no image
    if not missing:
        return _checked(given)
    other = None if splits is None else splits.get("test" if split == "train" else "train")
    asked = ObjectRequest(split, beside=other, is_sized=sizing.is_asked, on_progress=on_progress)
    opened = open_object(given, asked) if len(missing) > _CLOSE else None
    if opened is None:
        raise UsageError(
            f"A {type(given).__name__} is no data set: it has no {', '.join(missing)}; give a path, images and labels, "
            "a data set of PyTorch or Hugging Face, or one as whitesquare.types.ImageDataset."
        )
    return telling(opened, *unread_splits(source))


def _checked(dataset: Any) -> ImageDataset:
    """Refuse an object that does not keep what a data set promises, before something deep inside stumbles over it."""
    labels, ids, top = dataset.labels, dataset.ids, len(dataset.classes) - 1
    given = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
    if given != f"int64 {(len(ids),)}" or (len(ids) and not 0 <= labels.min() <= labels.max() <= top):
        raise DataError(
            f"The data set ({dataset.kind}) has labels {given}; expected an int64 array of one label in 0..{top} for "
            f"each of {len(ids)} ids, see whitesquare.testing.check_dataset."
        )
    if len(set(ids)) < len(ids):
        raise DataError(f"The data set ({dataset.kind}) gives one id to two samples; expected unique ids.")
    opened: ImageDataset = dataset
    return opened


def _noted(dataset: ImageFolder, source: str | Path, splits: Mapping[str, Table | Shards]) -> ImageDataset:
    """Add what lies in a folder and is of neither split."""
    return replace(dataset, told=(*dataset.told, *left_unread(Path(source), splits)))


def _open_table(source: str | Path, tables: dict[str, Table], split: str) -> ImageFolder:
    if split not in tables:
        raise DataError(
            f"{source} has no {split} split: found a table of samples with labels for {', '.join(tables)} alone; add "
            "one, or use a data set that has it."
        )
    same = {name: table for name, table in tables.items() if table.embedded == tables[split].embedded}
    return (load_parquet if tables[split].embedded else load_list)(same, split)


def _open_folder(folder: Path, split: str) -> ImageDataset:
    kind = only_kind(folder, dataset_kinds(folder))
    if kind == IDX:
        return load_idx_folder(folder, split)
    if kind == FOLDER:
        refuse_misplaced(folder)
        found = load_image_folder(folder, split)
        return _noted(replace(found, told=(*found.told, *left_aside(folder), *unread_lists(folder))), folder, {})
    if kind in CIFAR:
        return load_cifar_folder(folder, split, kind)
    path = folder / f"{split}.npz"
    if not path.is_file():
        raise DataError(f"{folder} has no {split} split: expected the file {path}; add it.")
    return load_npz(path, split)
