"""Tables that name samples and their labels: which files they are, and which columns count; needs no NumPy.

A column is taken for what it is called only if it has one of a few names and no other column has, too; everything else
must be given.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whitesquare.data.layouts import CIFAR, IDX, NPZ, SPLITS, dataset_kinds, is_image
from whitesquare.data.numbered import check_whole
from whitesquare.data.row_writing import Changed, write_rows
from whitesquare.data.rows import columns_of, count_rows, embeds, rows_of
from whitesquare.data.specs import TABLES, given, is_archive, table_file
from whitesquare.data.splits import files_by_split, has_class_folders, shard_files
from whitesquare.errors import DataError, UsageError

FILES = ("file", "file_name", "image", "path", "filename", "id")
LABELS = ("label", "labels", "class", "target", "targets", "category")
"""Columns that are found by their names, in any case: of the file, and of its class."""
SPLIT_COLUMNS = ("split", "subset", "partition", "set", "fold", "is_valid", "is_train", "is_test", "is_training_img")
"""Columns, in small letters, by which others tell training samples from the rest."""
SCHEMA = "huggingface"
"""Key of a Parquet file's metadata under which Hugging Face says what the columns are."""

_PLACES = ("", "train", "train_images", "images")
"""Where beside ``train.csv`` its files may lie; for ``test.csv`` accordingly."""
_NAMES = ("VARCHAR", "ENUM", "INTEGER", "BIGINT", "UUID", "SMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "DECIMAL")
"""Types, as DuckDB calls them, of columns that may hold names of files: Kaggle's ids are numbers, too."""
_ONE_HOT = " (of one-hot columns, write the name of the one that is 1)"
_SHOWN = 12


@dataclass(frozen=True)
class Table:
    """The table of one split.

    Attributes:
        files: of the table: one, or the shards of a Parquet data set in their order.
        image: column of the files' names, or of the images themselves.
        label: column of the labels.
        base: folder below which ids are paths.
        roots: folders in ``base`` from which the table names the files: of several, the one that has them.
        embedded: whether the images lie in the table.
        unread: column that says of which split a sample is, where there is one; it is not read.
    """

    files: tuple[Path, ...]
    image: str
    label: str
    base: Path
    roots: tuple[Path, ...]
    embedded: bool
    unread: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """Say what else stands in it that somebody may count on."""
        return (splits_unread(self.unread, str(self.files[0])),) if self.unread else ()

    @property
    def said(self) -> str:
        """Where the labels come from, in a few words."""
        first = self.files[0]
        where = str(first) if len(self.files) == 1 else f"{len(self.files)} files like {first}"
        return f"the column {self.label!r} of {where}"

    def name_of(self, path: Path) -> str:
        """Return the name of one of the files below ``base``; what lies elsewhere comes to lie there."""
        return path.relative_to(self.base).as_posix() if path.is_relative_to(self.base) else path.name


def tables_of(source: str | Path) -> dict[str, Table] | None:
    """Return by split the tables that a data set consists of; ``None`` if it is of another kind.

    Args:
        source: ``csv:FILE?image=..&label=..&root=..`` (or ``parquet:``); a CSV, JSON lines or Parquet file; a pattern
            of Parquet files; or a folder with ``train.csv``, with ``metadata.csv`` or ``metadata.jsonl``, or with the
            shards of a Parquet data set.

    Raises:
        UsageError: there is no such file, or something that is given is not known.
        DataError: it is not clear which columns count, or shards do not belong together.
    """
    place = table_file(source)
    if place is not None and is_archive(place.name):
        return None
    if place is not None:
        known = given(source)
        files = sorted(place.parent.glob(place.name)) if "*" in place.name else [place]
        if not files or not files[0].is_file():
            raise UsageError(f"There is no file {place}; check the path.")
        if "*" in place.name:
            check_whole(files)
        root = Path(known["root"]) if "root" in known else place.parent
        table = _table(files, root, (root,), known)
        if table.embedded and "root" in known:
            raise UsageError(f"{place} holds its images itself, so that 'root' means nothing; leave it out.")
        return {"train": table}
    folder = Path(source)
    if not folder.is_dir():
        return None
    if set(dataset_kinds(folder)) & {IDX, NPZ, *CIFAR}:
        return None
    return _metadata(folder) or _lists(folder) or _shards(folder)


def splits_unread(column: str, where: str) -> str:
    """Say that a column of splits is not read."""
    return (
        f"The column {column!r} of {where} is not read: all rows are of the split that was asked for; give those of "
        "each split as a table of its own where they are to be kept apart."
    )


def rewrite_tables(table: Table, folder: Path, keep: bytes, labels: Mapping[int, Any] | None = None) -> None:
    """Write the rows of a table that are kept, each of its files under its own name.

    Args:
        table: of one split.
        folder: where.
        keep: a byte for each row of all its files, which is 1 if it is kept.
        labels: by row, what stands as the label of those that get another one.
    """
    first = 0
    for path in table.files:
        count = len(keep) if len(table.files) == 1 else count_rows(path)
        own = {row - first: value for row, value in (labels or {}).items() if first <= row < first + count}
        changed = Changed(table.label, own) if own else None
        write_rows(path, folder / table.name_of(path), keep[first : first + count], changed)
        first += count


def label_values(table: Table, labels: Sequence[int], wanted: Collection[int]) -> dict[int, Any]:
    """Return what a table writes for some classes: what stands in the first row of each.

    Args:
        table: of one split.
        labels: of its rows, in their order.
        wanted: classes (labels).

    Raises:
        UsageError: one of them has no row, so nobody knows how the table would write it.
    """
    if not wanted:
        return {}
    found: dict[int, Any] = {}
    rows = (row for path in table.files for row in rows_of(path, None, table.label))
    for label, (_, value) in zip(labels, rows, strict=True):
        if label in wanted and label not in found:
            found[label] = value
    if missing := set(wanted) - found.keys():
        raise UsageError(
            f"{table.said} has no row of the class number {min(missing)}, so that nobody can tell how it is written "
            "there; write another form with --format, such as png-folder."
        )
    return found


def _metadata(folder: Path) -> dict[str, Table] | None:
    """Find Hugging Face's ``metadata`` files, in the folder itself or in those of the splits."""
    places = {split: folder / split for split in SPLITS}
    if _beside(folder):
        places = {"train": folder}
    found = {}
    for split, place in places.items():
        if files := _beside(place):
            if len(files) > 1:
                raise DataError(
                    f"{place} holds {files[0].name} and {files[1].name}; expected one, so remove the other."
                )
            if not _labelled(files[0]) and has_class_folders(place):
                return None  # captions, boxes: no labels, which the folders' names are then
            found[split] = _table(files, folder, (place,), {"image": "file_name"})
    return found or None


def _beside(folder: Path) -> list[Path]:
    return [path for suffix in TABLES if (path := folder / f"metadata{suffix}").is_file()]


def _lists(folder: Path) -> dict[str, Table] | None:
    """Find Kaggle's ``train.csv``, and ``test.csv`` if it has labels."""
    found = {}
    for split in SPLITS:
        path = folder / f"{split}.csv"
        if path.is_file() and (_labelled(path) or (split == "train" and not has_class_folders(folder / split))):
            roots = tuple(place for name in _PLACES if (place := folder / name.replace("train", split)).is_dir())
            found[split] = _table([path], folder, roots, {})
    return found if "train" in found else None


def _labelled(path: Path) -> bool:
    return any(name.lower() in LABELS for name in columns_of(path))


def left_aside(folder: Path) -> tuple[str, ...]:
    """Say which lists lie beside class folders and are not read, because they have no labels."""
    places = (folder, *(folder / split for split in SPLITS))
    lists = [path for place in places for path in _beside(place)] + [folder / "train.csv"]
    return tuple(f"{path} has no column of labels and is not read." for path in lists if path.is_file())


def _shards(folder: Path) -> dict[str, Table] | None:
    """Find Parquet files named by split, or in folders named so; else all are the training split."""
    by_split = files_by_split(folder, ".parquet")
    if by_split and has_class_folders(folder / "train"):
        raise DataError(f"{folder} holds Parquet files and class folders; expected one, so move the others.")
    for files in by_split.values():
        check_whole(files)
    found = {split: _table(files, folder, (folder,), {}) for split, files in by_split.items()}
    others = shard_files(folder, ".parquet")
    if not found and others and not any(has_class_folders(place) for place in (folder, folder / "train")):
        check_whole(others)
        return {"train": _table(others, folder, (folder,), {})}
    return found or None


def _table(files: Sequence[Path], base: Path, roots: tuple[Path, ...], known: dict[str, str]) -> Table:
    first, columns = files[0], columns_of(files[0])
    _check_shards(files, columns)
    inside = [name for name, kind in columns.items() if embeds(kind)]
    if apart := _apart(columns):
        raise DataError(
            f"{first}: its columns are set apart by {apart!r}, expected commas; write it again as CSV, as by "
            f"pandas.read_csv({first.name!r}, sep={apart!r}).to_csv({first.name!r}, index=False)."
        )
    if "image" in known or len(inside) != 1:
        image = _column(columns, known.get("image"), FILES, "image", first)
    else:
        image = inside[0]
    label = _column(
        {name: kind for name, kind in columns.items() if name != image}, known.get("label"), LABELS, "label", first
    )
    if not embeds(columns[image]) and (columns[image].endswith("]") or not columns[image].startswith(_NAMES)):
        raise DataError(
            f"{first}: the column {image!r} of the type {columns[image]:.60} holds neither names of files nor their "
            "bytes; expected texts, bytes, or Hugging Face's struct of bytes and path, so write the images as files."
        )
    unread = next((name for name in columns if name.lower() in SPLIT_COLUMNS and name not in (image, label)), "")
    return Table(tuple(files), image, label, base, roots, embeds(columns[image]), unread)


def _column(columns: dict[str, str], given: str | None, known: Sequence[str], what: str, path: Path) -> str:
    there = _short(columns)
    if given is not None:
        if given not in columns:
            raise DataError(f"{path} has no column {given!r} (found: {there}); expected one of them as {what}.")
        return given
    found = [name for name in columns if name.lower() in known]
    if len(found) == 1:
        return found[0]
    why = f"{' and '.join(map(repr, found))} may be it" if found else f"none is called {', '.join(known)}"
    kind = "parquet" if path.suffix.lower() == ".parquet" else "csv"
    raise DataError(
        f"{path}: which column is the {what} is not clear, {why} (columns: {there}){_headless(columns)}; give it as "
        f"{kind}:{path}?image=COLUMN&label=COLUMN, where a label is one column of names or whole numbers"
        f"{_ONE_HOT if what == 'label' and len(columns) > 1 and not found else ''}."
    )


def _apart(columns: Collection[str]) -> str:
    """Return what a header is set apart by that has no comma: it is then read as one column."""
    only = next(iter(columns)) if len(columns) == 1 else ""
    return next((sign for sign in ";\t|" if sign in only), "")


def _headless(columns: Collection[str]) -> str:
    """Say so where the first row looks as if it were a sample."""
    return "; its first row looks like a sample, so write the names of the columns above it" * any(
        map(is_image, columns)
    )


def _short(names: Collection[str]) -> str:
    some = list(map(repr, names))
    return ", ".join(some[:_SHOWN]) + (f", ... and {len(some) - _SHOWN} more" if len(some) > _SHOWN else "") or "none"


def _check_shards(files: Sequence[Path], columns: dict[str, str]) -> None:
    for path in files[1:]:
        if (other := columns_of(path)) != columns:
            odd = sorted({*other.items()} ^ {*columns.items()})
            raise DataError(
                f"{path} has other columns than {files[0].name}: they differ in {odd[0][0]!r}, {odd[0][1]}; expected "
                "the same in all shards, so give those that belong together as a pattern."
            )
