"""Sources of images, each presented as an :class:`~whitesquare.types.ImageDataset`."""

from pathlib import Path

import numpy as np

from whitesquare.data.arrays import ArrayDataset, from_arrays
from whitesquare.data.digest import dataset_digest
from whitesquare.data.folder import ImageFolder, load_image_folder, write_png_folder
from whitesquare.data.idx import load_idx_folder, read_idx, write_idx, write_idx_folder
from whitesquare.data.mnist import load_mnist
from whitesquare.data.names import check_split
from whitesquare.data.npz import load_npz, write_npz
from whitesquare.data.overlay import Overlay
from whitesquare.data.part import Part, held, notes, readable_part
from whitesquare.data.watched import watched
from whitesquare.errors import DataError, UsageError, unknown_name
from whitesquare.layouts import SPLITS, dataset_kinds
from whitesquare.types import ImageDataset, Progress, silent

__all__ = [
    "ENTRIES",
    "FORMATS",
    "ArrayDataset",
    "ImageFolder",
    "Overlay",
    "Part",
    "dataset_digest",
    "format_of",
    "from_arrays",
    "has_test",
    "held",
    "load_idx_folder",
    "load_image_folder",
    "load_mnist",
    "load_npz",
    "notes",
    "open_dataset",
    "read_idx",
    "readable_part",
    "require_classes",
    "watched",
    "write_dataset",
    "write_idx",
    "write_idx_folder",
    "write_npz",
    "write_png_folder",
]

FORMATS = ("idx", "npz", "png-folder")
"""What :func:`write_dataset` can write."""
ENTRIES = {
    "idx": tuple(f"{split}-{part}-ubyte.gz" for split in ("train", "t10k") for part in ("images-idx3", "labels-idx1")),
    "npz": ("train.npz", "test.npz"),
    "png-folder": SPLITS,
}
"""By format, the entries that :func:`write_dataset` makes in a folder."""


def open_dataset(source: str | Path, split: str = "train") -> ImageDataset:
    """Open a data set by name or path.

    Args:
        source: ``"mnist"`` for the embedded one (``"./mnist"`` for a folder of that name); an ``.npz`` file
            (training split only); or a folder with MNIST-named IDX files, with ``train.npz`` and
            ``test.npz``, or with class folders, directly or in ``train`` and ``test``. Other files in the
            folder do not matter.
        split: ``"train"`` or ``"test"``.

    Raises:
        UsageError: if there is no such path, or it is not a kind that can be read.
        DataError: if the data set is damaged, ambiguous, or has no such split.
    """
    check_split(split)
    if source == "mnist":
        return load_mnist(split)
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, split)
    if not path.exists():
        raise UsageError(f"There is no file or folder {str(source)!r}; give a path, or 'mnist' for the embedded one.")
    if path.suffix.lower() != ".npz":
        raise UsageError(
            f"{path} is not a data set: expected an .npz file, or a folder with IDX files or class folders; "
            "give its folder if it is a part of one."
        )
    if split != "train":
        raise UsageError(
            f"{path} is one file, so it has no {split} split; "
            "put train.npz and test.npz into one folder and give the folder."
        )
    return load_npz(path, split)


def has_test(source: str | Path) -> bool:
    """Tell whether a data set has a test split, without reading it."""
    if source == "mnist":
        return True
    folder = Path(source)
    return (folder / "test.npz").is_file() or (folder / "test").is_dir() or any(folder.glob("t10k-images*"))


def format_of(source: str | Path) -> str:
    """Return which of :data:`FORMATS` a data set that :func:`open_dataset` reads is in."""
    if source == "mnist":
        return "idx"
    path = Path(source)
    return next(iter(dataset_kinds(path)), "png-folder") if path.is_dir() else "npz"


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


def write_dataset(
    path: str | Path,
    train: ImageDataset,
    test: ImageDataset | None,
    fmt: str,
    on_progress: Progress = silent,
) -> tuple[str, ...]:
    """Write a data set so that :func:`open_dataset` reads it back.

    Args:
        path: the folder; made if need be.
        train: the training split.
        test: the test split; ``None`` leaves it out.
        fmt: ``"idx"``, ``"npz"`` or ``"png-folder"``.
        on_progress: told how many images of a PNG folder are written; the other formats take a second.

    Returns:
        The training ids as the written form presents them, in the order of ``train``.

    Raises:
        UsageError: if the format is unknown or cannot hold the data set, or the folder holds one in another
            format.
    """
    if fmt not in FORMATS:
        raise unknown_name("format", fmt, FORMATS)
    folder = Path(path)
    if others := [kind for kind in dataset_kinds(folder) if kind != fmt]:
        raise UsageError(f"{folder} holds a data set in the format {others[0]}; remove it or choose another folder.")
    splits = {"train": train} if test is None else {"train": train, "test": test}
    if fmt == "idx":
        write_idx_folder(folder, train, test)
        return tuple(f"train/{i:05d}" for i in range(len(train.ids)))
    if fmt == "npz":
        for split, dataset in splits.items():
            write_npz(folder / f"{split}.npz", dataset)
        return tuple(train.ids)
    ids = {split: write_png_folder(folder, dataset, split, on_progress) for split, dataset in splits.items()}
    return ids["train"]


def _open_folder(folder: Path, split: str) -> ImageDataset:
    kinds = dataset_kinds(folder)
    if len(kinds) > 1:
        raise DataError(
            f"{folder} holds data sets in the formats {', '.join(kinds)}; expected one, so move the others."
        )
    if kinds == ["idx"]:
        return load_idx_folder(folder, split)
    if kinds == ["npz"]:
        path = folder / f"{split}.npz"
        if not path.is_file():
            raise DataError(f"{folder} has no {split} split: expected the file {path}; add it.")
        return load_npz(path, split)
    return load_image_folder(folder, split)
