"""Opening a data set by name or path, whatever kind it is."""

from dataclasses import replace
from functools import partial
from inspect import getattr_static
from pathlib import Path

import numpy as np

from whitesquare.data.cifar_files import find_cifar, refuse_pickles
from whitesquare.data.fits import Sizing
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
from whitesquare.data.names import check_split
from whitesquare.data.sized import sized
from whitesquare.data.sources.arrays import from_arrays
from whitesquare.data.sources.cifar import load_cifar_folder
from whitesquare.data.sources.folder import load_image_folder
from whitesquare.data.sources.idx import load_idx_folder
from whitesquare.data.sources.lists import load_list
from whitesquare.data.sources.mnist import load_mnist
from whitesquare.data.sources.npz import load_npz
from whitesquare.data.sources.others import open_other, other_source
from whitesquare.data.sources.parquet import load_parquet
from whitesquare.data.tables import Table, left_aside, tables_of
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset, IntArray, UInt8Array

Source = str | Path | ImageDataset | tuple[UInt8Array, IntArray]
"""What is opened as a data set; see :func:`open_dataset`."""


def open_dataset(
    source: Source, split: str = "train", *, size: int | None = None, fit: str | None = None
) -> ImageDataset:
    """Open a data set by name or path.

    Image files may have any size. Those of one size are read as they are; others are brought to one, which is chosen by
    their headers, and :func:`whitesquare.data.notes` says so; see :mod:`whitesquare.data.sized`.

    Args:
        source: ``"mnist"`` for the embedded one (``"./mnist"`` for a folder of that name); an ``.npz`` file
            (training split only); or a folder with MNIST-named IDX files, with ``train.npz`` and
            ``test.npz``, with the binary files of CIFAR-10 or CIFAR-100, or with class folders, directly or in
            ``train`` and ``test``. Other files in the folder do not matter. A table of files and labels, or of images
            and labels: see :func:`whitesquare.data.tables.tables_of`.
            What none of these is may be known to a source that another package brings, see
            :mod:`whitesquare.plugins`. Images and labels as arrays, see :func:`whitesquare.data.from_arrays`; or an
            object that has what an :class:`~whitesquare.types.ImageDataset` has: these are the split that is asked for.
        split: ``"train"`` or ``"test"``.
        size: both sides that image files are brought to, in pixels.
        fit: how: one of :data:`whitesquare.data.fits.FITS`.

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
    opened = _open(source, split)
    if not isinstance(source, str | Path) and not sizing.is_asked:
        return opened
    decides = isinstance(source, str | Path) and split != "train"
    return sized(opened, sizing, partial(_open, source, "train") if decides else None)


def _open(source: Source, split: str) -> ImageDataset:
    if isinstance(source, tuple) and len(source) == 2:
        return from_arrays(*source, split=split)
    if not isinstance(source, str | Path):
        return _checked(source)
    path = place_of(source)
    if path is None:
        return load_mnist(split)
    if (tables := tables_of(source)) is not None:
        return _open_table(source, tables, split)
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
            f"There is no file or folder {str(source)!r}; give a path, or {EMBEDDED!r} for the embedded one.{faults}"
        )
    if path.suffix.lower() != ".npz":
        raise UsageError(
            f"{path} is not a data set: expected an .npz, CSV, JSON lines or Parquet file, or a folder with IDX files, "
            "CIFAR's binary files, a list, Parquet files or class folders; give its folder if it is a part of "
            f"one.{faults}"
        )
    if split != "train":
        raise UsageError(
            f"{path} is one file, so it has no {split} split; "
            "put train.npz and test.npz into one folder and give the folder."
        )
    return load_npz(path, split)


def has_test(source: str | Path) -> bool:
    """Tell whether a data set has a test split, without reading it."""
    folder = place_of(source)
    if folder is None:
        return True
    if (tables := tables_of(source)) is not None:
        return "test" in tables
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
    if tables_of(source) is not None:
        return TABLE
    kind = only_kind(path, dataset_kinds(path)) if path.is_dir() and _is_ours(path) else NPZ
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


def _checked(dataset: ImageDataset) -> ImageDataset:
    """Refuse an object that lacks what a data set has, before something deep inside stumbles over it."""
    members = ("kind", "classes", "ids", "labels", "shape", "images", "batches", "content")
    missing = [name for name in members if getattr_static(dataset, name, None) is None]  # which reads no image
    if missing:
        raise UsageError(
            f"A {type(dataset).__name__} is no data set: it has no {', '.join(missing)}; give a path, or an object "
            "with the members of whitesquare.types.ImageDataset."
        )
    labels, ids, top = dataset.labels, dataset.ids, len(dataset.classes) - 1
    given = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
    if given != f"int64 {(len(ids),)}" or (len(ids) and not 0 <= labels.min() <= labels.max() <= top):
        raise DataError(
            f"The data set ({dataset.kind}) has labels {given}; expected an int64 array of one label in 0..{top} for "
            f"each of {len(ids)} ids, see whitesquare.testing.check_dataset."
        )
    if len(set(ids)) < len(ids):
        raise DataError(f"The data set ({dataset.kind}) gives one id to two samples; expected unique ids.")
    return dataset


def _open_table(source: str | Path, tables: dict[str, Table], split: str) -> ImageDataset:
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
        return replace(load_image_folder(folder, split), told=left_aside(folder))
    if kind in CIFAR:
        return load_cifar_folder(folder, split, kind)
    path = folder / f"{split}.npz"
    if not path.is_file():
        raise DataError(f"{folder} has no {split} split: expected the file {path}; add it.")
    return load_npz(path, split)
