"""STL-10, SVHN, EMNIST, and the npz files of Keras and MedMNIST, each as its publisher means images and labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.streams import AGAIN
from whitesquare.data.matlab import read_matrix
from whitesquare.data.names import check_names
from whitesquare.data.published import EMNIST, NAMED_NPZ, STL10, SVHN, Published
from whitesquare.data.room import check_room
from whitesquare.data.sources.arrays import ArrayDataset, check_labels, default_classes, from_arrays
from whitesquare.data.sources.idx import read_idx
from whitesquare.data.sources.npz import read_arrays
from whitesquare.errors import DataError

_STL_SHAPE = (3, 96, 96)
_STL_BYTES = 3 * 96 * 96
_SVHN_SHAPE = (32, 32, 3)
_MOST_TEXT = 2**16


def load_published(splits: dict[str, Published], split: str) -> ArrayDataset:
    """Load one split.

    Args:
        splits: see :func:`whitesquare.data.published.published`; classes are those of all, so that labels agree.
        split: which.

    Raises:
        DataError: there is no such split, or its files are damaged or hold something else.
    """
    one = next(iter(splits.values()))
    if split not in splits:
        raise DataError(f"{one.files[0]} has no {split} split with it; expected one, so add it, or use the other.")
    found = splits[split]
    read_images, read_labels, layout = _READERS[found.kind]
    labels = {name: read_labels(part) for name, part in splits.items()}
    images = read_images(found)
    where = str(found.files[0])
    first, classes = _classes(found, np.concatenate(list(labels.values())))
    own = labels[split].astype(np.int64) - first
    if len(own) and own.min() < 0:
        raise DataError(f"{found.files[-1]} has the label {own.min() + first}; expected {first} or more, so {AGAIN}.")
    dataset = from_arrays(images, own, classes=classes, split=split, where=where, layout=layout)
    return replace(dataset, kind=found.kind, told=_told(found, first))


def _told(found: Published, first: int) -> tuple[str, ...]:
    whence = f"{found.arrays[1]!r} in {found.files[-1]}" if found.arrays else str(found.files[-1])
    told = [f"Labels come from {whence}{', where 10 stands for the digit 0' if found.kind == SVHN else ''}."]
    if first:
        told = [f"{told[0][:-1]}, numbered from 1."]
    if found.kind == EMNIST:
        told.append("Images lie on their side in EMNIST's files and were turned upright.")
    if found.unread:
        told.append(f"Neither the train nor the test split, and not read: {', '.join(found.unread)}.")
    return tuple(told)


def _classes(found: Published, labels: NDArray[Any]) -> tuple[int, tuple[str, ...]]:
    """Return the label of the first class, and the names of all."""
    top = int(labels.max(initial=0))
    folder, where = found.files[0].parent, str(found.files[0])
    if found.kind == STL10:
        path = folder / "class_names.txt"
        names = tuple(_text(path).split("\n")) if path.is_file() else default_classes(top + 1, where)[1:]
        return 1, names
    if found.kind == SVHN:
        return 0, tuple("0123456789")
    path = folder / f"{'-'.join(found.files[0].name.split('-')[:2])}-mapping.txt"
    if found.kind == EMNIST and path.is_file():
        return _mapped(path)
    first = int(found.kind == EMNIST and labels.min(initial=1) == 1)
    return first, default_classes(top + 1, where)[first:]


def _mapped(path: Path) -> tuple[int, tuple[str, ...]]:
    """Read EMNIST's table of labels and the codes of the letters that each stands for."""
    try:
        rows = [[int(word) for word in line.split()] for line in _text(path).split("\n")]
        names = tuple("".join(map(chr, row[1:])) for row in rows)
        if [row[0] for row in rows] != list(range(rows[0][0], rows[0][0] + len(rows))):
            raise ValueError("the labels do not follow each other")
    except (ValueError, OverflowError, IndexError) as error:
        raise DataError(f"{path} is no table of labels and letters ({error}); {AGAIN}.") from error
    check_names(names, "class name", str(path))
    return rows[0][0], names


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_TEXT).decode().strip().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected a text in UTF-8.") from error


def _stl_images(found: Published) -> NDArray[Any]:
    path = found.files[0]
    size = path.stat().st_size
    if not size or size % _STL_BYTES:
        raise DataError(f"{path} has {size} bytes, expected images of {_STL_BYTES} bytes, all whole; {AGAIN}.")
    check_room(size // _STL_BYTES, _STL_SHAPE, str(path))
    # Column by column: what lies next to each other is one above the other.
    return np.fromfile(path, np.uint8).reshape(-1, *_STL_SHAPE).transpose(0, 1, 3, 2)


def _stl_labels(found: Published) -> NDArray[Any]:
    return np.fromfile(found.files[1], np.uint8)


def _svhn_images(found: Published) -> NDArray[Any]:
    path = found.files[0]
    images = read_matrix(path, "X")
    if images.ndim != 4 or images.shape[:3] != _SVHN_SHAPE or images.dtype != np.uint8:
        raise DataError(
            f"{path} has 'X' as {images.dtype} {images.shape}; expected SVHN's (32, 32, 3, N) of uint8, or save the "
            "images as .npz with images and labels."
        )
    return images.transpose(3, 2, 0, 1)


def _svhn_labels(found: Published) -> NDArray[Any]:
    path = found.files[0]
    labels = read_matrix(path, "y").reshape(-1)
    if not {*labels.tolist()} <= set(range(1, 11)):
        raise DataError(f"{path} has labels {labels.min()} to {labels.max()}; expected 1 to 10, 10 for the digit 0.")
    return labels % 10


def _emnist_images(found: Published) -> NDArray[Any]:
    return read_idx(found.files[0]).transpose(0, 2, 1)


def _emnist_labels(found: Published) -> NDArray[Any]:
    return read_idx(found.files[1])


def _npz_images(found: Published) -> NDArray[Any]:
    return _array(found.files[0], found.arrays[0])


def _npz_labels(found: Published) -> NDArray[Any]:
    path = found.files[-1]
    labels = _array(path, found.arrays[1])
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    check_labels(labels.shape, labels.dtype, len(labels), f"{path}, {found.arrays[1]!r}")
    return labels


def _array(path: Path, name: str) -> NDArray[Any]:
    found = read_arrays(path, (name,)).get(name)
    if found is None:
        raise DataError(f"{path} has no array {name!r}; {AGAIN}.")
    return found


_READERS: dict[str, tuple[Callable[[Published], NDArray[Any]], Callable[[Published], NDArray[Any]], str | None]] = {
    STL10: (_stl_images, _stl_labels, "NCHW"),
    SVHN: (_svhn_images, _svhn_labels, "NCHW"),
    EMNIST: (_emnist_images, _emnist_labels, None),
    NAMED_NPZ: (_npz_images, _npz_labels, None),
}
"""By kind: what reads images, what reads labels, and how the images are laid out, where they may be in two ways."""
