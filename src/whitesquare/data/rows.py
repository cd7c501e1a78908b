"""Rows of CSV, JSON lines and Parquet files, one by one: the file of a sample, and what stands as its label."""

import csv
import json
import math
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitesquare.data.database import exactly, parquet, quoted
from whitesquare.errors import DataError

NULLS = frozenset({"", "nan", "null", "<na>", "#n/a"})
"""Texts that stand for no label, in small letters."""

_FEW = 3
_ROWS = 16_384
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")


def embeds(kind: str) -> bool:
    """Tell of the type of a column whether it holds images: bytes, or Hugging Face's struct of bytes and path."""
    if not kind.startswith("STRUCT(") or not kind.endswith(")"):
        return kind == "BLOB"
    fields = kind.removeprefix("STRUCT(").removesuffix(")")
    while (flat := re.sub(r"\([^()]*\)", "", fields)) != fields:  # a struct in it has fields of its own
        fields = flat
    return "bytes BLOB" in fields.split(", ")


def columns_of(path: Path) -> dict[str, str]:
    """Return the columns of a table and their types; those of texts have the type ``VARCHAR``.

    Raises:
        DataError: it cannot be read, or two columns have one name.
    """
    if path.suffix.lower() == ".parquet":
        with parquet(path) as db:
            found = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [exactly(path)]).fetchall()
        return {str(name): str(kind) for name, kind, *_ in found}
    names = next(_csv(path), []) if path.suffix.lower() == ".csv" else list(next(_objects(path), (0, {}))[1])
    if not names and not path.stat().st_size:
        raise DataError(
            f"{path} is empty; expected a row for each image, with its file and its label, so write it again."
        )
    if len(set(names)) < len(names):
        raise DataError(f"{path} has two columns of one name ({', '.join(map(repr, names))}); rename one.")
    return dict.fromkeys(names, "VARCHAR")


def rows_of(path: Path, image: str | None, label: str) -> Iterator[tuple[Any, Any]]:
    """Yield of every row what stands in the column of files (``None`` if it is not asked for), and the label.

    Raises:
        DataError: the table is damaged.
    """
    if path.suffix.lower() == ".parquet":
        with parquet(path) as db:
            columns = f"{'NULL' if image is None else quoted(image)}, {quoted(label)}"
            asked = db.execute(f"SELECT {columns} FROM read_parquet(?)", [exactly(path)])  # noqa: S608 - quoted names
            while rows := asked.fetchmany(_ROWS):
                yield from rows
    elif path.suffix.lower() == ".csv":
        table = _csv(path)
        names = next(table, [])
        at, of = names.index(image or label), names.index(label)
        for number, row in enumerate(table, 1):
            if len(row) != len(names):
                raise DataError(
                    f"{path}, row {number}: found {len(row)} values, expected {len(names)}, one for each column; "
                    "correct the row."
                )
            yield row[at], row[of]
    else:
        for _, found in _objects(path):
            yield found.get(image or label), found.get(label)


def count_rows(path: Path) -> int:
    """Return how many rows a Parquet file has."""
    with parquet(path) as db:
        return int(db.execute("SELECT count(*) FROM read_parquet(?)", [exactly(path)]).fetchall()[0][0])


def _csv(path: Path) -> Iterator[list[str]]:
    """Yield the rows that are not quite empty, the header first."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (row for row in csv.reader(file, strict=True) if row)
    except UnicodeDecodeError as error:
        wide = error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        found = "utf-16" if wide else "cp1252"
        raise DataError(
            f"{path} is no UTF-8 text: found {'UTF-16' if wide else f'the byte {error.object[error.start]:#04x}'}; "
            f"write it again as UTF-8, as by pandas.read_csv({path.name!r}, encoding={found!r})"
            f".to_csv({path.name!r}, index=False){'' if wide else ', where ' + found + ' is what it was written in'}."
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8 ({error}); write it again.") from error


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found = _object(line, f"{path}, line {number}")
                    if not isinstance(found, dict):
                        raise DataError(f"{path}, line {number}: expected an object, {{...}}; correct the line.")
                    yield number, found
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as lines of JSON ({error}); write it again.") from error


def _object(line: str, where: str) -> Any:
    """Read a line of JSON; of two fields of one name, programs read the one or the other."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{where}: the field {twice!r:.60} stands twice; expected it once, so take one out.")
        return found

    try:
        return json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        what = getattr(error, "msg", str(error))
        raise DataError(
            f"{where}: found no JSON ({what}); expected one object, {{...}}, so correct the line."
        ) from error


