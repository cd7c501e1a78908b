"""How two states of a data set differ: two manifests in, one table of named changes out, by DuckDB on disk.

What two rows of the same key (id, split) say decides first: equal rows are unchanged, other bytes are *changed*, the
same bytes under another label are *relabelled*. Rows left on both sides are then matched by content, each once: within
the same label and split, then the same label, then any; those are *renamed* or *relabelled*. The rest was *removed* or
*added*.

Where ids are positions, one missing sample moves all behind it. So there, content is matched before anything is called
changed, and changed is only what stands at the same place in the same gap between two samples that are still there.
"""

# ruff: noqa: S608 - the SQL is made of our own names, and of paths that are quoted

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare._base.files import whole_file
from whitesquare._base.machine import usable_cores
from whitesquare.provenance.types import KINDS

if TYPE_CHECKING:  # takes a tenth of a second to import
    from duckdb import DuckDBPyConnection

MEGABYTES = 200
"""What DuckDB may hold at least; the rest goes to disk."""
_ROWS_PER_MEGABYTE = 8_000
"""Where nearly every row differs, sorting millions of them needs more: 1.25 GB for 10,000,000."""
THREADS = 4

SamePixels = Callable[[str, bytes], bool | None]
"""``same(id, digest)`` tells whether a sample as it is now decodes to pixels of that digest."""

_BATCH = 4096
_TEXTS = ("kind", "id", "new_id", "label", "new_label", "split", "new_split")
_PASSES = ("sha256, label, split", "sha256, label", "sha256")
_UNREAD = "repeat('\\x00', 32)::BLOB"
_POSITION = "TRY_CAST(regexp_extract(id, '[0-9]+$') AS BIGINT)"


