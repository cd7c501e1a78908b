"""MNIST-format (IDX) files: big-endian header, unsigned bytes, usually gzipped."""

import gzip
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from whitesquare._base.files import whole_file
from whitesquare._base.streams import FileDigest
from whitesquare.data.layouts import IDX, IDX_PARTS, IDX_PREFIX, SPLITS, expect_end, find_idx, open_idx, truncated
from whitesquare.data.names import check_split
from whitesquare.data.sources.arrays import ArrayDataset, default_classes, from_arrays
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset, UInt8Array

_CHUNK = 2**20
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
    return _read(path)[0]


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
    or without ``.gz``; where several are present they must hold the same. Classes are counted over both splits,
    so that they agree even if one split lacks the last class.

    Args:
        path: the folder.
        split: ``"train"``, or ``"test"`` for the files that begin with ``t10k``.

    Raises:
        UsageError: if the split is unknown.
        DataError: if a file is missing or damaged, or images and labels do not match.
    """
    check_split(split)
    of_split = {part: _find_part(path, split, part) for part in IDX_PARTS}
    labels, *files = _load_part(of_split["labels"], "labels")  # first: they tell how many images there must be
    images, of_images = _load_part(of_split["images"], "images", len(labels))
    other = next(name for name in SPLITS if name != split)
    top = int(labels.max(initial=0))
    if beside := find_idx(path, other, "labels"):
        others, of_others = _load_part(beside, "labels")
        top = max(top, int(others.max(initial=0)))
        files.append(of_others)
    classes = default_classes(top + 1, str(path))
    dataset = from_arrays(images, labels, classes=classes, split=split, where=str(path))
    return replace(dataset, containers=(of_images, *files), kind=IDX)


def write_idx_folder(path: Path, train: ImageDataset, test: ImageDataset | None) -> None:
    """Write a data set as gzipped IDX files under MNIST's names.

    IDX has no place for class names and sample ids: read back, they are ``0``, ``1``, ... and
    ``train/00000``, ``train/00001``, ...

    Args:
        path: the folder; made if need be.
        train: grey training images.
        test: grey test images; ``None`` leaves the two ``t10k`` files out.

    Raises:
        UsageError: see :func:`check_idx`.
    """
    splits = {"train": train} if test is None else {"train": train, "test": test}
    check_idx(path, *splits.values())
    for split, dataset in splits.items():
        write_idx(path / f"{IDX_PREFIX[split]}-images-idx3-ubyte.gz", dataset.images(slice(None))[:, 0])
        write_idx(path / f"{IDX_PREFIX[split]}-labels-idx1-ubyte.gz", dataset.labels.astype(np.uint8))


def check_idx(path: Path, *splits: ImageDataset) -> None:
    """Refuse what the IDX files in a folder could not hold.

    Raises:
        UsageError: if the images are in colour, or there are more than 256 classes.
    """
    for dataset in splits:
        channels = dataset.shape[0]
        if channels != 1:
            raise UsageError(
                f"{path}: IDX files hold grey images, found {channels} channels; write npz or png-folder instead."
            )
        if len(dataset.classes) > 256:
            raise UsageError(
                f"{path}: IDX files hold at most 256 classes, found {len(dataset.classes)}; "
                "write npz or png-folder instead."
            )


def _find_part(path: Path, split: str, part: str) -> Path:
    found = find_idx(path, split, part)
    if found is None:
        name = f"{IDX_PREFIX[split]}-{part}-{IDX_PARTS[part]}.gz"
        raise DataError(f"{path} has no {split} {part}: expected the file {name}; add it or use the other split.")
    return found


def _load_part(path: Path, part: str, count: int | None = None) -> tuple[UInt8Array, FileDigest]:
    def check(shape: tuple[int, ...]) -> None:
        expected = 3 if part == "images" else 1
        if len(shape) != expected:
            raise DataError(
                f"{path} holds an array of {len(shape)} dimensions, expected {expected} for {part}; "
                "check that the files were not swapped."
            )
        if count is not None and shape[0] != count:
            raise DataError(
                f"{path}: found {shape[0]} images but {count} labels; expected as many of each, "
                "so take both files from the same source."
            )

    return _read(path, check)


def _read(path: Path, check: Callable[[tuple[int, ...]], None] = lambda _: None) -> tuple[UInt8Array, FileDigest]:
    """Read a file, its content only after ``check`` agrees to its shape."""
    with open_idx(path) as (shape, stream, file):
        check(shape)
        count = math.prod(shape)
        data = bytearray()  # it grows with what is there, whatever the header declares
        while len(data) < count and (some := stream.read(min(_CHUNK, count - len(data)))):
            data += some
        if len(data) < count:
            raise truncated(len(data), count, "data", path)
        expect_end(stream, count, path)
    array = np.frombuffer(data, dtype=np.uint8).reshape(shape)
    array.setflags(write=False)
    return array, file.told(path.name)
