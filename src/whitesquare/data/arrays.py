"""Data sets held in memory, and the ``.npz`` files they are kept in."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.names import check_names, check_split
from whitesquare.errors import DataError, UsageError, unknown_name
from whitesquare.jsonio import whole_file
from whitesquare.types import ImageDataset, Index, IntArray, UInt8Array

CHANNELS = (1, 3, 4)
LAYOUTS = ("NCHW", "NHWC")
MAX_BYTES = 8 * 2**30
"""Largest array that is decoded from an ``.npz`` file."""

_MAX_DEFAULT_CLASSES = 65_536
_MEMBERS = ("images", "labels", "ids", "classes", "layout")
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    RuntimeError,  # an encrypted member, or a compression method that zipfile does not know
    SyntaxError,  # numpy reads a header as Python literals
    tokenize.TokenError,
    MemoryError,  # what Python's parser raises for a header nested too deep
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class ArrayDataset:
    """An :class:`~whitesquare.types.ImageDataset` in memory, built and checked by :func:`from_arrays`.

    Attributes:
        pixels: ``(N, C, H, W)`` uint8, read-only.
        labels: ``(N,)`` int64, positions in ``classes``, read-only.
        classes: class names.
        ids: unique sample ids.
    """

    pixels: UInt8Array
    labels: IntArray
    classes: tuple[str, ...]
    ids: tuple[str, ...]

    def images(self, index: Index) -> UInt8Array:
        """Return ``(B, C, H, W)`` uint8: a read-only view for a slice, a copy for an array of positions."""
        return self.pixels[index]

    def content(self, i: int) -> bytes:
        """Return the pixels of image ``i``, channel by channel, row by row."""
        image: UInt8Array = self.pixels[i]
        return image.tobytes()


def from_arrays(
    images: NDArray[Any],
    labels: NDArray[Any] | Sequence[int],
    *,
    classes: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    split: str = "train",
    where: str = "arrays",
    layout: str | None = None,
) -> ArrayDataset:
    """Check arrays and present them as a data set, without copying the images.

    Args:
        images: uint8 ``(N, H, W)``, ``(N, C, H, W)`` or ``(N, H, W, C)`` with C = 1, 3 or 4.
        labels: ``(N,)`` integers from 0.
        classes: class names; default ``"0"`` to the largest label.
        ids: unique sample ids; default ``train/00000``, ``train/00001``, ...
        split: first part of the default ids: ``"train"`` or ``"test"``.
        where: where the arrays came from, for the errors.
        layout: ``"NCHW"`` or ``"NHWC"``; needed only where the shape fits both.

    Raises:
        DataError: if the arrays are not a data set.
        UsageError: if ``split`` or ``layout`` is unknown.
    """
    check_split(split)
    pixels = _as_nchw(np.asarray(images), layout, where)
    known = _as_labels(np.asarray(labels), len(pixels), where)
    top = int(known.max(initial=-1))
    names = default_classes(top + 1, where) if classes is None else tuple(classes)
    if top >= len(names):
        raise DataError(
            f"{where}: found the label {top} but {len(names)} class names; "
            "expected labels below the number of classes, so name every class."
        )
    keys = tuple(f"{split}/{i:05d}" for i in range(len(pixels))) if ids is None else tuple(ids)
    if len(keys) != len(pixels):
        raise DataError(
            f"{where}: found {len(keys)} sample ids for {len(pixels)} images; expected one each, so correct the ids."
        )
    check_names(names, "class name", where)
    check_names(keys, "sample id", where)
    return ArrayDataset(_read_only(pixels), _read_only(known), names, keys)


def default_classes(count: int, where: str) -> tuple[str, ...]:
    """Name classes by their numbers.

    Raises:
        DataError: if there are so many that a label is more likely to be damaged.
    """
    if count > _MAX_DEFAULT_CLASSES:
        raise DataError(
            f"{where}: found the label {count - 1}, expected at most {_MAX_DEFAULT_CLASSES - 1} "
            "where classes have no names; number the classes from 0 or give their names."
        )
    return tuple(str(i) for i in range(count))


def load_npz(path: Path, split: str = "train") -> ArrayDataset:
    """Read a data set from an ``.npz`` file.

    It needs ``images`` and ``labels`` as :func:`from_arrays` takes them and may hold ``ids``, ``classes``
    (strings) and ``layout``; other members are not looked at. Object arrays are never decoded.

    Args:
        path: the file.
        split: first part of the default ids.

    Raises:
        UsageError: if there is no such file.
        DataError: if it is damaged, too large or not a data set.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            present = {name.removesuffix(".npy") for name in archive.namelist()}
            if missing := {"images", "labels"} - present:
                raise DataError(
                    f"{path} has no member {min(missing)!r} (found: {', '.join(sorted(present)) or 'none'}); "
                    "expected 'images' and 'labels', so use numpy.savez(path, images=..., labels=...)."
                )
            found = {name: _read_member(archive, name, path) for name in _MEMBERS if name in present}
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the path.") from error
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as .npz ({reason}); write or copy it again.") from error
    return from_arrays(
        found["images"],
        found["labels"],
        classes=_strings(found, "classes", path),
        ids=_strings(found, "ids", path),
        split=split,
        where=str(path),
        layout=str(found["layout"]) if "layout" in found else None,
    )


