"""Files of features and of class probabilities: a row for each sample, in the order of the data set or by its id."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.database import exactly, parquet, quoted
from whitesquare.data.rows import columns_of
from whitesquare.errors import DataError, UsageError
from whitesquare.types import FloatArray, ImageDataset

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ID = "id"
"""Column of a table that says whose row it is."""
KINDS = (".npy", ".npz", ".csv", ".parquet")
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "FLOAT", "DOUBLE")
_FEW = 5


def read_brought(name: str, path: Path, dataset: ImageDataset, classes: Sequence[str] | None = None) -> FloatArray:
    """Read a row for each sample of a data set.

    Args:
        name: what the rows are: ``features`` or ``pred_probs``; an array of that name in an ``.npz`` file.
        path: an ``.npy`` file, which is mapped and not read; an ``.npz`` file; or a table, CSV or Parquet, with numbers
            in every column but ``id``. Rows of a table with ids are found by them, any others are in the order of the
            data set.
        dataset: whose samples they are.
        classes: names of the classes, in the order of their labels, which the columns of a table must have, in any
            order; or their numbers, 0 and up. Of an array the columns must be in that order. ``None`` takes columns as
            they stand.

    Returns:
        ``(N, D)``; of an array, whatever it holds.

    Raises:
        UsageError: there is no such file, or it is of another kind.
        DataError: it is damaged, or rows or columns are missing.
    """
    kind = path.suffix.lower()
    if not path.is_file() or kind not in KINDS:
        what = f"is of no kind that is read ({path.suffix or 'no suffix'})" if path.is_file() else "is no file"
        raise UsageError(f"{path} {what}; give {name} as {', '.join(KINDS)}: one row for each sample.")
    if kind in (".npy", ".npz"):
        return _array(name, path)
    return _table(path, dataset, classes)


def _array(name: str, path: Path) -> FloatArray:
    try:
        if path.suffix.lower() == ".npy":
            whole: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
            return whole
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            held = [name] if name in found.files else found.files
            if len(held) == 1:
                one: FloatArray = found[held[0]]
                return one
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile) as error:
        short = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path} cannot be read as an array of numbers ({short}); write it again, with numpy.save."
        ) from error
    raise DataError(
        f"{path} holds the arrays {', '.join(map(repr, held[:_FEW]))}; expected one, or one that is called {name!r}."
    )


def _table(path: Path, dataset: ImageDataset, classes: Sequence[str] | None) -> FloatArray:
    columns = columns_of(path)
    names = _ordered(path, [name for name in columns if name != ID], classes)
    if path.suffix.lower() == ".parquet":
        if others := [name for name in names if not columns[name].startswith((*_NUMBERS, "DECIMAL"))]:
            raise DataError(f"{path}: the column {others[0]!r} is {columns[others[0]]:.60}; expected numbers.")
        source = "read_parquet(?)"
    else:
        kinds = ", ".join(f"{_text(name)}: '{'VARCHAR' if name == ID else 'DOUBLE'}'" for name in columns)
        source = f"read_csv(?, header = true, auto_detect = false, delim = ',', quote = '\"', columns = {{{kinds}}})"
    with parquet(path) as db:
        ids = _ids(db, source, path) if ID in columns else None
        asked = f"SELECT {', '.join(f'{quoted(name)}::FLOAT' for name in names)} FROM {source}"  # noqa: S608 - quoted
        read = db.execute(asked, [exactly(path)]).fetchnumpy()
    found = np.stack([np.ma.filled(column, np.nan) for column in read.values()], axis=1)
    return found if ids is None else found[_places(path, ids, dataset)]


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _ordered(path: Path, names: list[str], classes: Sequence[str] | None) -> list[str]:
    """Return the columns of values in the order of the classes."""
    if not names:
        raise DataError(f"{path} has no column of numbers beside {ID!r}; expected one or more.")
    if classes is None:
        return names
    for known in (list(classes), [str(number) for number in range(len(classes))]):
        if sorted(known) == sorted(names):
            return known
    missing = [name for name in classes if name not in names]
    more = [name for name in names if name not in classes]
    raise DataError(
        f"{path} has {len(names)} columns of probabilities for {len(classes)} classes"
        + (f"; there is none for {_some(missing)}" if missing else "")
        + (f"; {_some(more)} is no class" if more else "")
        + "; expected one for each class, by its name or its number (see `whitesquare list classes DATA`)."
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"{name!r:.60}" for name in names[:_FEW]) + (", ..." if len(names) > _FEW else "")


def _ids(db: "DuckDBPyConnection", source: str, path: Path) -> list[Any]:
    return [one for (one,) in db.execute(f"SELECT {ID}::VARCHAR FROM {source}", [exactly(path)]).fetchall()]  # noqa: S608


def _places(path: Path, ids: list[Any], dataset: ImageDataset) -> NDArray[np.int64]:
    """Return the row of each sample."""
    rows = {name: row for row, name in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(name for row, name in enumerate(ids) if rows[name] != row)
        raise DataError(f"{path} has two rows of the id {twice!r:.120}; expected one of each sample.")
    if missing := [name for name in dataset.ids if name not in rows]:
        first = f"; its first is {ids[0]!r:.120}" if ids else ""
        raise DataError(
            f"{path} has no row for {len(missing):,} of {len(dataset.ids):,} samples, such as "
            f"{missing[0]!r:.120}{first}; expected one of each, by the ids that a scan names."
        )
    return np.array([rows[name] for name in dataset.ids], np.int64)
