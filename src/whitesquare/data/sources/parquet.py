"""Parquet files as Hugging Face keeps images in them: bytes and path in a struct, class names in the schema's metadata.

Opening reads the footers and the labels. Images are read when they are asked for, in windows of at most one row group,
of which the last is held: whoever goes in order reads every window once.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from whitesquare.data.copying import as_bytes
from whitesquare.data.database import exactly, parquet, quoted
from whitesquare.data.decode import header_shape
from whitesquare.data.layouts import MAX_IMAGE_BYTES
from whitesquare.data.names import check_names
from whitesquare.data.numbered import gaps_in
from whitesquare.data.sources.folder import ImageFolder
from whitesquare.data.sources.lists import read_labels
from whitesquare.data.states import FileState, changed, check_state, state_of
from whitesquare.data.tables import SCHEMA, Table, label_values, rewrite_tables
from whitesquare.errors import DataError
from whitesquare.records import Progress, silent
from whitesquare.types import IntArray, Shape

_WINDOW = 2**26
"""Bytes of images, about, that are read at a time where a row group has more."""


@dataclass(frozen=True)
class Window:
    """Rows that are read together.

    Attributes:
        shard: the file.
        first: row of the file.
        count: of rows.
    """

    shard: Path
    first: int
    count: int


class Held:
    """The images of the window that was read last; another process begins with none."""

    def __init__(self) -> None:
        self.rows: tuple[Window, list[bytes | None]] | None = None

    def __getstate__(self) -> dict[str, None]:
        """Leave the images out."""
        return {"rows": None}


@dataclass(frozen=True, eq=False, kw_only=True)
class ParquetImages(ImageFolder):
    """An :class:`~whitesquare.types.EncodedDataset` of images in Parquet files; build it with :func:`load_parquet`.

    Attributes:
        table: whose rows they are.
        column: SQL of the column that holds the bytes.
        windows: in order.
        ends: position after the last image of each.
        held: what was read last.
        states: of the files when they were opened, by path; none where another machine did that.
    """

    table: Table
    column: str
    windows: tuple[Window, ...]
    ends: tuple[int, ...]
    held: Held = field(default_factory=Held, repr=False)
    states: dict[Path, FileState] = field(default_factory=dict, repr=False)

    def content(self, i: int) -> bytes:
        """Return the bytes of the image file that stands in the row.

        Raises:
            IndexError: there is no such position.
            DataError: it has no bytes or too many, or the Parquet file cannot be read.
        """
        position = range(len(self.ids))[i]
        at = bisect_right(self.ends, position)
        window = self.windows[at]
        rows = self._read(window)
        content = rows[position - (self.ends[at] - window.count)]
        if content is None:
            raise DataError(f"{self.root / self.ids[position]} has no image bytes; write them into the table.")
        if len(content) > MAX_IMAGE_BYTES:
            raise DataError(f"{self.root / self.ids[position]} has more than the {MAX_IMAGE_BYTES} bytes of an image.")
        return content

    def header(self, i: int) -> Shape:
        """Return the shape that the header of an image says; height and width may still change places.

        Raises:
            DataError: see :func:`whitesquare.data.decode.decode_image`.
        """
        return header_shape(self.root / self.ids[i], self.content(i))

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`rewrite` makes."""
        return tuple({self.table.name_of(path).partition("/")[0] for path in self.table.files})

    def rewrite(self, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
        """Write the same files without the other rows."""
        self.rewrite_as(folder, positions, {}, on_progress)

    def rewrite_as(
        self, folder: Path, positions: IntArray, labels: Mapping[int, int], on_progress: Progress = silent
    ) -> dict[int, str]:
        """Write the same files without the other rows, some with another label; ids are rows, and move up.

        Raises:
            UsageError: no row has such a label, so that nobody knows how it is written.
            ChangedError: a file was changed since it was opened.
        """
        values = label_values(self.table, self.labels.tolist(), set(labels.values()))
        relabelled = {i: values[label] for i, label in labels.items()}
        rewrite_tables(self.table, folder, as_bytes(positions, len(self.ids)), relabelled)
        self.check_unchanged()
        on_progress("copying", len(positions), len(positions))
        return self._moved(positions, labels)

    def check_unchanged(self) -> None:
        """Compare all files with those that were opened.

        Raises:
            ChangedError: one is another, is gone, or somebody wrote to it.
        """
        for path, before in self.states.items():
            check_state(path, before, path)

    def _moved(self, positions: IntArray, labels: Mapping[int, int]) -> dict[int, str]:
        """Return the ids that rows have in a copy which holds only those at ``positions``."""
        found: dict[int, str] = {}
        counts: dict[str, int] = {}
        for i in positions.tolist():
            name = self.ids[i].rpartition("#")[0]
            if i in labels:
                found[i] = f"{name}#{counts.get(name, 0)}"
            counts[name] = counts.get(name, 0) + 1
        return found

    def _read(self, window: Window) -> list[bytes | None]:
        if (held := self.held.rows) is not None and held[0] == window:
            return held[1]
        with parquet(window.shard) as db:
            # The column is quoted, and nothing else of the question is of others.
            asked = (
                f"SELECT {self.column} FROM read_parquet(?, file_row_number = true) "  # noqa: S608
                "WHERE file_row_number >= ? AND file_row_number < ?"
            )
            rows = db.execute(asked, [exactly(window.shard), window.first, window.first + window.count]).fetchall()
        if len(rows) != window.count:
            raise changed(window.shard)
        check_state(window.shard, self.states.get(window.shard), window.shard)
        found = [row[0] for row in rows]
        self.held.rows = (window, found)
        return found


def load_parquet(tables: dict[str, Table], split: str) -> ParquetImages:
    """Read footers and labels; no image is read yet.

    Args:
        tables: by split, see :func:`whitesquare.data.tables.tables_of`; classes are those of all, so that labels agree.
        split: which of them.

    Raises:
        DataError: images are missing, a label is missing or none, or shards have different class names.
    """
    table = tables[split]
    states = {path: _state(path) for path in table.files}
    named = {path: _class_names(path, one.label) for one in tables.values() for path in one.files}
    first = named[table.files[0]]
    for path, names in named.items():
        if names != first:
            raise DataError(
                f"{path} has other class names than {table.files[0]}: {', '.join(names)!r:.80} and "
                f"{', '.join(first)!r:.80}; expected the same, so write the one that is wrong again."
            )
    windows = [window for path in table.files for window in _windows(path, table)]
    labels, classes = read_labels(tables, split, named)
    counts: dict[Path, int] = {}
    for window in windows:
        counts[window.shard] = counts.get(window.shard, 0) + window.count
    counted = [(table.name_of(path), counts.get(path, 0)) for path in table.files]
    ids = tuple(f"{name}#{row}" for name, count in counted for row in range(count))
    if len(ids) != len(labels):
        raise DataError(f"{table.files[0]} has {len(labels)} labels for {len(ids)} images; write it again.")
    whence = " and class names from its schema" if first else ""
    told = f"Labels come from {table.said}{whence}, images from {table.image!r}."
    return ParquetImages(
        root=table.base,
        classes=classes,
        ids=ids,
        labels=labels,
        kind="parquet",
        told=(told, *table.told, *gaps_in(table.files)),
        table=table,
        column=_bytes_of(table),
        windows=tuple(windows),
        ends=tuple(accumulate(window.count for window in windows)),
        states=states,
    )


def _state(path: Path) -> FileState:
    try:
        return state_of(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error


def _bytes_of(table: Table) -> str:
    """Return SQL of the column of bytes: the column itself, or a field of it."""
    return quoted(table.image) + ('."bytes"' if _is_struct(table) else "")


def _is_struct(table: Table) -> bool:
    with parquet(table.files[0]) as db:
        asked = "SELECT 1 FROM parquet_schema(?) WHERE name = ? AND num_children > 0"
        return bool(db.execute(asked, [exactly(table.files[0]), table.image]).fetchall())


def _windows(path: Path, table: Table) -> list[Window]:
    asked = (
        "SELECT row_group_num_rows, total_uncompressed_size, stats_null_count FROM parquet_metadata(?) "
        "WHERE path_in_schema IN (?, ?) ORDER BY row_group_id"
    )
    with parquet(path) as db:
        groups = db.execute(asked, [exactly(path), table.image, f"{table.image}, bytes"]).fetchall()
    if nulls := sum(null or 0 for *_, null in groups):
        raise DataError(
            f"{path}: {nulls:,} of {sum(rows for rows, *_ in groups):,} rows have no image bytes in {table.image!r}, "
            "only a path or nothing; write the data set "
            "with its images in it, or give a list of files."
        )
    found, first = [], 0
    for rows, size, _ in groups:
        end = first + rows
        step = max(1, rows * _WINDOW // max(size, _WINDOW))
        found += [Window(path, start, min(step, end - start)) for start in range(first, end, step)]
        first = end
    return found


def _class_names(path: Path, label: str) -> tuple[str, ...]:
    """Return the names of a ClassLabel, if the schema's metadata give any."""
    with parquet(path) as db:
        asked = "SELECT value FROM parquet_kv_metadata(?) WHERE decode(key) = ?"
        found = db.execute(asked, [exactly(path), SCHEMA]).fetchall()
    try:
        feature = json.loads(found[0][0])["info"]["features"].get(label, {}) if found else {}
        names = tuple(feature.get("names", ()))
        if not all(isinstance(name, str) for name in names):
            raise ValueError("a class name is no text")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} has metadata {SCHEMA!r} that are none of Hugging Face's ({error!r:.80}); write it again."
        ) from error
    check_names(names, "class name", str(path))
    return names