def write_npz(path: Path, dataset: ImageDataset) -> None:
    """Write a data set to a compressed ``.npz`` file that :func:`load_npz` reads back identically.

    The file is written whole or not at all, and depends on nothing but the data set.

    Args:
        path: the file; its folder is made if need be.
        dataset: any data set.
    """
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            images=dataset.images(slice(None)),
            labels=dataset.labels,
            ids=np.array(dataset.ids, dtype=np.str_),
            classes=np.array(dataset.classes, dtype=np.str_),
            layout=np.array("NCHW"),
        )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.setflags(write=False)
    return view


def _as_nchw(images: NDArray[Any], layout: str | None, where: str) -> UInt8Array:
    if images.dtype != np.uint8:
        raise DataError(
            f"{where}: images are {images.dtype}, expected uint8 (0..255); convert values 0..1 with "
            "(images * 255).round().astype('uint8') and values 0..255 with images.round().astype('uint8')."
        )
    if images.ndim == 3:
        images, layout = images[:, np.newaxis], "NCHW"
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(
            f"{where}: images have the shape {images.shape}, "
            "expected (N, H, W), (N, C, H, W) or (N, H, W, C); reshape them."
        )
    first, last = images.shape[1] in CHANNELS, images.shape[3] in CHANNELS
    if layout is None and first and last:
        raise DataError(
            f"{where}: images of the shape {images.shape} can be (N, C, H, W) or (N, H, W, C); "
            "say which by layout='NCHW' or layout='NHWC'."
        )
    layout = layout or ("NHWC" if last else "NCHW")
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if not (first if layout == "NCHW" else last):
        raise DataError(
            f"{where}: images have the shape {images.shape}, expected 1, 3 or 4 channels in {layout}; "
            "keep the grey or the colour channels only."
        )
    return images if layout == "NCHW" else images.transpose(0, 3, 1, 2)


def _as_labels(labels: NDArray[Any], count: int, where: str) -> IntArray:
    if labels.shape != (count,):
        raise DataError(
            f"{where}: labels have the shape {labels.shape}, expected ({count},); give one label for each image."
        )
    if count and labels.dtype.kind not in "iu":
        raise DataError(
            f"{where}: labels are {labels.dtype}, expected integers; convert them with labels.astype('int64')."
        )
    if count and (labels.min() < 0 or labels.max() > np.iinfo(np.int64).max):
        raise DataError(
            f"{where}: labels range from {labels.min()} to {labels.max()}, "
            "expected 0 to the number of classes - 1; number the classes from 0."
        )
    return labels.astype(np.int64)


def _strings(found: dict[str, NDArray[Any]], name: str, path: Path) -> tuple[str, ...] | None:
    if name not in found:
        return None
    array = found[name]
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(
            f"{path}: {name!r} is {array.dtype} of the shape {array.shape}, expected a list of strings; "
            f"save numpy.array({name}, dtype=str)."
        )
    return tuple(array.tolist())


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """Decode one array, after its declared sizes were checked: a small file can declare a huge array."""
    member = f"{name}.npy" if f"{name}.npy" in archive.NameToInfo else name
    declared = archive.getinfo(member).file_size
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise DataError(f"{path}: {name!r} has the .npy version {version}, expected 1.0 or 2.0; save it again.")
        shape, _, dtype = read_header(stream)
        size = stream.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise DataError(
            f"{path}: {name!r} is an array of Python objects, which can run code and are never loaded; "
            "expected numbers or strings, so save it with a plain dtype."
        )
    if max(size, declared) > MAX_BYTES:
        raise DataError(
            f"{path}: {name!r} declares {max(size, declared)} bytes, expected at most {MAX_BYTES}; "
            "split the data set, or use class folders, which are read image by image."
        )
    if size != declared or min(shape, default=0) < 0:
        raise DataError(
            f"{path}: {name!r} holds {declared} bytes, expected {size} for its shape {shape}; write or copy it again."
        )
    with archive.open(member) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream)
    return array
