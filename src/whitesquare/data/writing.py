"""Writing a data set so that it can be opened again."""

from pathlib import Path

from whitesquare.data.layouts import CIFAR, CIFAR10, FOLDER, IDX, NPZ, SPLITS, dataset_kinds, position_id
from whitesquare.data.png_writing import write_png_folder
from whitesquare.data.sources.cifar import check_cifar10, write_cifar10_folder
from whitesquare.data.sources.idx import check_idx, write_idx_folder
from whitesquare.data.sources.npz import write_npz
from whitesquare.errors import UsageError, unknown_name
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset

FORMATS = {
    IDX: "four gzipped files under MNIST's names (grey images)",
    NPZ: "train.npz and test.npz: images, labels, ids, classes",
    CIFAR10: "CIFAR-10's binary files: data_batch_1.bin to _5.bin, test_batch.bin, batches.meta.txt (32 x 32, RGB)",
    FOLDER: "one folder per class, below train and test",
}
"""What :func:`write_dataset` can write, each in a few words."""
ENTRIES = {
    IDX: tuple(f"{split}-{part}-ubyte.gz" for split in ("train", "t10k") for part in ("images-idx3", "labels-idx1")),
    NPZ: ("train.npz", "test.npz"),
    CIFAR10: (*(name for names in CIFAR[CIFAR10].splits.values() for name in names), CIFAR[CIFAR10].names),
    FOLDER: SPLITS,
}
"""By format, the entries that :func:`write_dataset` makes in a folder."""


def check_format(path: str | Path, dataset: ImageDataset, fmt: str) -> None:
    """Refuse a format that could not hold a data set, before work is done for it.

    Raises:
        UsageError: if the format is unknown or cannot hold it.
    """
    if fmt not in FORMATS:
        raise unknown_name("format", fmt, FORMATS)
    if fmt in (IDX, CIFAR10):
        (check_idx if fmt == IDX else check_cifar10)(Path(path), dataset)


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
        fmt: one of :data:`FORMATS`.
        on_progress: told how many images of a PNG folder are written; the other formats take a second.

    Returns:
        The training ids as the written form presents them, in the order of ``train``.

    Raises:
        UsageError: if the format is unknown or cannot hold the data set, or the folder holds one in another
            format.
    """
    check_format(path, train, fmt)
    folder = Path(path)
    if others := [kind for kind in dataset_kinds(folder) if kind != fmt]:
        raise UsageError(f"{folder} holds a data set in the format {others[0]}; remove it or choose another folder.")
    splits = {"train": train} if test is None else {"train": train, "test": test}
    if fmt in (IDX, CIFAR10):
        write = write_idx_folder if fmt == IDX else write_cifar10_folder
        write(folder, train, test)
        return tuple(position_id("train", i) for i in range(len(train.ids)))
    if fmt == NPZ:
        for split, dataset in splits.items():
            write_npz(folder / f"{split}.npz", dataset)
        return tuple(train.ids)
    ids = {split: write_png_folder(folder, dataset, split, on_progress) for split, dataset in splits.items()}
    return ids["train"]
