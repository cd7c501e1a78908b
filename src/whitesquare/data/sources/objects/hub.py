"""Data sets of Hugging Face's ``datasets``: files are read as they lie in the table, and decoded when asked for."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare.data.names import check_names, kind_of
from whitesquare.data.sources.objects.bare import said_aside
from whitesquare.data.sources.objects.contents import ContentImages
from whitesquare.data.sources.objects.kinds import IMAGES, LABELS, choose, is_of
from whitesquare.data.sources.objects.labels import Label, labels_of, numbered, said_of
from whitesquare.data.sources.objects.reading import guarded, read_stream
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.errors import DataError
from whitesquare.types import ImageDataset

_PACKAGE = "datasets"


def is_hub(thing: Any) -> bool:
    """Tell whether a thing is a data set of Hugging Face, with items by position or as a stream."""
    return is_of(thing, _PACKAGE, "Dataset", "IterableDataset")


@dataclass(frozen=True)
class HubRows:
    """The images of a data set of Hugging Face, by position.

    Attributes:
        rows: of one column.
        column: its name.
        dtype: of arrays, which have no file.
    """

    rows: Any
    column: str
    dtype: str | None = None

    def __call__(self, position: int) -> Any:
        """Return the image of a row, as its file where it has one."""
        found = self.rows[position][self.column]
        return found if self.dtype is None else np.array(found, self.dtype)


def open_hub(thing: Any, asked: ObjectRequest) -> ImageDataset:
    """Open a data set of Hugging Face.

    Raises:
        UsageError: it is not clear which column holds images or labels.
        DataError: a label is missing; or, of a stream, a sample cannot be read.
    """
    kind = kind_of(thing)
    if is_of(thing, _PACKAGE, "IterableDataset"):
        return _open_stream(thing, asked, kind)
    image, label, names = _columns(thing, thing.column_names)
    told = _aside(thing, kind)
    plain = thing.with_format(None)
    rows = plain if asked.only is None else plain.select(asked.only.tolist())
    if not len(rows):
        raise DataError(f"{kind} has no rows; expected images of two classes or more, so add some.")
    besides = _labels(asked.beside, label) if asked.beside is not None else []
    labels, classes = numbered(_labels(rows, label), names, kind, plain=False, also=besides)
    whole = _undecoded(plain.select_columns([image]), image)
    named = _paths(whole, image)
    ids = tuple(named[i] for i in asked.positions(len(plain)).tolist()) if named else asked.ids(len(plain))
    cells = whole if asked.only is None else whole.select(asked.only.tolist())
    cell = HubRows(cells, image, _dtype(cells.features[image], kind, image))
    check_names(ids, "sample id", kind)
    told = (*told, said_of(labels, classes, f"the column {label!r} of {kind}"))
    return ContentImages(root=Path(kind), classes=classes, ids=ids, labels=labels, kind=kind, told=told, cell=cell)


def _open_stream(thing: Any, asked: ObjectRequest, kind: str) -> ImageDataset:
    told = _aside(thing, kind) if getattr(thing, "_formatting", None) is not None else ()
    plain = thing.with_format(None)
    first = next(guarded(plain.take(1), kind), None)
    if first is None:
        raise DataError(f"{kind} gives no samples; expected images of two classes or more, so add some.")
    image, label, names = _columns(thing, list(first))
    undecoded = _undecoded(plain, image)
    if undecoded is not plain:
        found = next(guarded(undecoded.take(1), kind))[image]
        local = isinstance(found, Mapping) and (found.get("bytes") or Path(str(found.get("path"))).is_file())
        plain = undecoded if local else plain
    return read_stream(_Pairs(plain, image, label), asked, kind=kind, names=names, told=told)


class _Pairs:
    """Images and labels of a stream that has other columns as well; each time from its beginning."""

    def __init__(self, rows: Any, image: str, label: str) -> None:
        self._rows, self._image, self._label = rows, image, label

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return ((row[self._image], row[self._label]) for row in self._rows)


def _columns(thing: Any, columns: list[str]) -> tuple[str, str, tuple[str, ...] | None]:
    """Return the columns of images and labels, and the class names where the data set has them."""
    kind, features = kind_of(thing), thing.features or {}
    mend = "name it with dataset.rename_column('OLD', '{}')"
    images = [name for name in columns if is_of(features.get(name), _PACKAGE, "Image")]
    image = images[0] if len(images) == 1 else choose(images or columns, IMAGES, "image", kind, mend.format("image"))
    classes = [name for name in columns if is_of(features.get(name), _PACKAGE, "ClassLabel")]
    others = [name for name in columns if name != image]
    label = classes[0] if len(classes) == 1 else choose(others, LABELS, "label", kind, mend.format("label"))
    return image, label, tuple(features[label].names) if label in classes and features[label].names else None


def _aside(thing: Any, kind: str) -> tuple[str, ...]:
    found = getattr(thing, "format", None)  # a stream has none, and is asked only if it has one
    name = found["type"] if isinstance(found, dict) else ""
    if name is None:
        return ()
    return (
        said_aside(kind, "its transform" if name == "custom" else f"the format {name!r}" if name else "its format"),
    )


def _labels(rows: Any, label: str) -> list[Label]:
    kind = kind_of(rows)
    found = rows.with_format(None).select_columns([label])[:][label]
    return labels_of(found, f"{kind}: row")


def _undecoded(rows: Any, image: str) -> Any:
    """Return the rows with images as they lie in the table."""
    if is_of((rows.features or {}).get(image), _PACKAGE, "Image"):
        return rows.cast_column(image, sys.modules[_PACKAGE].Image(decode=False))
    return rows


def _dtype(feature: Any, kind: str, image: str) -> str | None:
    """Return what the numbers of an array are, which is in the table as lists; ``None`` for anything else."""
    if is_of(feature, _PACKAGE, "Image", "Value"):
        return None
    while hasattr(feature, "feature"):
        feature = feature.feature
    if is_of(feature, _PACKAGE, "Image"):
        raise DataError(
            f"{kind}: the column {image!r} holds lists of images; expected one in each row, so choose one, as by "
            f"dataset.map(lambda row: {{{image!r}: row[{image!r}][0]}}, features=...)."
        )
    return str(feature.dtype)


def _paths(cells: Any, image: str) -> tuple[str, ...]:
    """Return the paths that the table has for its images; nothing if one lacks its own or has that of another."""
    if not is_of(cells.features.get(image), _PACKAGE, "Image"):
        return ()
    column = cells.data.column(image)  # the table itself: to go through rows would read their images
    names = [column.type.field(i).name for i in range(column.type.num_fields)]
    found: list[Any] = column.flatten()[names.index("path")].to_pylist() if "path" in names else [None]
    if not all(found):
        return ()
    folder = _folder(found)
    order = range(len(found)) if cells._indices is None else cells._indices.column(0).to_pylist()
    ids = tuple(found[i].removeprefix(folder) for i in order)
    return ids if len(set(ids)) == len(ids) else ()


def _folder(paths: list[str]) -> str:
    """Return the beginning that absolute paths have in common, up to a slash; it is another on every machine."""
    if not all(path.startswith("/") or "://" in path for path in paths):
        return ""
    first, last = min(paths), max(paths)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first.rfind("/", 0, same) + 1]
