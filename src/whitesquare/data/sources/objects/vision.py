"""Data sets of torchvision, and of classes that read as they do: their files and arrays are read directly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare.data.names import kind_of
from whitesquare.data.sources.objects.bare import said_aside, transforms_of
from whitesquare.data.sources.objects.contents import ContentImages, part_of, telling
from whitesquare.data.sources.objects.kinds import class_names, is_torch_dataset, reads_by
from whitesquare.data.sources.objects.labels import numbered, said_of
from whitesquare.data.sources.objects.paths import path_ids
from whitesquare.data.sources.objects.reading import read_samples
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.data.sources.objects.tensors import open_pair
from whitesquare.errors import DataError
from whitesquare.types import ImageDataset

_PACKAGE = "torchvision"


def is_vision(thing: Any) -> bool:
    """Tell whether a data set is one of torchvision's that has its files, or all of its pixels, at hand."""
    return is_torch_dataset(thing) and reads_by(thing, _PACKAGE) and (_listed(thing) or _targets(thing) is not None)


def open_vision(thing: Any, asked: ObjectRequest) -> ImageDataset:
    """Open a data set of torchvision by what it holds, so that no transform has a part in it.

    Raises:
        DataError: a file is not there, or it has no labels.
    """
    kind = kind_of(thing)
    names = ", ".join(dict.fromkeys(transforms_of(thing)))
    aside = (said_aside(kind, names),) if names else ()
    if _listed(thing):
        return telling(_open_files(thing, asked, kind), *aside)
    labels = np.asarray(_targets(thing))
    opened = open_pair(thing.data, labels, replace(asked, only=None), kind=kind, classes=class_names(thing))
    told = said_of(opened.labels, opened.classes, f"the targets of {kind}")
    return part_of(telling(opened, *aside, told), asked.only)


def _open_files(thing: Any, asked: ObjectRequest, kind: str) -> ImageDataset:
    positions = asked.positions(len(thing.samples)).tolist()
    if not positions:
        raise DataError(f"{kind} has no samples; expected images of two classes or more, so add some.")
    paths = [str(path) for path, _ in thing.samples]
    top = getattr(thing, "root", None)
    root, named = path_ids(paths, kind, Path(top) if isinstance(top, (str, Path)) else None)
    ids = tuple(named[i] for i in positions)
    loader: Callable[[str], Any] = thing.loader
    if not (getattr(loader, "__module__", None) or "").startswith(_PACKAGE):
        told = (f"{kind} reads files by a loader of its own: what is read, and signed, are the pixels that it gives.",)
        names = class_names(thing)

        def read(i: int) -> tuple[Any, int]:
            path, label = thing.samples[i]
            return loader(path), label

        return read_samples(read, len(thing.samples), asked, kind=kind, names=names, ids=ids, told=told)
    labels, classes = numbered([int(thing.samples[i][1]) for i in positions], class_names(thing), kind)
    told = (said_of(labels, classes, f"the class folders of {kind}"),)
    return ContentImages(
        root=root,
        classes=classes,
        ids=ids,
        labels=labels,
        kind=kind,
        told=told,
        cell=[paths[i] for i in positions].__getitem__,
    )


def _listed(thing: Any) -> bool:
    own = vars(thing)
    return isinstance(own.get("samples"), list) and callable(own.get("loader"))


def _targets(thing: Any) -> Any:
    own = vars(thing)
    found = own.get("targets", own.get("labels"))
    is_whole = len(getattr(own.get("data"), "shape", ())) in (3, 4)
    return found if is_whole and found is not None and np.ndim(found) == 1 else None
