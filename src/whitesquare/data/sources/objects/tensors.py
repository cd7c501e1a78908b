"""Images and labels as arrays or tensors, which are presented as they are, without a copy."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.sources.arrays import from_arrays
from whitesquare.data.sources.objects.cells import as_array
from whitesquare.data.sources.objects.contents import part_of
from whitesquare.data.sources.objects.kinds import IMAGES, LABELS, choose, is_of
from whitesquare.data.sources.objects.labels import categories_of, labels_of, numbered, said_of
from whitesquare.data.sources.objects.numbers import not_bytes, refuse_dark
from whitesquare.data.sources.objects.reading import read_samples
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.errors import DataError
from whitesquare.types import ImageDataset

_BESIDE = ("ids", "classes", "layout")


def open_pair(
    images: Any,
    labels: Any,
    asked: ObjectRequest,
    *,
    kind: str = "arrays",
    classes: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    layout: str | None = None,
    told: tuple[str, ...] = (),
) -> ImageDataset:
    """Open images and labels.

    Args:
        images: an array or a tensor, see :func:`whitesquare.data.from_arrays`; or a list of images, which may differ in
            their sizes.
        labels: as many numbers from 0, or names; an array, a tensor or a list.
        asked: which are wanted.
        kind: what they are called.
        classes: class names, if they have some.
        ids: unique ids, if they have some.
        layout: ``"NCHW"`` or ``"NHWC"``; needed only where the shape fits both.
        told: what is to be said of them.

    Raises:
        DataError: they are no images with one label each; the error says the call that mends it.
    """
    names = categories_of(labels) if classes is None else tuple(classes)
    images = _listed(images, kind)
    if isinstance(images, (list, tuple)):
        if len(images) != len(labels):
            raise DataError(f"{kind}: found {len(labels)} labels for {len(images)} images; give one for each image.")
        chosen = None if ids is None else tuple(ids[i] for i in asked.positions(len(images)).tolist())
        return read_samples(
            lambda i: (images[i], labels[i]), len(images), asked, kind=kind, names=names, ids=chosen, told=told
        )
    pixels, of_torch = as_array(images), is_of(images, "torch", "Tensor")
    if pixels.dtype != np.uint8:
        raise not_bytes(pixels, kind, "images", of_torch=of_torch)
    known = _labels(labels, kind)
    if isinstance(known, list):
        known, names = numbered(labels_of(known, f"{kind}: sample"), names, kind)
    opened = from_arrays(pixels, known, classes=names, ids=ids, split=asked.split, where=kind, layout=layout)
    refuse_dark(pixels, kind)
    said = said_of(opened.labels, opened.classes, "the labels that were given")
    told = (*told, *((said,) if "no sample" in said else ()))
    return part_of(replace(opened, kind=kind, told=told), asked.only)


def _listed(images: Any, kind: str) -> Any:
    """Return paths in an array, or in a column of a table, as a list; all else as it is.

    Raises:
        DataError: it can be gone through only once.
    """
    if isinstance(images, Iterator):
        raise DataError(
            f"{kind}: the images are a {type(images).__name__}, which can be gone through once; expected an array, a "
            "tensor or a list, so give list(images), or a stream of pairs of image and label."
        )
    if isinstance(images, (list, tuple)) or is_of(images, "torch", "Tensor"):
        return images
    found = as_array(images)
    named = found.ndim == 1 and len(found) and found.dtype.kind in "OUT" and isinstance(found[0], str | Path)
    return found.tolist() if named else images


def open_mapping(given: Mapping[str, Any], asked: ObjectRequest) -> ImageDataset:
    """Open a dict of images and labels, and of ``ids``, ``classes`` and ``layout`` where there are some.

    Raises:
        UsageError: it is not clear which are which.
        DataError: see :func:`open_pair`.
    """
    found = [name for name in given if name not in _BESIDE]
    mend = "give a dict with 'images' and 'labels', or with 'train' and 'test'"
    images = choose(found, IMAGES, "images", "The dict", mend)
    labels = choose([name for name in found if name != images], LABELS, "labels", "The dict", mend)
    return open_pair(
        given[images],
        given[labels],
        asked,
        classes=given.get("classes"),
        ids=given.get("ids"),
        layout=given.get("layout"),
    )


def _labels(given: Any, kind: str) -> NDArray[Any] | list[Any]:
    """Return labels as an array of numbers, or as a list where they are names.

    Raises:
        DataError: they are one-hot.
    """
    if given is None or isinstance(given, Iterator | Mapping | Set | str):
        raise DataError(
            f"{kind}: the labels are a {type(given).__name__}; expected an array, a tensor or a list of one label for "
            "each image, in their order, so give that, as list(labels) of what can be gone through once."
        )
    found = as_array(given)
    if found.ndim == 2 and found.shape[1] > 1 and found.size:
        rows = found.reshape(len(found), -1)
        if found.dtype.kind in "biuf" and ((rows != 0).sum(axis=1) == 1).all():
            raise DataError(
                f"{kind}: labels are one-hot, of the shape {found.shape}; expected one number for each image, so give "
                "labels.argmax(1)."
            )
    if found.dtype.kind == "f" and is_of(given, "torch", "Tensor"):
        raise DataError(f"{kind}: labels are {given.dtype}, expected integers; convert them with labels.long().")
    return found.tolist() if found.dtype.kind in "USO" and found.ndim == 1 else found
