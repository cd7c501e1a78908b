"""Writing a data set so that it can be opened again."""

from pathlib import Path

from whitesquare.data.layouts import SPLITS, dataset_kinds
from whitesquare.data.sources.folder import write_png_folder
from whitesquare.data.sources.idx import write_idx_folder
from whitesquare.data.sources.npz import write_npz
from whitesquare.errors import UsageError, unknown_name
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset

FORMATS = ("idx", "npz", "png-folder")
"""What :func:`write_dataset` can write."""
ENTRIES = {
    "idx": tuple(f"{split}-{part}-ubyte.gz" for split in ("train", "t10k") for part in ("images-idx3", "labels-idx1")),
    "npz": ("train.npz", "test.npz"),
    "png-folder": SPLITS,
}
"""By format, the entries that :func:`write_dataset` makes in a folder."""


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
