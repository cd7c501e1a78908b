"""Data sets held in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.streams import FileDigest
from whitesquare.data.batches import as_shape, in_batches
from whitesquare.data.layouts import position_id
from whitesquare.data.names import check_names, check_split
from whitesquare.data.sources.objects.numbers import not_bytes
from whitesquare.errors import DataError, unknown_name
from whitesquare.types import Index, IntArray, Shape, UInt8Array

CHANNELS = (1, 3, 4)
LAYOUTS = ("NCHW", "NHWC")
_MAX_DEFAULT_CLASSES = 65_536
_NUMBER = "take classes and labels from numpy.unique(labels, return_inverse=True)"
_GAPS = (
    "{where}: {empty} of {count} classes have no image, for labels are positions; if they are numbers of another kind, "
    f"{_NUMBER}."
)
_FROM_ONE = "{where}: no image has the label 0, so that the class '0' is empty; if labels begin at 1, save labels - 1."


@dataclass(frozen=True, eq=False)
class ArrayDataset:
    """An :class:`~whitesquare.types.ImageDataset` in memory, built and checked by :func:`from_arrays`.

    Attributes:
        pixels: ``(N, C, H, W)`` uint8, read-only.
        labels: ``(N,)`` int64, positions in ``classes``, read-only.
        classes: class names.
        ids: unique sample ids.
        containers: what was read for it, if it was read from files that hold many samples.
        kind: where they came from.
        told: what is to be said of them, such as where labels come from.
    """

    pixels: UInt8Array = field(repr=False)
    labels: IntArray = field(repr=False)
    classes: tuple[str, ...]
    ids: tuple[str, ...] = field(repr=False)
    containers: tuple[FileDigest, ...] = ()
    kind: str = "arrays"
    told: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of every image."""
        return as_shape(self.pixels.shape)

    def images(self, index: Index) -> UInt8Array:
        """Return ``(B, C, H, W)`` uint8: a read-only view for a slice, a copy for an array of positions."""
        return self.pixels[index]

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Yield read-only views of all images, in order."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return the pixels of image ``i``, channel by channel, row by row."""
        image: UInt8Array = self.pixels[i]
        return image.tobytes()

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Say what is to be said of them, whichever are asked about."""
        return self.told


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
    for name, given in (("images", images), ("labels", labels)):
        masked = int(np.ma.getmaskarray(given).sum()) if isinstance(given, np.ma.MaskedArray) else 0
        if masked:
            raise DataError(
                f"{where}: {masked} values of the {name} are masked, expected all of them; take the samples without a "
                f"masked value, or say what stands there with {name}.filled(...)."
            )
    pixels = as_nchw(np.asarray(images), layout, where)
    known = _as_labels(np.asarray(labels), len(pixels), where)
    least, top = int(known.min()) if len(known) else 0, int(known.max(initial=-1))
    names = default_classes(top + 1, where) if classes is None else tuple(classes)
    if least == 1 and top == len(names):
        raise DataError(
            f"{where}: found labels 1 to {top} for {len(names)} class names; expected labels from 0, so use labels - 1."
        )
    if top >= len(names):
        raise DataError(
            f"{where}: found the label {top} but {len(names)} class names; "
            "expected labels below the number of classes, so name every class."
        )
    keys = tuple(position_id(split, i) for i in range(len(pixels))) if ids is None else tuple(ids)
    if len(keys) != len(pixels):
        raise DataError(
            f"{where}: found {len(keys)} sample ids for {len(pixels)} images; expected one each, so correct the ids."
        )
    check_names(names, "class name", where)
    if ids is not None:  # our own are plain and unique
        check_names(keys, "sample id", where)
    told = (_FROM_ONE.format(where=where),) if least == 1 and names[0] == "0" else ()
    if classes is None and (held := len(np.unique(known))) < len(names) // 2:
        told = (*told, _GAPS.format(where=where, empty=len(names) - held, count=len(names)))
    return ArrayDataset(_read_only(pixels), _read_only(known), names, keys, told=told)


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


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.setflags(write=False)
    return view


def as_nchw(images: NDArray[Any], layout: str | None, where: str) -> UInt8Array:
    """Present images as ``(N, C, H, W)`` without a copy; see :func:`from_arrays`.

    Raises:
        DataError: if they are no images.
        UsageError: if ``layout`` is unknown.
    """
    if images.dtype != np.uint8:
        raise not_bytes(images, where, "images")
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


def check_labels(shape: tuple[int, ...], dtype: np.dtype[Any], count: int, where: str) -> None:
    """Refuse labels by what is known of them before they are read.

    Raises:
        DataError: they are not one integer for each image.
    """
    if shape != (count,):
        how = "labels.argmax(axis=1) makes such of one-hot labels" if shape[1:] > (1,) else "labels.reshape(-1) does"
        raise DataError(
            f"{where}: labels have the shape {shape}, expected ({count},); give one label for each image"
            f"{f' ({how})' if len(shape) == 2 and shape[0] == count else ''}."
        )
    if count and dtype.kind not in "iu":
        how = "convert them with labels.astype('int64')" if dtype.kind in "bf" else f"{_NUMBER} and give both"
        raise DataError(f"{where}: labels are {dtype}, expected integers; {how}.")


def check_whole(labels: NDArray[Any], where: str) -> None:
    """Refuse labels that are fractions, or none, which a conversion to integers would hide.

    Raises:
        DataError: they are such.
    """
    if labels.dtype.kind != "f":
        return
    if missing := int(np.isnan(labels).sum()):
        raise DataError(f"{where}: {missing} of {labels.size} labels are missing (NaN); label these, or take them out.")
    if odd := [float(one) for one in labels.ravel() if not float(one).is_integer()]:
        raise DataError(
            f"{where}: the label {odd[0]:g} is no whole number; expected classes and no measurements, so {_NUMBER} if "
            "each value is a class."
        )


def _as_labels(labels: NDArray[Any], count: int, where: str) -> IntArray:
    check_whole(labels, where)
    check_labels(labels.shape, labels.dtype, count, where)
    if count and (labels.min() < 0 or labels.max() > np.iinfo(np.int64).max):
        raise DataError(
            f"{where}: labels range from {labels.min()} to {labels.max()}, "
            f"expected 0 to the number of classes - 1; {_NUMBER}, which numbers the classes from 0 (take out samples "
            "first whose label says that they have none)."
        )
    return labels.astype(np.int64)
