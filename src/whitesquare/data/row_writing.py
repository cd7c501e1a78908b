"""Writing some rows of CSV, JSON lines and Parquet files again as they stand, or with another value in a column."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whitesquare.data.database import exactly, parquet, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ARROW = "ARROW:schema"
_PACKINGS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4_RAW")


@dataclass(frozen=True)
class Changed:
    """What stands in one column of some rows of a copy, instead of what stood there.

    Attributes:
        column: its name.
        values: by row, counted from 0.
    """

    column: str
    values: Mapping[int, Any]


def write_rows(path: Path, target: Path, keep: bytes, changed: Changed | None = None) -> None:
    """Write some rows of a table as they stand, with its header, or schema and metadata.

    What Arrow says beside the types of Parquet (a dictionary, large or of a fixed size) is not written again.

    Args:
        path: the table.
        target: a file of the same kind.
        keep: a byte for each row, which is 1 if it is kept.
        changed: values that are others in the copy.

    Raises:
        DataError: the table cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".parquet":
        _copy_parquet(path, target, keep, changed)
        return
    with path.open(encoding="utf-8", newline="") as file, target.open("w", encoding="utf-8", newline="") as out:
        if path.suffix.lower() == ".csv":
            out.writelines(_records(file, keep, changed))
        else:
            lines = (line for line in file if line.strip())
            kept = zip(lines, keep, range(len(keep)), strict=True)
            out.writelines(_object(line, row, changed) for line, is_kept, row in kept if is_kept)


def _object(line: str, row: int, changed: Changed | None) -> str:
    """Return a line of JSON lines, with another value in it if there is one."""
    if changed is None or row not in changed.values:
        return line
    return json.dumps(json.loads(line) | {changed.column: changed.values[row]}, ensure_ascii=False) + "\n"


def _records(file: Iterable[str], keep: bytes, changed: Changed | None) -> Iterator[str]:
    """Yield the header of a CSV file and the records that are kept, each as it is written."""
    lines: list[str] = []

    def told() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line

    number, at = -1, -1
    for row in csv.reader(told(), strict=True):
        if row and number < 0:
            at = [name.lstrip("\ufeff") for name in row].index(changed.column) if changed else -1
        if row:
            if number >= 0 and keep[number] and changed is not None and number in changed.values:
                row[at] = changed.values[number]
                yield _record(row, lines[-1])
            elif number < 0 or keep[number]:
                yield "".join(lines)
            number += 1
        lines.clear()


def _record(row: list[str], written: str) -> str:
    """Write a record of a CSV file, ended as it was."""
    out = StringIO()
    ending = written[len(written.rstrip("\r\n")) :]
    csv.writer(out, lineterminator=ending or "\n").writerow(row)
    return out.getvalue()


def _copy_parquet(path: Path, target: Path, keep: bytes, changed: Changed | None) -> None:
    with parquet(path, alone=True) as db:
        groups = db.execute("SELECT max(row_group_num_rows) FROM parquet_metadata(?)", [exactly(path)]).fetchall()
        options = _as_packed(db, path)
        if said := ", ".join(f"{quoted(key)}: {_text(value)}" for key, value in _metadata(db, path).items()):
            options += f", KV_METADATA {{{said}}}"
        db.execute("SET threads = 1")  # several hold a row group each
        # Else a column without a null is written as one that can have none, and `datasets` forgets its class names.
        db.execute("SET disabled_optimizers = 'statistics_propagation'")
        # A bit for each row, so that the rows stay in their order and no table of them is made.
        bits = keep.translate(bytes.maketrans(b"\0\1", b"01")).decode()
        replaced, values = _replaced(db, path, changed, len(keep))
        db.execute(
            f"COPY (SELECT * EXCLUDE file_row_number {replaced} FROM read_parquet(?, file_row_number = true) "  # noqa: S608
            f"WHERE get_bit(?::BIT, file_row_number::INTEGER) = 1) TO {_text(str(target))} "
            f"(FORMAT parquet, ROW_GROUP_SIZE {int(groups[0][0] or 1)}{options})",
            [*values, exactly(path), bits],
        )


def _metadata(db: "DuckDBPyConnection", path: Path) -> dict[str, str]:
    """Return what a Parquet file says of itself in texts, but for the schema of Arrow, which is of other types."""
    found = db.execute("SELECT key, value FROM parquet_kv_metadata(?)", [exactly(path)]).fetchall()
    texts = {}
    for key, value in found:
        with suppress(UnicodeDecodeError):
            texts[key.decode()] = value.decode()
    texts.pop(_ARROW, None)
    return texts


def _as_packed(db: "DuckDBPyConnection", path: Path) -> str:
    """Return the option that packs a copy as its file is."""
    found = db.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [exactly(path)]).fetchall()
    names = {row[0] for row in found} & set(_PACKINGS)
    return f", COMPRESSION {names.pop()}" if len(names) == 1 else ""


def _replaced(db: "DuckDBPyConnection", path: Path, changed: Changed | None, count: int) -> tuple[str, list[Any]]:
    """Return SQL that puts other values into a column, for each of them the rows as bits; and what it asks for."""
    if changed is None or not changed.values:
        return "", []
    kinds = dict(row[:2] for row in db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [exactly(path)]).fetchall())
    cases, asked = "", []
    for value in dict.fromkeys(changed.values.values()):
        bits = bytearray(b"0" * count)
        for row, other in changed.values.items():
            if other == value:
                bits[row] = ord("1")
        cases += f"WHEN get_bit(?::BIT, file_row_number::INTEGER) = 1 THEN CAST(? AS {kinds[changed.column]}) "
        asked += [bits.decode(), value]
    name = quoted(changed.column)
    return f"REPLACE (CASE {cases}ELSE {name} END AS {name})", asked


def _text(value: str) -> str:
    """Write a text as SQL."""
    return "'" + value.replace("'", "''") + "'"
