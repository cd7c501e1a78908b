"""Writing a data set as class folders of PNG files."""

import shutil
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image

from whitesquare.data.batches import BATCH
from whitesquare.data.layouts import class_order, is_plain
from whitesquare.data.names import check_split
from whitesquare.data.pixels import at_a_time
from whitesquare.errors import UsageError
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset


def write_png_folder(path: Path, dataset: ImageDataset, split: str, on_progress: Progress = silent) -> tuple[str, ...]:
    """Write a data set as ``{split}/{class}/{position}.png``, all of it or nothing.

    Read back, samples come class by class, so their order changes; the ids returned say which is which.

    Args:
        path: the data set's folder; made if need be.
        dataset: grey or RGB images.
        split: ``"train"`` or ``"test"``.
        on_progress: told how many images are written.

    Returns:
        The ids of the written files, in the order of ``dataset``.

    Raises:
        UsageError: if the split is there already, images are neither grey nor RGB, or class names cannot be
            folder names or are not in the order in which folders are read.
    """
    check_split(split)
    _check_writable(path / split, dataset)
    part = path / f".{split}.{uuid4().hex}.part"
    width = max(5, len(str(len(dataset.ids))))
    names = [f"{dataset.classes[label]}/{i:0{width}d}.png" for i, label in enumerate(dataset.labels)]
    try:
        for name in dataset.classes:
            (part / name).mkdir(parents=True)
        for some, images in dataset.batches(at_a_time(dataset.shape, BATCH)):
            for name, image in zip(names[some], images, strict=True):
                pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
                Image.fromarray(np.ascontiguousarray(pixels)).save(part / name, format="PNG")
            on_progress(f"write {split}", some.stop, len(names))
        part.rename(path / split)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(f"{split}/{name}" for name in names)


def _check_writable(target: Path, dataset: ImageDataset) -> None:
    if target.exists():  # old files would stay among the new ones
        raise UsageError(f"{target} is there already; remove it or choose another folder.")
    channels = dataset.shape[0]
    if channels not in (1, 3):
        raise UsageError(f"{target}: PNG files hold 1 or 3 channels here, found {channels}; write npz instead.")
    for name in dataset.classes:
        if not is_plain(name) or name.startswith(".") or set(name) & set("/\\") or len(name.encode()) > 255:
            raise UsageError(f"{target}: the class name {name!r} cannot be a folder's name; rename it or write npz.")
    if list(dataset.classes) != sorted(dataset.classes, key=class_order):
        raise UsageError(
            f"{target}: class folders are read back in sorted order, so the labels of classes "
            f"{', '.join(dataset.classes)} would change; sort the classes or write npz."
        )
