"""Image files that a table lists with their labels: Kaggle's ``train.csv``, Hugging Face's ``metadata``, one's own."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whitesquare.data.copying import as_bytes, copy_files
from whitesquare.data.layouts import SUFFIXES, class_order, is_image
from whitesquare.data.names import check_name
from whitesquare.data.rows import LabelColumn, rows_of
from whitesquare.data.sources.folder import ImageFolder
from whitesquare.data.tables import Table, label_values, rewrite_tables
from whitesquare.errors import DataError, UsageError
from whitesquare.records import Progress, silent
from whitesquare.types import IntArray

_FEW = 3
_ADDRESS = re.compile(r"\w{2,}:/")
_LONGEST = 255
"""Letters of a file's name; longer ones hold something else."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ListedFiles(ImageFolder):
    """An :class:`~whitesquare.types.EncodedDataset` of image files that a table lists; see :func:`load_list`.

    Attributes:
        table: which.
    """

    table: Table

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`rewrite` makes."""
        names = (*map(self.table.name_of, self.table.files), *self.ids)
        return tuple({name.partition("/")[0] for name in names})

    def rewrite(self, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
        """Copy files under their own names, and the rows that name them.

        Raises:
            UsageError: a row names a file by its absolute path, which a copy could not.
        """
        self.rewrite_as(folder, positions, {}, on_progress)

    def rewrite_as(
        self, folder: Path, positions: IntArray, labels: Mapping[int, int], on_progress: Progress = silent
    ) -> dict[int, str]:
        """Copy files under their own names, and the rows that name them, some with another label.

        Raises:
            UsageError: see :meth:`rewrite`; or no row has such a label, so that nobody knows how it is written.
        """
        values = label_values(self.table, self.labels.tolist(), set(labels.values()))
        for path in self.table.files:
            if any(str(name).startswith("/") for name, _ in rows_of(path, self.table.image, self.table.label)):
                raise UsageError(
                    f"{path} names files by absolute paths, which lead to no copy of them; write another form "
                    "with --format, such as npz."
                )
        copy_files(self, folder, positions, on_progress)
        changed = {i: values[label] for i, label in labels.items()}
        rewrite_tables(self.table, folder, as_bytes(positions, len(self.ids)), changed)
        return {i: self.ids[i] for i in labels}


def load_list(tables: dict[str, Table], split: str) -> ListedFiles:
    """Read the table of a split and look whether its files are there; nothing is decoded yet.

    Args:
        tables: by split, see :func:`whitesquare.data.tables.tables_of`; classes are those of all, so that labels agree.
        split: which of them.

    Raises:
        DataError: a file is missing, named twice, or lies elsewhere; or a label is missing or none.
    """
    table = tables[split]
    names: list[str] = []
    labels, classes = read_labels(tables, split, {}, names)
    where = str(table.files[0])
    root, added = _root(table, names)
    ids = _ids(names, added, root, table.base, where)
    _check_once(ids, labels, classes, where)
    _check_files(ids, table.base, where)
    added = f", which leaves out the {added} of their names" if added else ""
    told = f"Labels come from {table.said}, for the files named in the column {table.image!r} below {root}{added}."
    return ListedFiles(
        root=table.base, classes=classes, ids=ids, labels=labels, kind="list", told=(told, *table.told), table=table
    )


def read_labels(
    tables: dict[str, Table], split: str, named: dict[Path, tuple[str, ...]], names: list[str] | None = None
) -> tuple[IntArray, tuple[str, ...]]:
    """Read the labels of a split, and the class names of all.

    Args:
        tables: by split.
        split: of which the labels are returned.
        named: by table, the class names that it gives itself, if it does.
        names: is told the files of the split, as the table has them.

    Returns:
        ``(N,)`` int64, read-only; and the class names: those that the table gives, else the sorted labels.

    Raises:
        DataError: a label is missing or none.
    """
    columns: dict[str, list[LabelColumn]] = {}
    for one, table in tables.items():
        columns[one] = [LabelColumn(path, named.get(path, ())) for path in table.files]
        for path, labels in zip(table.files, columns[one], strict=True):
            _take(path, table, labels, names if one == split else None)
    return join_labels(columns, split, tables[split].files[0])


def join_labels(columns: dict[str, list[LabelColumn]], split: str, where: Path) -> tuple[IntArray, tuple[str, ...]]:
    """Join the labels of a split, and the class names of all; see :func:`read_labels`.

    Args:
        columns: by split, those of its files.
        split: of which the labels are returned.
        where: a file, for the errors.

    Raises:
        DataError: a label is missing or none, or there is none.
    """
    found: dict[str, int] = {}
    every: dict[str, None] = {}
    codes = np.empty(0, np.int64)
    for one, labels in columns.items():
        parts = []
        for column in labels:
            own = column.class_names()
            every.update(dict.fromkeys((*column.names, *own)))
            if one == split:
                places = np.array([found.setdefault(name, len(found)) for name in own], np.int64)
                parts.append(places[np.frombuffer(column.codes, np.int64)] if len(column.codes) else codes)
        codes = np.concatenate(parts) if parts else codes
    are_named = any(column.names for labels in columns.values() for column in labels)
    classes = tuple(every) if are_named else tuple(sorted(every, key=class_order))
    for name in classes:
        check_name(name, "class name", str(where))
    position = {name: i for i, name in enumerate(classes)}
    ordered = np.array([position[name] for name in found], np.int64)
    known = ordered[codes] if len(codes) else codes
    if not len(known):
        raise DataError(f"{where} has no rows; expected one for each image, so add them.")
    known.setflags(write=False)
    return known, classes


def _take(path: Path, table: Table, labels: LabelColumn, names: list[str] | None) -> None:
    wanted = None if names is None else table.image
    for row, (name, label) in enumerate(rows_of(path, wanted, table.label), 1):
        labels.take(label)
        if names is not None:
            if name is None or name == "":
                raise DataError(f"{path}, row {row}: there is no file name in {table.image!r}; name it.")
            names.append(str(name))


def _root(table: Table, names: list[str]) -> tuple[Path, str]:
    """Return the folder that has the first file, and the suffix that its name lacks in the table."""
    name = names[0]
    # A name without a suffix, as of Kaggle's ids, may be that of any image file.
    suffixes = ("",) if is_image(name) else ("", *(f".{suffix}" for suffix in sorted(SUFFIXES)))
    found = [(root, suffix) for root in table.roots for suffix in suffixes if _is_file(root / (name + suffix))]
    if len(found) > 1:
        places = " and ".join(str(root / (name + suffix)) for root, suffix in found[:2])
        raise DataError(f"{table.files[0]} names {name!r}, which may be {places}; give the folder as root=FOLDER.")
    if not found and len(table.roots) > 1:
        raise DataError(
            f"{table.files[0]} names {name!r}, which lies in none of {', '.join(map(str, table.roots))}; give the "
            f"folder as csv:{table.files[0]}?root=FOLDER, or add the files."
        )
    return found[0] if found else (table.roots[0], "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # what is no name of a file can be too long for one
        return False


def _ids(names: Iterable[str], added: str, root: Path, base: Path, where: str) -> tuple[str, ...]:
    """Return the paths of the files below ``base``, each written in one way."""
    prefix = "" if root == base else f"{root.relative_to(base).as_posix()}/"
    found = []
    for row, name in enumerate(names, 1):
        path = name
        if path[0] in "/." or "/." in path or "//" in path:
            if path[0] == "/":
                path = os.path.relpath(path, root.absolute())
            path = os.path.normpath(path)
            if path.startswith(".."):
                raise DataError(
                    f"{where}, row {row}: {name!r} leads out of {root}; expected a file below it, so copy it there or "
                    "give another folder as root=FOLDER."
                )
        check_name(path, "file name", where)
        found.append(prefix + path + added)
    return tuple(found)


def _check_once(ids: tuple[str, ...], labels: IntArray, classes: tuple[str, ...], where: str) -> None:
    if len(set(ids)) == len(ids):
        return
    known: dict[str, int] = {}
    for row, name in enumerate(ids):
        if (first := known.setdefault(name, row)) != row:
            one, other = classes[labels[first]], classes[labels[row]]
            how = f"once as {one!r} and once as {other!r}" if one != other else f"both times as {one!r}"
            raise DataError(
                f"{where}: the rows {first + 1} and {row + 1} both name {name!r:.80}, {how}; expected each file once, "
                "so take the wrong row out."
            )


def _check_files(ids: tuple[str, ...], base: Path, where: str) -> None:
    """Refuse a list that names files which are not there, or links that lead out; each folder is listed once."""
    listed: dict[str, dict[str, bool]] = {}
    missing: list[str] = []
    for name in ids:
        folder, _, file = name.rpartition("/")
        if folder not in listed:
            listed[folder] = _files(base / folder, base)
        if (is_link := listed[folder].get(file)) is None:
            missing.append(name)
        elif is_link and not (base / name).resolve().is_relative_to(base.resolve()):
            raise DataError(f"{base / name} is a link that leads out of {base}; copy the file there.")
    if missing:
        some = ", ".join(f"{name!r:.80}" for name in missing[:_FEW]) + (", ..." if len(missing) > _FEW else "")
        raise DataError(
            f"{where}: {len(missing)} of {len(ids)} files that it names are not in {base} ({some}); "
            f"{_mend(missing[0])}."
        )


def _mend(name: str) -> str:
    """Say what to do about a file that is not there, by its name."""
    if _ADDRESS.match(name):
        return "they are addresses, and nothing is fetched: download the files and name these"
    if len(name) > _LONGEST:
        return "they are no names of files, but perhaps the images themselves: write these as files"
    if "\\" in name:
        return "write the paths with / instead of \\"
    return "add them, or give the folder they lie in as root=FOLDER"


def _files(folder: Path, base: Path) -> dict[str, bool]:
    """Return the files of a folder, and whether each is a link."""
    try:
        if not folder.resolve().is_relative_to(base.resolve()):
            raise DataError(f"{folder} is a link that leads out of {base}; copy the files there.")
        with os.scandir(folder) as entries:
            return {entry.name: entry.is_symlink() for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error}); check the folder and its permissions.") from error
