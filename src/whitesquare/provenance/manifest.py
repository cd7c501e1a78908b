"""The manifest: one row per item as Parquet, written and read as a stream.

The same items always give the same bytes, and neither side holds more than some thousand rows and DuckDB's own limit.
"""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TextIO

from whitesquare._base.files import whole_file
from whitesquare.data.database import no_memory
from whitesquare.errors import DataError, VerificationError
from whitesquare.provenance.types import Item

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = {"id": "VARCHAR", "label": "VARCHAR", "split": "VARCHAR", "size": "BIGINT", "sha256": "BLOB"}
"""By name, the type of a column of every manifest."""
PIXELS = {"pixels": "BLOB"}
"""The column of a manifest for which pixels were asked."""

_DIGESTS = ("sha256", "pixels")
_NONE = bytes(32).hex()
_MEMORY = "128MB"
_ROWS = 4096


@dataclass(frozen=True)
class Block:
    """Items that follow each other in a manifest, column by column; no text holds a line break or a tab.

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


@dataclass(frozen=True)
class Survey:
    """What :func:`survey` tells of a manifest.

    Attributes:
        rows: their number.
        sizes: the different sizes above a bound, sorted.
        named: by id, the size of each file above a larger bound.
    """

    rows: int
    sizes: "array[int]"
    named: dict[str, int]


class ManifestWriter:
    """Takes blocks in the order of the manifest; made by :func:`manifest_writer`."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines

    def add(self, block: Block) -> None:
        """Append a block."""
        import duckdb  # noqa: F401 - it is needed at the end, and loads here while the workers read the next files

        if not block.ids:
            return
        columns = [block.ids, block.labels, block.splits, map(str, block.sizes), _hexadecimal(block.digests)]
        if block.pixels:
            columns.append("" if text == _NONE else text for text in _hexadecimal(block.pixels))
        self._lines.write("\n".join(map("\t".join, zip(*columns, strict=True))) + "\n")


def _hexadecimal(digests: bytes) -> list[str]:
    return digests.hex("\n", 32).split("\n")


@contextmanager
def manifest_writer(path: Path, *, pixels: bool = False) -> Iterator[ManifestWriter]:
    """Write a manifest, whole or not at all.

    Args:
        path: the file; what does not fit into memory waits beside it.
        pixels: whether it has a column of pixel digests.

    Raises:
        OSError: the disk is full, or refuses to be written to.
        DataError: a name is millions of letters long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, TemporaryDirectory(dir=path.parent) as folder:
        text = Path(folder) / "items.tsv"
        with text.open("w", encoding="utf-8", newline="") as lines:
            yield ManifestWriter(lines)
        _to_parquet(text, part, path, pixels=pixels)


def _to_parquet(text: Path, part: Path, path: Path, *, pixels: bool) -> None:
    import duckdb

    target = str(part.resolve()).replace("'", "''")
    form = "(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"
    try:
        with _connect(text.parent) as connection, _plainly_named(text) as source:
            connection.execute(f"COPY ({_select(source, pixels=pixels)}) TO '{target}' {form}")
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:  # neither is an OSError
        raise OSError(f"{path}: {error}") from error
    except duckdb.Error as error:
        raise DataError(f"The manifest {path} cannot be written: {error}; shorten the longest name.") from error


def _select(source: str, *, pixels: bool) -> str:
    """Read lines as they are: no quotes, no escapes, nothing guessed; of texts, only a missing pixel digest is NULL."""
    names = [*COLUMNS, *(PIXELS if pixels else ())]
    kinds = ", ".join(f"{name!r}: {'BIGINT' if name == 'size' else 'VARCHAR'!r}" for name in names)
    picked = ", ".join(f"unhex({name}) AS {name}" if name in _DIGESTS else name for name in names)
    return (
        f"SELECT {picked} FROM read_csv({source}, delim = '\t', quote = '', escape = '', new_line = '\\n', "  # noqa: S608
        "header = false, auto_detect = false, hive_partitioning = false, "
        f"force_not_null = ['id', 'label', 'split'], columns = {{{kinds}}})"
    )


def read_items(path: Path, split: str | None = None) -> Iterator[Item]:
    """Read a manifest row by row.

    Args:
        path: the file; its digest must have been checked.
        split: of this split only; of none, if it is empty.

    Raises:
        VerificationError: it is not a manifest.
    """
    with _opened(path) as (connection, source):
        names = _columns(connection, source, path)
        query = f"SELECT {', '.join(names)} FROM {source} WHERE $1 IS NULL OR split = $1"  # noqa: S608 - our own names
        rows = connection.execute(query, [split])
        while chunk := rows.fetchmany(_ROWS):
            for row in chunk:
                yield Item(*row)


def survey(path: Path, above: int, named: int) -> Survey:
    """Count the rows of a manifest and tell which large files it lists, for the time of opening it.

    Args:
        path: the file; its digest must have been checked.
        above: bytes above which a size counts.
        named: bytes above which the file is named, too.

    Raises:
        VerificationError: it is not a manifest.
    """
    with _opened(path) as (connection, source):
        _columns(connection, source, path)
        (rows,) = connection.execute(f"SELECT count(*) FROM {source}").fetchall()  # noqa: S608 - our own name
        sizes = connection.execute(f"SELECT DISTINCT size FROM {source} WHERE size > $1", [above])  # noqa: S608
        found = array("q", sorted(size for (size,) in sizes.fetchall()))
        large = connection.execute(f"SELECT id, size FROM {source} WHERE size > $1", [named]).fetchall()  # noqa: S608
    return Survey(int(rows[0]), found, dict(large))


@contextmanager
def _opened(path: Path) -> Iterator[tuple["DuckDBPyConnection", str]]:
    import duckdb

    with TemporaryDirectory() as folder, _plainly_named(path) as source, _connect(Path(folder)) as connection:
        try:
            yield connection, f"read_parquet({source}, hive_partitioning = false)"
        except duckdb.OutOfMemoryException as error:
            raise no_memory(path, error) from error
        except duckdb.Error as error:
            raise VerificationError(f"{path} is signed, but cannot be read as a manifest: {error}.") from error


@contextmanager
def _plainly_named(path: Path) -> Iterator[str]:
    """Give a file a name that SQL reads as it is: DuckDB takes stars and brackets of a path for patterns."""
    with TemporaryDirectory() as folder:
        link = Path(folder) / "manifest"
        link.symlink_to(path.resolve())
        quoted = str(link).replace("'", "''")
        yield f"'{quoted}'"


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
