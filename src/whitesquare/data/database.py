"""Asking DuckDB about files of others: one database in memory for each process."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.errors import DataError, UnfinishedError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SETTINGS: "dict[str, str | bool | int | float | list[str]]" = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""No extension is fetched or loaded for a file of others."""
_CACHE = "enable_external_file_cache"
"""What DuckDB has, if it is young enough, to hold what it read of a file."""
_databases: "dict[int, DuckDBPyConnection]" = {}
"""By process: one that was forked has the database of its parent without the threads, so it must not even end it."""


def quoted(name: str) -> str:
    """Write a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def connected() -> "DuckDBPyConnection":
    """Connect to this process's database in memory: to make one takes longer than most of what is asked of it.

    Its settings are everybody's: who changes one needs :func:`parquet` ``alone``.

    Raises:
        duckdb.Error: it cannot be made.
    """
    process = os.getpid()
    if process not in _databases:
        _databases.setdefault(process, _made())
    return _databases[process].cursor()


def _made() -> "DuckDBPyConnection":
    import duckdb

    database = duckdb.connect(config=_SETTINGS)
    if database.execute("SELECT 1 FROM duckdb_settings() WHERE name = ?", [_CACHE]).fetchall():
        database.execute(f"SET {_CACHE} = false")
    return database


@contextmanager
def parquet(path: Path, *, alone: bool = False) -> Iterator["DuckDBPyConnection"]:
    """Connect to a database that reads a Parquet file.

    Args:
        path: its name, for the errors.
        alone: to one of its own, whose settings may be changed.

    Raises:
        DataError: what is asked of it fails.
        UnfinishedError: there is no memory for it, which says nothing of the file.
    """
    import duckdb

    try:
        with _made() if alone else connected() as connection:
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise no_memory(path, error) from error
    except duckdb.Error as error:
        short = " ".join(str(error).partition("\nLINE ")[0].split())[:200]
        raise DataError(f"{path} cannot be read as Parquet ({short}); write or copy it again.") from error


def no_memory(path: object, error: Exception) -> UnfinishedError:
    """Say that there was no memory to read a table."""
    short = " ".join(str(error).split())[:200]
    return UnfinishedError(f"There is no memory to read {path} ({short}); free some, or raise the limit on it.")


def exactly(path: Path) -> str:
    """Write a path so that DuckDB takes no letter of it for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
