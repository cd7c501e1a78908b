"""Tables in memory, of pandas, polars or pyarrow: a column of images or of their paths, and one of labels."""

from pathlib import Path
from typing import Any

from whitesquare.data.names import kind_of
from whitesquare.data.sources.objects.contents import ContentImages
from whitesquare.data.sources.objects.kinds import IMAGES, LABELS, choose, is_frame
from whitesquare.data.sources.objects.labels import Label, categories_of, labels_of, numbered, said_of
from whitesquare.data.sources.objects.paths import path_ids
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.data.tables import SPLIT_COLUMNS, splits_unread
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset


def open_frame(frame: Any, asked: ObjectRequest) -> ImageDataset:
    """Open a data frame, whose images are decoded when they are asked for.

    Raises:
        UsageError: it is not clear which column holds images or labels.
        DataError: it is empty, a file is not there or stands twice, or a label is missing.
    """
    kind = kind_of(frame)
    image, label = _columns(frame, kind)
    cells = _values(frame, image)
    if not cells:
        raise DataError(f"{kind} has no rows; expected images of two classes or more, so add some.")
    if (gap := next((row for row, cell in enumerate(cells) if _is_null(cell)), None)) is not None:
        raise DataError(
            f"{kind}: row {gap} has no image in the column {image!r}; expected one, or its path, in every row; add it, "
            "or take such rows out, by dropna of pandas or drop_nulls of polars."
        )
    besides = _labels(asked.beside, label) if is_frame(asked.beside) else []
    every, count = _labels(frame, label), len(cells)
    positions = asked.positions(count).tolist()
    names = _categories(frame, asked.beside, label)
    labels, classes = numbered([every[i] for i in positions], names, kind, plain=False, also=[*every, *besides])
    unread = [name for name in map(str, _names(frame)) if name.lower() in SPLIT_COLUMNS and name not in (image, label)]
    told = said_of(labels, classes, f"the column {label!r} of {kind}, for the images in the column {image!r}")
    root, ids = Path(kind), asked.ids(count)
    if all(isinstance(cell, (str, Path)) for cell in cells):
        root, every_id = path_ids([str(cell) for cell in cells], kind)
        ids = tuple(every_id[i] for i in positions)
        told += f" Ids are paths below {root}."
    cells = [cells[i] for i in positions]
    return ContentImages(
        root=root,
        classes=classes,
        ids=ids,
        labels=labels,
        kind=kind,
        cell=cells.__getitem__,
        told=(told, *(splits_unread(name, kind) for name in unread[:1])),
    )


def _columns(frame: Any, kind: str) -> tuple[str, str]:
    names = _names(frame)
    if len(set(map(str, names))) < len(names):
        raise UsageError(f"{kind} has two columns of one name ({', '.join(map(str, names)):.120}); rename one.")
    mend = "rename it, as by frame.rename(columns={{'OLD': '{}'}})"
    image = choose(names, IMAGES, "image", kind, mend.format("image"))
    others = [name for name in names if name != image]
    return image, choose(others, LABELS, "label", kind, mend.format("label"))


def _names(frame: Any) -> list[Any]:
    return list(getattr(frame, "column_names", None) or frame.columns)


def _values(frame: Any, column: str) -> list[Any]:
    """Return a column as a list of plain Python objects."""
    found = _column(frame, column)
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(found, name):
            return list(getattr(found, name)())
    try:
        return list(found)
    except Exception as error:
        raise UsageError(
            f"{kind_of(frame)}: the column {column!r} cannot be listed ({type(error).__name__}: {error!s:.120}); give "
            "a data frame of pandas or polars, or a table of pyarrow."
        ) from error


def _column(frame: Any, name: str) -> Any:
    return frame.column(name) if hasattr(frame, "column_names") else frame[name]


def _is_null(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NAType", "NaTType")


def _categories(frame: Any, beside: Any, label: str) -> tuple[str, ...] | None:
    """Return the class names that a column of categories has, where those of the other split are the same."""
    found = categories_of(_column(frame, label))
    return found if not is_frame(beside) or categories_of(_column(beside, label)) == found else None


def _labels(frame: Any, column: str) -> list[Label]:
    return labels_of(_values(frame, column), f"{kind_of(frame)}: row")
