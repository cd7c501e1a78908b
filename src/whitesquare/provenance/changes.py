"""What :func:`whitesquare.provenance.diff.diff` wrote, read back piece by piece."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from whitesquare._base.files import whole_file
from whitesquare.provenance.diff import connect, table_of, write_empty
from whitesquare.provenance.types import Change

_ROWS = 4096
_FIELDS = "kind, id, new_id, label, new_label, split, new_split, same_pixels"
_CLASS = "CASE WHEN kind = 'added' THEN new_label ELSE label END"
_SHIFTED = "kind = 'renamed' AND split = new_split"


@dataclass(frozen=True)
class Group:
    """The changes of one kind in one class.

    Attributes:
        kind: one of ``KINDS``.
        label: the signed class, or the one in which samples were added; empty for files that are no samples.
        count: their number.
        digest: SHA-256, hexadecimal, over what the samples were and have become; the same wherever they lie.
        first: some of them.
    """

    kind: str
    label: str
    count: int
    digest: str
    first: tuple[Change, ...]


def read_changes(
    path: Path, kind: str, *, limit: int | None = None, shifted: bool = True, same_pixels: bool = False
) -> Iterator[Change]:
    """Read the changes of one kind, sorted by id.

    Args:
        path: the file.
        kind: one of ``KINDS``.
        limit: the most to read.
        shifted: also those that were renamed within their split; of positions they are of no interest.
        same_pixels: only those whose pixels are the signed ones.
    """
    wanted = f"kind = $1 AND ({shifted} OR NOT ({_SHIFTED})) AND (NOT {same_pixels} OR same_pixels)"
    query = f"SELECT {_FIELDS} FROM {{table}} WHERE {wanted}" + ("" if limit is None else f" LIMIT {limit:d}")  # noqa: S608
    return (Change(*row) for row in _rows(path, query, [kind]))


def write_changes(path: Path | None, target: Path) -> None:
    """Copy the changes to a file of somebody's choice, whole or not at all; without any, a table without rows."""
    with whole_file(target) as part:
        if path is not None:
            shutil.copyfile(path, part)
        else:
            write_empty(part)


def count_moves(path: Path) -> dict[tuple[str, str, str], int]:
    """Count what is in another split now, by kind (``renamed`` or ``relabelled``), old and new split."""
    query = """SELECT kind, split, new_split, count(*) FROM {table}
        WHERE kind IN ('renamed', 'relabelled') AND split <> new_split GROUP BY ALL ORDER BY ALL"""
    return {(kind, split, new_split): count for kind, split, new_split, count in _rows(path, query, [])}


def count_same_pixels(path: Path) -> tuple[int, int]:
    """Count the changed samples whose pixels are the signed ones, and those of which it is not known."""
    query = """SELECT count(*) FILTER (same_pixels), count(*) FILTER (same_pixels IS NULL) FROM {table}
        WHERE kind = 'changed'"""
    ((same, unknown),) = _rows(path, query, [])
    return same, unknown


def read_groups(path: Path, most: int) -> Iterator[Group]:
    """Group the changes by kind and class.

    Args:
        path: the file.
        most: number of changes to name of each group.
    """
    query = f"""SELECT kind, {_CLASS} AS class, sha256, new_sha256, {_FIELDS} FROM {{table}}
        ORDER BY kind, class, sha256, new_sha256, id, split"""  # noqa: S608
    key, count, digest = None, 0, sha256()
    first: list[Change] = []
    for kind, label, old, new, *fields in _rows(path, query, []):
        if key not in (None, (kind, label)):
            yield Group(*key, count, digest.hexdigest(), tuple(first))
            count, digest, first = 0, sha256(), []
        key = (kind, label)
        count += 1
        for content in (old, new):
            digest.update(b"\0" if content is None else b"\1" + content)
        if len(first) < most:
            first.append(Change(*fields))
    if key is not None:
        yield Group(*key, count, digest.hexdigest(), tuple(first))


def nearest_ids(manifest: Path, id: str, most: int = 3) -> list[str]:
    """Return the ids of a manifest that are most like one that is not in it."""
    query = f"""SELECT id FROM (SELECT id, jaro_winkler_similarity(id, $1) AS likeness FROM {{table}})
        WHERE likeness > 0.8 ORDER BY likeness DESC, id LIMIT {most:d}"""  # noqa: S608
    return [str(found) for (found,) in _rows(manifest, query, [id])]


def _rows(path: Path, query: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    with connect(path.with_name(f".{path.name}.spill")) as db:
        found = db.execute(query.format(table=table_of(path)), values)
        while rows := found.fetchmany(_ROWS):
            yield from rows
