"""CIFAR's binary files: records of a label and the red, green and blue plane of an image of 32 x 32 pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from whitesquare._base.files import whole_file, write_text
from whitesquare.data.cifar_files import (
    MOST_CLASSES,
    PIXELS,
    SHAPE,
    count_records,
    find_cifar,
    read_names,
    read_records,
)
from whitesquare.data.layouts import CIFAR, CIFAR10
from whitesquare.data.names import check_names, check_split
from whitesquare.data.room import check_room
from whitesquare.data.sources.arrays import ArrayDataset, from_arrays
from whitesquare.errors import DataError, UsageError, unknown_name
from whitesquare.types import ImageDataset

_PUBLISHED = 10_000
"""Records of a training batch, unless five of them are not enough."""


def load_cifar_folder(path: Path, split: str = "train", kind: str = CIFAR10) -> ArrayDataset:
    """Load one split of CIFAR-10 or CIFAR-100, or of what is written like them: ``(3, 32, 32)``, in file order.

    Args:
        path: the folder. Of CIFAR-10, fewer than five training batches are a part of it, and without
            ``batches.meta.txt`` the classes are called ``0`` to ``9``. The labels of CIFAR-100 are the fine ones.
        split: ``"train"`` or ``"test"``.
        kind: ``"cifar10"`` or ``"cifar100"``.

    Raises:
        UsageError: if the split or the kind is unknown.
        DataError: if a file is missing, empty, cut off or damaged, or a label is that of no class.
    """
    check_split(split)
    if kind not in CIFAR:
        raise unknown_name("kind of CIFAR", kind, CIFAR)
    paths = find_cifar(path, kind, split)
    if not paths:
        raise DataError(
            f"{path} has no {split} split: expected the file {CIFAR[kind].splits[split][0]}; add it or use the other "
            "split."
        )
    classes, of_names = read_names(path, kind)
    counts = count_records(paths, kind)
    check_room(sum(counts), SHAPE, str(path))
    pixels, labels = np.empty((sum(counts), PIXELS), np.uint8), bytearray()

    def take(some: bytes, records: bytes) -> None:
        part = np.frombuffer(records, np.uint8).reshape(len(some), -1)
        pixels[len(labels) : len(labels) + len(some)] = part[:, -PIXELS:]
        labels.extend(some)

    files = [read_records(*one, len(classes), take) for one in zip(paths, [kind] * len(paths), counts, strict=True)]
    known = np.frombuffer(labels, np.uint8).astype(np.int64)
    dataset = from_arrays(
        pixels.reshape(-1, *SHAPE), known, classes=classes, split=split, where=str(path), layout="NCHW"
    )
    return replace(dataset, containers=(*files, *([] if of_names is None else [of_names])), kind=kind)


def write_cifar10_folder(path: Path, train: ImageDataset, test: ImageDataset | None) -> None:
    """Write a data set as CIFAR-10's binary files, each whole or not at all, with its own class names.

    They have no place for sample ids: read back, they are ``train/00000``, ``train/00001``, ...

    Args:
        path: the folder; made if need be.
        train: training images, ``(3, 32, 32)``: batches of 10,000, and of more where five are not enough.
        test: test images; ``None`` leaves their file out.

    Raises:
        UsageError: see :func:`check_cifar10`.
        DataError: if a class name cannot be a line of a text.
    """
    splits = {"train": train} if test is None else {"train": train, "test": test}
    check_cifar10(path, *splits.values())
    check_names(train.classes, "class name", str(path))
    write_text(path / CIFAR[CIFAR10].names, "".join(f"{name}\n" for name in train.classes))
    for split, dataset in splits.items():
        names = CIFAR[CIFAR10].splits[split]
        size = max(_PUBLISHED, -(-len(dataset.labels) // len(names)))
        for number, name in enumerate(names):
            part = slice(number * size, min((number + 1) * size, len(dataset.labels)))
            _write_batch(path / name, dataset, part)


def check_cifar10(path: Path, *splits: ImageDataset) -> None:
    """Refuse what CIFAR-10's binary files in a folder could not hold.

    Raises:
        UsageError: if the images are of another shape, or there are more than 256 classes.
    """
    for dataset in splits:
        if tuple(dataset.shape) != SHAPE or len(dataset.classes) > MOST_CLASSES:
            raise UsageError(
                f"{path}: CIFAR-10's files hold images of the shape {SHAPE} and at most {MOST_CLASSES} classes, found "
                f"{dataset.shape} and {len(dataset.classes)}; write npz or png-folder instead."
            )


def _write_batch(path: Path, dataset: ImageDataset, part: slice) -> None:
    """Write some samples; a file of none, which no program could read, is none."""
    labels = dataset.labels[part]
    if not len(labels):
        path.unlink(missing_ok=True)
        return
    records = np.empty((len(labels), 1 + PIXELS), np.uint8)
    records[:, 0], records[:, 1:] = labels, dataset.images(part).reshape(len(labels), -1)
    with whole_file(path) as whole:
        whole.write_bytes(records.data)