def diff(
    signed: Path,
    found: Path,
    output: Path,
    *,
    positional: bool = False,
    same_pixels: SamePixels | None = None,
    megabytes: int | None = None,
) -> dict[str, int]:
    """Compare two manifests and write what differs as Parquet: one row per change, by kind and in their order.

    The columns are the fields of ``Change`` and both digests. A sample that has both other bytes and another label is
    two changes. Manifests are sorted by id, and so are the changes of a kind. A digest of 32 zero bytes stands for
    what could not be read: it equals nothing.

    Args:
        signed: the manifest as it was signed.
        found: the manifest as it is now.
        output: the file to write, whole or not at all; what does not fit into memory goes to its folder meanwhile.
        positional: ids are positions.
        same_pixels: asked about each changed sample whose pixels the signed manifest knows.
        megabytes: most that DuckDB may hold; default: by the number of rows.

    Returns:
        The number of changes of each kind.

    Raises:
        OSError: a file cannot be read or written, or neither memory nor disk suffices.
    """
    with connect(output.with_name(f".{output.name}.spill")) as db:
        db.execute(f"SET memory_limit = '{megabytes or _megabytes(db, signed, found)}MB'")
        _by_key(db, signed, found, positional)
        _by_content(db)
        if positional and _unmatched(db):
            _by_gap(db)
        _pair(db)
        if same_pixels is not None:
            _ask_pixels(db, same_pixels)
        _name_changes(db)
        with whole_file(output) as part:
            # By place in the manifest, which is by id: numbers are compared at once, names sign by sign.
            rows = "SELECT * EXCLUDE (place, spot) FROM changes ORDER BY place, spot"
            db.execute(f"COPY ({rows}) TO {_quoted(part)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
        counts = dict(db.execute(f"SELECT kind, count(*) FROM {table_of(output)} GROUP BY kind").fetchall())
    return {kind: counts.get(kind, 0) for kind in KINDS}


def write_empty(path: Path) -> None:
    """Write what :func:`diff` writes where nothing differs."""
    texts = ", ".join(f"''::VARCHAR AS {name}" for name in _TEXTS)
    with connect(path.with_name(f".{path.name}.spill")) as db:
        db.execute(
            f"COPY (SELECT {texts}, NULL::BOOLEAN AS same_pixels, NULL::BLOB AS sha256, NULL::BLOB AS new_sha256 "
            f"WHERE false) TO {_quoted(path)} (FORMAT parquet)"
        )


@contextmanager
def connect(spill: Path) -> "Iterator[DuckDBPyConnection]":
    """Open DuckDB within bounds.

    Args:
        spill: folder for what does not fit into :data:`MEGABYTES`; made when it is needed, and removed.

    Raises:
        OSError: a file cannot be read or written, or neither memory nor disk suffices.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{MEGABYTES}MB",
        "preserve_insertion_order": False,
        "threads": min(THREADS, usable_cores()),
    }
    try:
        with duckdb.connect(config=settings) as db:
            db.execute("SET enable_progress_bar = false; SET autoinstall_known_extensions = false")
            db.execute(f"SET autoload_known_extensions = false; SET temp_directory = {_quoted(spill)}")
            yield db
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:  # neither is an OSError
        raise OSError(str(error).splitlines()[0]) from error


def table_of(path: Path) -> str:
    """Return the SQL of the table that a Parquet file holds; no sign of a path is a pattern."""
    text = "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path.resolve()))
    return f"read_parquet({_quoted(text)}, hive_partitioning = false)"


def _numbered(path: Path) -> str:
    """Return the SQL of the table with the place of every row as ``file_row_number``."""
    return f"{table_of(path).removesuffix(')')}, file_row_number = true)"


def _quoted(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _megabytes(db: "DuckDBPyConnection", *manifests: Path) -> int:
    rows = 0
    for path in manifests:
        (count,) = db.execute(f"SELECT count(*) FROM {table_of(path)}").fetchall()
        rows = max(rows, count[0])
    return max(MEGABYTES, rows // _ROWS_PER_MEGABYTE)


def _by_key(db: "DuckDBPyConnection", signed: Path, found: Path, positional: bool) -> None:
    """Make ``pairs`` (rows known to be the same sample) and views of what is left: ``gone`` and ``came``."""
    columns = db.execute(f"SELECT * FROM {table_of(signed)} LIMIT 0").description or []
    pixels = "s.pixels" if "pixels" in [column[0] for column in columns] else "NULL::BLOB"
    moves = "regexp_matches(id, '[0-9]$') AND split <> ''" if positional else "false"
    db.execute(
        f"""CREATE TABLE loose AS WITH touched AS (
            SELECT coalesce(s.id, f.id) AS id, coalesce(s.split, f.split) AS split,
                s.label, s.size, s.sha256, {pixels} AS pixels, f.label AS new_label, f.size AS new_size,
                f.sha256 AS new_sha256, s.file_row_number AS spot, f.file_row_number AS new_spot,
                s.sha256 IS NOT DISTINCT FROM f.sha256 AND s.size = f.size AS same
            FROM {_numbered(signed)} s FULL JOIN {_numbered(found)} f ON s.id = f.id AND s.split = f.split
            WHERE s.sha256 IS DISTINCT FROM f.sha256 OR s.size IS DISTINCT FROM f.size
                OR s.label IS DISTINCT FROM f.label)
        SELECT *, NOT same AND {moves} AS moves FROM touched"""
    )
    whole = "sha256 IS NOT NULL AND new_sha256 IS NOT NULL AND NOT moves"
    db.execute(
        f"""CREATE TABLE pairs AS SELECT id, id AS new_id, label, new_label, split, split AS new_split, sha256,
            new_sha256, pixels, same, spot FROM loose WHERE {whole}"""
    )
    for name, old in (("gone", ""), ("came", "new_")):
        db.execute(
            f"""CREATE VIEW {name} AS SELECT rowid, id, split, pixels, {old}label AS label, {old}size AS size,
                {old}sha256 AS sha256, CASE WHEN {moves} THEN {_POSITION} END AS position, {old}spot AS spot
            FROM loose WHERE {old}sha256 IS NOT NULL AND NOT ({whole})"""
        )
    db.execute("CREATE TABLE matched (g BIGINT, c BIGINT)")


def _by_content(db: "DuckDBPyConnection") -> None:
    """Match rows of the same content, each once, the nearest kin first; what could not be read, by its id."""
    db.execute(
        f"INSERT INTO matched SELECT min(gone.rowid), came.rowid FROM came JOIN gone ON gone.id = came.id "
        f"WHERE came.sha256 = {_UNREAD} GROUP BY came.rowid"
    )
    alone = [
        f"""SELECT hash(sha256) AS hashed, min(rowid) AS {side} FROM {table}
            WHERE rowid NOT IN (SELECT {side} FROM matched) AND sha256 <> {_UNREAD}
            GROUP BY hashed HAVING count(*) = 1"""
        for table, side in (("gone", "g"), ("came", "c"))
    ]
    # What is alone on both sides is its own partner by every key, and spares the sorting.
    db.execute(
        f"""INSERT INTO matched SELECT g, c FROM ({alone[0]}) JOIN ({alone[1]}) USING (hashed)
            JOIN gone ON gone.rowid = g JOIN came ON came.rowid = c WHERE gone.sha256 = came.sha256"""
    )
    for key in _PASSES:
        if not _unmatched(db):
            return
        sides = [
            f"""SELECT rowid AS {side}, {key}, row_number() OVER (PARTITION BY {key}
                ORDER BY position, parse_filename(id), id, split) AS nth
            FROM {table} WHERE rowid NOT IN (SELECT {side} FROM matched) AND sha256 <> {_UNREAD}"""
            for table, side in (("gone", "g"), ("came", "c"))
        ]
        db.execute(f"INSERT INTO matched SELECT g, c FROM ({sides[0]}) JOIN ({sides[1]}) USING ({key}, nth)")


def _unmatched(db: "DuckDBPyConnection") -> bool:
    """Tell whether both sides still have rows without a partner."""
    found = db.execute(
        """SELECT pairs < least((SELECT count(*) FROM gone), (SELECT count(*) FROM came))
        FROM (SELECT count(*) AS pairs FROM matched)"""
    ).fetchall()
    return bool(found[0][0])


def _by_gap(db: "DuckDBPyConnection") -> None:
    """Match what has a position and stands at the same place in the same gap between matched samples."""
    db.execute(
        """CREATE TABLE gaps AS WITH
        runs AS (
            SELECT rowid AS row, split, position,
                position - row_number() OVER (PARTITION BY split ORDER BY position) AS run
            FROM gone WHERE position IS NOT NULL AND rowid NOT IN (SELECT g FROM matched)),
        starts AS (SELECT *, min(position) OVER (PARTITION BY split, run) AS start FROM runs)
        SELECT row AS g, starts.position - start AS nth, starts.split AS split,
            CASE WHEN before.split IS NULL THEN start - 1 ELSE after.position END AS anchor,
            CASE WHEN before.split IS NULL THEN starts.split ELSE after.split END AS anchor_split
        FROM starts LEFT JOIN gone before ON before.split = starts.split AND before.position = start - 1
        LEFT JOIN matched ON matched.g = before.rowid LEFT JOIN came after ON after.rowid = matched.c"""
    )
    db.execute(
        """INSERT INTO matched WITH
        runs AS (
            SELECT rowid AS row, split, position,
                position - row_number() OVER (PARTITION BY split ORDER BY position) AS run
            FROM came WHERE position IS NOT NULL AND rowid NOT IN (SELECT c FROM matched)),
        starts AS (SELECT *, min(position) OVER (PARTITION BY split, run) AS start FROM runs)
        SELECT g, row FROM starts JOIN gaps ON anchor_split = starts.split AND anchor = start - 1
            AND nth = position - start AND gaps.split = starts.split"""
    )


def _pair(db: "DuckDBPyConnection") -> None:
    """Make ``paired``, a view of all that was matched, and ``answers``: whether pixels are the same, by place."""
    db.execute(
        """CREATE VIEW paired AS SELECT * FROM pairs UNION ALL
        SELECT gone.id, came.id, gone.label, came.label, gone.split, came.split, gone.sha256, came.sha256, gone.pixels,
            gone.sha256 = came.sha256, gone.spot
        FROM matched JOIN gone ON gone.rowid = g JOIN came ON came.rowid = c"""
    )
    db.execute("CREATE TABLE answers (spot BIGINT, same_pixels BOOLEAN)")


def _ask_pixels(db: "DuckDBPyConnection", same_pixels: SamePixels) -> None:
    asked = db.cursor()
    asked.execute("SELECT spot, new_id, pixels FROM paired WHERE NOT same AND pixels IS NOT NULL")
    while rows := asked.fetchmany(_BATCH):
        answers = [same_pixels(new_id, digest) for _, new_id, digest in rows]
        db.execute("INSERT INTO answers SELECT unnest(?), unnest(?)", [[row[0] for row in rows], answers])
    asked.close()


def _name_changes(db: "DuckDBPyConnection") -> None:
    """Make ``changes``: a row for everything that can be said of a pair, and of what has no partner."""
    kinds = f"""CASE WHEN NOT same THEN ['changed'] ELSE [] END
        || CASE WHEN same AND label = new_label THEN ['renamed']
            WHEN label <> new_label AND new_sha256 <> {_UNREAD} THEN ['relabelled'] ELSE [] END"""
    lone = "NULL::BOOLEAN AS same_pixels"
    db.execute(
        f"""CREATE VIEW changes AS SELECT list_position({list(KINDS)}, kind) AS place,
            * REPLACE (CASE WHEN kind = 'changed' THEN same_pixels END AS same_pixels) FROM (
            SELECT unnest({kinds}) AS kind, id, new_id, label, new_label, split, new_split, same_pixels, sha256,
                new_sha256, spot FROM paired LEFT JOIN answers USING (spot)
            UNION ALL SELECT 'added', id, id, '', label, '', split, {lone}, NULL, sha256, spot FROM came
            WHERE rowid NOT IN (SELECT c FROM matched)
            UNION ALL SELECT 'removed', id, '', label, '', split, '', {lone}, sha256, NULL, spot FROM gone
            WHERE rowid NOT IN (SELECT g FROM matched))"""
    )
