"""MNIST-format (IDX) files: big-endian header, unsigned bytes, usually gzipped."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from whitesquare.data.arrays import ArrayDataset, default_classes, from_arrays
from whitesquare.data.names import check_split
from whitesquare.errors import DataError, UsageError
from whitesquare.jsonio import whole_file
from whitesquare.layouts import IDX_PARTS, IDX_PREFIX, SPLITS, expect_end, find_idx, open_idx, read_exactly
from whitesquare.types import ImageDataset, UInt8Array

_LEVEL = 4
"""gzip level: half the time of the default 9 for about 5 % more bytes."""


def read_idx(path: Path) -> UInt8Array:
    """Read an IDX file of unsigned bytes, gzipped or plain (its first bytes decide, not its name).

    Args:
        path: the file.

    Returns:
        uint8 ``(N,)`` or ``(N, H, W)``, read-only.

    Raises:
        UsageError: if there is no such file.
        DataError: if it is not a whole IDX file of this kind.
    """
    with open_idx(path) as (shape, stream):
        count = math.prod(shape)
        data = read_exactly(stream, count, "data", path)
        expect_end(stream, count, path)
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def write_idx(path: Path, array: UInt8Array) -> None:
    """Write a gzipped IDX file, whole or not at all; the same array always gives the same bytes.

    Args:
        path: the file; its folder is made if need be.
        array: uint8 ``(N,)`` or ``(N, H, W)``.

    Raises:
        UsageError: if the array is of another kind.
    """
    if array.dtype != np.uint8 or array.ndim not in (1, 3):
        raise UsageError(
            f"{path}: IDX files hold uint8 arrays of 1 or 3 dimensions, found {array.dtype} {array.shape}; "
            "convert it, or write npz."
        )
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    with (
        whole_file(path) as part,
        part.open("wb") as raw,
        # no name and no time in the gzip header: they would make every file different
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=_LEVEL, mtime=0) as stream,
    ):
        stream.write(header)
        stream.write(np.ascontiguousarray(array).reshape(-1).data)


def load_idx_folder(path: Path, split: str = "train") -> ArrayDataset:
    """Load one split from a folder with MNIST's file names.

    Both published spellings are known, ``train-images-idx3-ubyte`` and ``train-images.idx3-ubyte``, each with
    or without ``.gz``; where several are present the ``.gz`` is read. Classes are counted over both splits,
    so that they agree even if one split lacks the last class.

    Args:
        path: the folder.
        split: ``"train"``, or ``"test"`` for the files that begin with ``t10k``.

    Raises:
        UsageError: if the split is unknown.
        DataError: if a file is missing or damaged, or images and labels do not match.
    """
    check_split(split)
    images = _load_part(path, split, "images")
    labels = _load_part(path, split, "labels")
    if len(images) != len(labels):
        raise DataError(
            f"{path}: found {len(images)} {split} images but {len(labels)} labels; expected as many of each, "
            "so take both files from the same source."
        )
    other = next(name for name in SPLITS if name != split)
    others = _load_part(path, other, "labels") if find_idx(path, other, "labels") else labels
    top = max(int(labels.max(initial=0)), int(others.max(initial=0)))
    return from_arrays(images, labels, classes=default_classes(top + 1, str(path)), split=split, where=str(path))


def write_idx_folder(path: Path, train: ImageDataset, test: ImageDataset | None) -> None:
    """Write a data set as gzipped IDX files under MNIST's names.

    IDX has no place for class names and sample ids: read back, they are ``0``, ``1``, ... and
    ``train/00000``, ``train/00001``, ...

    Args:
        path: the folder; made if need be.
        train: grey training images.
        test: grey test images; ``None`` leaves the two ``t10k`` files out.

    Raises:
        UsageError: if the images are in colour, or there are more than 256 classes.
    """
    splits = {"train": train} if test is None else {"train": train, "test": test}
    for dataset in splits.values():
        channels = dataset.images(slice(0, 1)).shape[1]
        if channels != 1:
            raise UsageError(
                f"{path}: IDX files hold grey images, found {channels} channels; write npz or png-folder instead."
            )
        if len(dataset.classes) > 256:
            raise UsageError(
                f"{path}: IDX files hold at most 256 classes, found {len(dataset.classes)}; "
                "write npz or png-folder instead."
            )
    for split, dataset in splits.items():
        write_idx(path / f"{IDX_PREFIX[split]}-images-idx3-ubyte.gz", dataset.images(slice(None))[:, 0])
        write_idx(path / f"{IDX_PREFIX[split]}-labels-idx1-ubyte.gz", dataset.labels.astype(np.uint8))


def _load_part(path: Path, split: str, part: str) -> UInt8Array:
    found = find_idx(path, split, part)
    if found is None:
        name = f"{IDX_PREFIX[split]}-{part}-{IDX_PARTS[part]}.gz"
        raise DataError(f"{path} has no {split} {part}: expected the file {name}; add it or use the other split.")
    array = read_idx(found)
    expected = 3 if part == "images" else 1
    if array.ndim != expected:
        raise DataError(
            f"{found} holds an array of {array.ndim} dimensions, expected {expected} for {part}; "
            "check that the files were not swapped."
        )
    return array
