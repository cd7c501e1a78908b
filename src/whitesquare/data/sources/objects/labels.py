"""Labels as users have them: numbers from 0, or names."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from whitesquare.data.layouts import class_order
from whitesquare.data.names import check_names
from whitesquare.data.rows import NULLS
from whitesquare.data.sources.arrays import default_classes
from whitesquare.data.sources.objects.cells import as_array
from whitesquare.data.sources.objects.kinds import is_of
from whitesquare.errors import DataError
from whitesquare.types import IntArray

Label = int | str


def label_of(cell: Any, where: str) -> Label:
    """Return one label as a number or a name.

    Args:
        cell: the label: a number, a name, or an array or tensor of one number.
        where: of which sample, for the errors.

    Raises:
        DataError: it is missing, or none.
    """
    if is_of(cell, "torch", "Tensor"):
        cell = as_array(cell)
    if isinstance(cell, (np.ndarray, np.generic)):
        if cell.size != 1:
            raise _several(cell, where)
        cell = cell.item()
    if isinstance(cell, (bool, int)):
        return int(cell)
    if isinstance(cell, bytes):  # as HDF5 and TFDS hold texts
        cell = _decoded(cell, where)
    if isinstance(cell, str) and cell.lower() not in NULLS:
        return cell
    if isinstance(cell, (list, tuple, dict, set)):
        raise _several(np.array(cell if isinstance(cell, (list, tuple)) else None, dtype=object), where)
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if cell is None or str(cell).lower() in NULLS:
        raise DataError(f"{where} has no label; expected one for each sample, so label it or take it out.")
    raise DataError(
        f"{where} has the label {cell!r:.60}; expected a whole number from 0 or a name; give the class of each image."
    )


def _decoded(cell: bytes, where: str) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} has the label {cell!r:.60}, whose bytes are no UTF-8; expected a name, so give "
            "label.decode('latin-1') or whatever it is written in."
        ) from error


def categories_of(column: Any) -> tuple[str, ...] | None:
    """Return the names of a column of categories in their order, which their codes are positions in; else ``None``.

    As pandas has it (``Categorical``), and polars (``Enum``); other columns have none, nor do numbers as categories.
    """
    found: Any = getattr(getattr(column, "dtype", None), "categories", None)
    listed = found.tolist() if hasattr(found, "tolist") else found.to_list() if hasattr(found, "to_list") else []
    return tuple(listed) if listed and all(isinstance(one, str) for one in listed) else None


def labels_of(cells: Iterable[Any], what: str) -> list[Label]:
    """Return many labels; see :func:`label_of`.

    Args:
        cells: the labels.
        what: each is of, before its number, for the errors.
    """
    return [cell if type(cell) is int else label_of(cell, f"{what} {i}") for i, cell in enumerate(cells)]


def numbered(
    labels: Sequence[Label],
    names: tuple[str, ...] | None,
    where: str,
    *,
    plain: bool = True,
    also: Iterable[Label] = (),
) -> tuple[IntArray, tuple[str, ...]]:
    """Return the labels as positions in class names, and these.

    Args:
        labels: of all samples.
        names: class names, if they are given.
        where: what has them, for the errors.
        plain: numbers are positions; else they are what the classes are called, as in a table.
        also: labels of another split, which has the same classes.

    Raises:
        DataError: a number is no position, a name is none of the class names, or there are both numbers and names.
    """
    every = {*labels, *also}
    if odd := [one for one in every if isinstance(one, int) and one < 0]:
        at = next((i for i, one in enumerate(labels) if one == odd[0]), 0)
        raise DataError(
            f"{where}: the label of sample {at} is {odd[0]}, expected 0 to the number of classes - 1; take out samples "
            "without a label, and number the classes from 0."
        )
    if len({isinstance(one, str) for one in every}) > 1:
        raise DataError(
            f"{where}: some labels are names and some are numbers; expected one of these, so name them all."
        )
    numbers = all(isinstance(one, int) for one in every)
    if numbers and (plain or names is not None):
        positions = np.array(labels, np.int64)
        top = max((int(one) for one in every), default=-1)
        known = default_classes(top + 1, where) if names is None else names
        if top >= len(known):
            raise DataError(
                f"{where}: found the label {top} but {len(known)} class names; expected labels below the number of "
                "classes, so name every class."
            )
    else:
        known = names or tuple(sorted(map(str, every), key=class_order))
        place = {name: i for i, name in enumerate(known)}
        if odd_names := [one for one in every if str(one) not in place]:
            raise DataError(f"{where}: the label {odd_names[0]!r} is none of its class names; correct either.")
        positions = np.array([place[str(one)] for one in labels], np.int64)
    check_names(known, "class name", where)
    positions.setflags(write=False)
    return positions, known


def said_of(labels: IntArray, classes: tuple[str, ...], source: str) -> str:
    """Say where labels come from, and what looks wrong with them."""
    first = f"Labels come from {source}: {len(classes)} classes"
    if len(labels) and not (labels == 0).any() and classes[0] == "0":
        return (
            f"{first}, of which the class '0' has no sample; if your labels begin at {int(labels.min())}, give them as "
            f"labels - {int(labels.min())}."
        )
    return f"{first}."


def _several(cell: Any, where: str) -> DataError:
    flat = np.asarray(cell).ravel().tolist()
    if len(flat) > 1 and sorted(map(str, flat))[:-1] in ([zero] * (len(flat) - 1) for zero in ("0", "0.0", "False")):
        return DataError(
            f"{where} has a one-hot label of {len(flat)} numbers; expected the number of the class, so give "
            "label.argmax()."
        )
    return DataError(
        f"{where} has a label of {len(flat)} values; expected one class for each image, so give its number or name."
    )
