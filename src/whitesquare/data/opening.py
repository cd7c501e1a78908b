"""Opening a data set by name or path, whatever kind it is."""

from pathlib import Path

import numpy as np

from whitesquare.data.layouts import dataset_kinds
from whitesquare.data.names import check_split
from whitesquare.data.sources.folder import load_image_folder
from whitesquare.data.sources.idx import load_idx_folder
from whitesquare.data.sources.mnist import load_mnist
from whitesquare.data.sources.npz import load_npz
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset


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
