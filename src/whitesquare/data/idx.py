"""MNIST-format (IDX) files: big-endian header, unsigned bytes, usually gzipped."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from whitesquare.data.arrays import ArrayDataset, default_classes, from_arrays
from whitesquare.data.names import SPLITS, check_split
from whitesquare.errors import DataError, UsageError
from whitesquare.jsonio import whole_file
from whitesquare.types import ImageDataset, UInt8Array

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_GZIP_RATIO = 1032
"""Deflate cannot expand further, so a header that declares more is a lie."""

_LEVEL = 4
"""gzip level: half the time of the default 9 for about 5 % more bytes."""

_PREFIX = {"train": "train", "test": "t10k"}
_PARTS = {"images": "idx3-ubyte", "labels": "idx1-ubyte"}
_AGAIN = "download or copy it again"


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
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                return _parse(raw, size, path)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _parse(stream, size * _MAX_GZIP_RATIO, path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the path.") from error
    except EOFError as error:
        raise DataError(f"{path} is truncated: found no end of its gzip data; {_AGAIN}.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: found {error}, expected sound gzip data; {_AGAIN}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error


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


def has_idx(path: Path) -> bool:
    """Tell whether a folder holds MNIST-named image or label files."""
    return any(_find(path, split, part) for split in SPLITS for part in _PARTS)


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
    others = _load_part(path, other, "labels") if _find(path, other, "labels") else labels
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
        write_idx(path / f"{_PREFIX[split]}-images-idx3-ubyte.gz", dataset.images(slice(None))[:, 0])
        write_idx(path / f"{_PREFIX[split]}-labels-idx1-ubyte.gz", dataset.labels.astype(np.uint8))


def _parse(stream: BinaryIO | gzip.GzipFile, limit: int, path: Path) -> UInt8Array:
    """Read header and data; nothing larger is allocated than ``limit``, the most the file can hold."""
    magic = _exactly(stream, 4, "header", path)
    if magic[:3] != b"\x00\x00\x08" or magic[3] not in (1, 3):
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes: found the first bytes {magic.hex()}, "
            "expected 00000801 (labels) or 00000803 (images); check that it is the right file."
        )
    dimensions = magic[3]
    shape = struct.unpack(f">{dimensions}I", _exactly(stream, 4 * dimensions, "header", path))
    count = math.prod(shape)
    if count > limit or 0 in shape[1:]:
        raise DataError(
            f"{path} declares the shape {shape}, that is {count} bytes; expected images of a pixel or more, "
            f"and at most the {limit} bytes that a file of this size can hold, so {_AGAIN}."
        )
    data = _exactly(stream, count, "data", path)
    if stream.read(1):  # reading past the end also makes gzip compare its checksum
        raise DataError(f"{path} goes on after the {count} bytes that its header declares; {_AGAIN}.")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _exactly(stream: BinaryIO | gzip.GzipFile, count: int, what: str, path: Path) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise DataError(f"{path} is truncated: found {len(data)} bytes of {what}, expected {count}; {_AGAIN}.")
    return data


def _find(path: Path, split: str, part: str) -> Path | None:
    stem, kind = f"{_PREFIX[split]}-{part}", _PARTS[part]
    names = (f"{stem}{dot}{kind}{suffix}" for suffix in (".gz", "") for dot in ("-", "."))
    return next((path / name for name in names if (path / name).is_file()), None)


def _load_part(path: Path, split: str, part: str) -> UInt8Array:
    found = _find(path, split, part)
    if found is None:
        name = f"{_PREFIX[split]}-{part}-{_PARTS[part]}.gz"
        raise DataError(f"{path} has no {split} {part}: expected the file {name}; add it or use the other split.")
    array = read_idx(found)
    expected = 3 if part == "images" else 1
    if array.ndim != expected:
        raise DataError(
            f"{found} holds an array of {array.ndim} dimensions, expected {expected} for {part}; "
            "check that the files were not swapped."
        )
    return array
