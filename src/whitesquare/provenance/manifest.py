"""The manifest: one row per item as Parquet, written and read as a stream.

The same items always give the same bytes, and neither side holds more than some thousand rows and DuckDB's own limit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from whitesquare.errors import VerificationError
from whitesquare.jsonio import whole_file
from whitesquare.provenance.types import Item

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = {"id": "VARCHAR", "label": "VARCHAR", "split": "VARCHAR", "size": "BIGINT", "sha256": "BLOB"}
"""By name, the type of a column of every manifest."""
PIXELS = {"pixels": "BLOB"}
"""The column of a manifest for which pixels were asked."""

_MEMORY = "128MB"
_ROWS = 4096


@dataclass(frozen=True)
class Block:
    """Items that follow each other in a manifest, column by column; no text holds a line break.

    Attributes:
        ids: see :class:`~whitesquare.provenance.types.Item`.
        labels: likewise.
        splits: likewise.
        sizes: likewise.
        digests: 32 bytes for each item.
        pixels: likewise, 32 zeros for none; empty in a manifest without pixels.
    """

    ids: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str]
    sizes: Sequence[int]
    digests: bytes
    pixels: bytes = b""


class ManifestWriter:
    """Takes blocks in the order of the manifest; made by :func:`manifest_writer`."""

    def __init__(self, connection: "DuckDBPyConnection", *, pixels: bool) -> None:
        self._connection = connection
        # Each column is one text with a line per row: nothing needs quoting, and nothing is turned into rows here.
        lines = ", ".join(
            f"unnest(string_split(${number}, chr(10)))" + ("::BIGINT" if name == "size" else "")
            for number, name in enumerate(COLUMNS, 1)
            if name != "sha256"
        )
        columns = f"{lines}, unhex(unnest(string_split($5, chr(10))))"
        if pixels:
            columns += ", unhex(nullif(unnest(string_split($6, chr(10))), repeat('00', 32)))"
        self._insert = f"INSERT INTO items SELECT {columns}"

    def add(self, block: Block) -> None:
        """Append a block."""
        if not block.ids:
            return
        columns = [
            "\n".join(block.ids),
            "\n".join(block.labels),
            "\n".join(block.splits),
            "\n".join(map(str, block.sizes)),
            block.digests.hex("\n", 32),
        ]
        if block.pixels:
            columns.append(block.pixels.hex("\n", 32))
        self._connection.execute(self._insert, columns)


@contextmanager
def manifest_writer(path: Path, *, pixels: bool = False) -> Iterator[ManifestWriter]:
    """Write a manifest, whole or not at all.

    Args:
        path: the file; what does not fit into memory waits beside it.
        pixels: whether it has a column of pixel digests.

    Raises:
        OSError: the disk is full, or refuses to be written to.
    """
    import duckdb

    columns = ", ".join(f"{name} {kind}" for name, kind in (COLUMNS | (PIXELS if pixels else {})).items())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            whole_file(path) as part,
            TemporaryDirectory(dir=path.parent) as folder,
            _connect(Path(folder)) as connection,
        ):
            connection.execute(f"CREATE TEMP TABLE items ({columns})")
            yield ManifestWriter(connection, pixels=pixels)
            target = str(part.resolve()).replace("'", "''")
            connection.execute(f"COPY items TO '{target}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)")
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:  # neither is an OSError
        raise OSError(f"{path}: {error}") from error


def read_items(path: Path) -> Iterator[Item]:
    """Read a manifest row by row.

    Args:
        path: the file; its digest must have been checked.

    Raises:
        VerificationError: it is not a manifest.
    """
    with _opened(path) as (connection, source):
        names = _columns(connection, source, path)
        rows = connection.execute(f"SELECT {', '.join(names)} FROM {source}")  # noqa: S608 - our own names
        while chunk := rows.fetchmany(_ROWS):
            for row in chunk:
                yield Item(*row)


def count_items(path: Path) -> int:
    """Return the number of rows of a manifest, without reading them.

    Args:
        path: the file; its digest must have been checked.

    Raises:
        VerificationError: it is not a manifest.
    """
    with _opened(path) as (connection, source):
        _columns(connection, source, path)
        (found,) = connection.execute(f"SELECT count(*) FROM {source}").fetchall()  # noqa: S608 - our own name
        return int(found[0])


@contextmanager
def _opened(path: Path) -> Iterator[tuple["DuckDBPyConnection", str]]:
    """Open a manifest under a name of ours: DuckDB takes stars and brackets of a path for patterns."""
    import duckdb

    with TemporaryDirectory() as folder, _connect(Path(folder)) as connection:
        link = Path(folder) / "manifest.parquet"
        link.symlink_to(path.resolve())
        try:
            yield connection, f"read_parquet('{link}', hive_partitioning = false)"
        except duckdb.Error as error:
            raise VerificationError(f"{path} is signed, but cannot be read as a manifest: {error}.") from error


def _columns(connection: "DuckDBPyConnection", source: str, path: Path) -> list[str]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608 - our own name
    found = {str(row[0]): str(row[1]) for row in rows}
    if found not in (COLUMNS, COLUMNS | PIXELS):
        raise VerificationError(f"{path} has the columns {found!r:.200}; expected {', '.join(COLUMNS)}.")
    return list(found)


def _connect(folder: Path) -> "DuckDBPyConnection":
    """Open a table of nothing that keeps to one thread, little memory and one folder."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")  # the same rows give the same bytes
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    connection.execute("SET temp_directory = $1", [str(folder)])
    return connection