class LabelColumn:
    """The labels of a table as they are read, each different value once.

    Attributes:
        values: the different values.
        codes: by row, the position of its value.
    """

    def __init__(self, path: Path, names: tuple[str, ...] = ()) -> None:
        """Begin.

        Args:
            path: the table, for the errors.
            names: class names that the table itself gives; its labels are then positions in them.
        """
        self.codes = array("q")
        self.names = names
        self._path = path
        self._known: dict[Any, int] = {}
        self._null: list[int] = []
        self._nulls = 0

    def take(self, value: Any) -> None:
        """Note the label of the next row.

        Raises:
            DataError: it is a list, or whatever else is no label.
        """
        if value is True or value is False:  # which Python takes for 1 and 0
            value = str(value).lower()
        try:
            code = self._known.get(value, -1)
        except TypeError as error:
            raise self._no_label(value) from error
        if code < 0:
            if isinstance(value, (bytes, bytearray, tuple)) or (isinstance(value, str) and value[:1] in ("[", "{")):
                raise self._no_label(value)
            if self._is_null(value):
                self._nulls += 1
                self._null += [len(self.codes) + 1] if len(self._null) < _FEW else []
                self.codes.append(-1)
                return
            code = self._known[value] = len(self._known)
        self.codes.append(code)

    def class_names(self) -> list[str]:
        """Return the class name of each value, by its code.

        Raises:
            DataError: a label is missing, or they are numbers that are not whole.
        """
        if self._nulls:
            rows = ", ".join(map(str, self._null)) + (", ..." if self._nulls > _FEW else "")
            raise DataError(
                f"{self._path}: {self._nulls} of {len(self.codes)} rows have no label (rows {rows}); expected one in "
                "each, so label them or take them out."
            )
        numeric = all(isinstance(v, float) or (isinstance(v, str) and _is_number(v)) for v in self._known)
        odd = [v for v in self._known if isinstance(v, float) or (numeric and isinstance(v, str))]
        if odd := [v for v in odd if not float(v).is_integer()]:
            raise DataError(
                f"{self._path}: the label {odd[0]!s:.60} is no whole number; expected classes, by names or whole "
                "numbers, so give a column of these."
            )
        return [self._name(value, numeric=numeric) for value in self._known]

    def _name(self, value: Any, *, numeric: bool) -> str:
        if self.names:
            if not isinstance(value, int) or not 0 <= value < len(self.names):
                raise DataError(
                    f"{self._path}: found the label {value!r}, expected a position in the {len(self.names)} class "
                    "names that the file itself gives; correct either."
                )
            return self.names[value]
        if isinstance(value, float) or (numeric and _FLOAT.fullmatch(value)):
            return str(int(float(value)))
        return str(value)

    def _is_null(self, value: Any) -> bool:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return True
        if self.names and value == -1:  # Hugging Face's "not labelled"
            return True
        return isinstance(value, str) and value.strip().lower() in NULLS

    def _no_label(self, value: Any) -> DataError:
        return DataError(
            f"{self._path}, row {len(self.codes) + 1}: the label {value!r:.60} is "
            f"{'bytes' if isinstance(value, (bytes, bytearray)) else 'a list or the like'}; expected one "
            "name or whole number for each file, so write the class instead of one-hot or several labels."
        )


def _is_number(text: str) -> bool:
    return bool(_FLOAT.fullmatch(text)) or text.lstrip("+-").isdecimal()
