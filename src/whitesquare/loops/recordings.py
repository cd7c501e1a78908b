"""The file of recorded losses: Parquet, one row for each sample and epoch. ``docs/training_loops.md`` has the schema.

While a training runs, each process leaves one such file for each epoch in a folder beside the place of the whole one;
a file is there whole or not at all, so that a crash costs the epoch that it fell into.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from whitesquare._base.files import whole_file
from whitesquare.data.database import exactly, no_memory
from whitesquare.errors import ChangedError, DataError, UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMAT = "whitesquare losses 1"
"""Value of ``format`` in the metadata of a file of ours; a file of others needs none."""
INPUTS = ("plain", "augmented", "mixed", "")
"""What images the losses were computed on: as they are, changed at random, mixed with others (mixup), or not said."""
COLUMNS = {"id": "VARCHAR", "label": "VARCHAR", "epoch": "INTEGER", "loss": "FLOAT", "visits": "INTEGER"}

_PART = re.compile(r"epoch-(\d+)\.rank-(\d+)-of-(\d+)\.parquet")
_MEMORY = "256MB"


@dataclass(frozen=True)
class Said:
    """What a recording says of itself.

    Attributes:
        inputs: one of :data:`INPUTS`.
        data: digest of the data set, see :func:`whitesquare.data.dataset_digest`; empty if it is not said.
    """

    inputs: str = ""
    data: str = ""


@dataclass(frozen=True)
class Parts:
    """The files of a recording.

    Attributes:
        files: each whole.
        left_out: epochs that not all processes ended.
    """

    files: tuple[Path, ...]
    left_out: tuple[int, ...] = ()

    @property
    def last(self) -> int:
        """The last epoch that some process ended; -1 if there is none."""
        found = (_PART.fullmatch(path.name) for path in self.files)
        return max((*(int(one[1]) for one in found if one), *self.left_out), default=-1)


def parts_of(path: Path) -> Path:
    """Return the folder of the files of single epochs, beside the place of the whole one."""
    return path.with_name(f"{path.name}.parts")


def part_name(epoch: int, rank: int, ranks: int) -> str:
    """Name the file of one epoch of one process."""
    return f"epoch-{epoch:05}.rank-{rank}-of-{ranks}.parquet"


def find_parts(folder: Path) -> Parts:
    """Find the files of the epochs that every process ended."""
    by_epoch: dict[tuple[int, int], list[Path]] = {}
    for path in sorted(folder.glob("epoch-*.parquet")):
        if found := _PART.fullmatch(path.name):
            by_epoch.setdefault((int(found[1]), int(found[3])), []).append(path)
    whole = {key: files for key, files in by_epoch.items() if len(files) == key[1]}
    short = sorted({epoch for epoch, _ in by_epoch} - {epoch for epoch, _ in whole})
    return Parts(tuple(path for files in whole.values() for path in files), tuple(short))


def find_recording(path: Path) -> Parts:
    """Find a recording by the file's name, finished or not.

    Raises:
        UsageError: there is none.
    """
    if path.is_file():
        return Parts((path,))
    parts = find_parts(path if path.is_dir() else parts_of(path))
    if not parts.files:
        raise UsageError(
            f"There are no recorded losses at {path}; give the Parquet file that a LossRecorder wrote, or a table with "
            "the columns id, epoch and loss."
        )
    return parts


def digest_of_recording(path: Path) -> str:
    """Return the SHA-256 of a recording; of an unfinished one, of the digests of its files.

    Raises:
        UsageError: there is none.
    """
    return digest_of_files(find_recording(path).files)


def digest_of_files(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the files of a recording; see :func:`digest_of_recording`."""
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(file_digest(opened, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def check_same(path: Path, parts: Parts, digest: str) -> None:
    """Refuse a recording that is no longer the one that was hashed: what is read of it would be of two.

    Args:
        path: the file's name.
        parts: what :func:`find_recording` found there.
        digest: of them, then.

    Raises:
        ChangedError: it has grown, or was exchanged, or is gone.
    """
    try:
        if find_recording(path) == parts and digest_of_files(parts.files) == digest:
            return
    except (OSError, UsageError):  # its parts were merged, for one
        pass
    raise ChangedError(
        f"The recording {path} was changed while it was read: a training still writes to it, or another was copied "
        "over it; wait until it is whole, and start the scan again."
    )


@contextmanager
def losses_database(name: object, threads: int = 1) -> Iterator["DuckDBPyConnection"]:
    """Connect to a database that waits on disk, not in memory, and loads nothing for a file of others.

    Args:
        name: of what is read or written, for the error.
        threads: with one, the same rows give the same bytes.

    Raises:
        DataError: what is asked of ``name`` fails.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": _MEMORY,
        "threads": threads,
    }
    with TemporaryDirectory(prefix="whitesquare-losses-") as folder:
        try:
            with duckdb.connect(f"{folder}/losses.db", config=settings) as connection:
                yield connection
        except duckdb.OutOfMemoryException as error:
            raise no_memory(name, error) from error
        except OSError as error:
            raise DataError(f"The losses at {name} cannot be read or written ({error}); look at the place.") from error
        except duckdb.Error as error:
            if "Parquet file" in str(error) or "No magic bytes" in str(error):
                raise DataError(
                    f"The losses at {name} cannot be read: damaged, or no Parquet; expected it with "
                    f"{', '.join(COLUMNS)}, so write them as such, or record them again."
                ) from error
            short = " ".join(str(error).partition("\nLINE")[0].split())[:200]
            raise DataError(f"The losses at {name} cannot be read or written ({short}); record them again.") from error


def said_by(db: "DuckDBPyConnection", file: Path) -> Said:
    """Return what a file says of itself; one of others says nothing.

    Raises:
        DataError: it is of a form that is not known here.
    """
    rows = db.execute("SELECT key, value FROM parquet_kv_metadata(?)", [exactly(file)]).fetchall()
    known = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in rows}
    form = known.get("format", FORMAT)
    if form.startswith("whitesquare") and form != FORMAT:
        raise DataError(f"{file} is of the form {form!r:.60}; expected {FORMAT!r}, which this version reads.")
    inputs = known.get("inputs", "")
    return Said(inputs if inputs in INPUTS else "", known.get("data", ""))


def relation(files: Sequence[Path], columns: Mapping[str, object]) -> str:
    """Return the SQL of the rows of files, with all columns that :data:`COLUMNS` has."""
    names = ", ".join("'" + exactly(file).replace("'", "''") + "'" for file in files)
    label = "label" if "label" in columns else "NULL"
    visits = "visits" if "visits" in columns else "1 AS visits"
    texts = f"id::VARCHAR AS id, {label}::VARCHAR AS label"
    return f"(SELECT {texts}, epoch, loss, {visits} FROM read_parquet([{names}]))"  # noqa: S608 - quoted names


def write_epoch(path: Path, chunks: Iterator[dict[str, Any]], said: Said) -> None:
    """Write rows, whole or not at all.

    Args:
        path: the file.
        chunks: by name of :data:`COLUMNS`, arrays of the same length.
        said: what it says of itself.
    """
    with losses_database(path) as db:
        db.execute(f"CREATE TABLE losses ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        for chunk in chunks:
            db.register("chunk", chunk)
            db.execute(f"INSERT INTO losses SELECT {', '.join(COLUMNS)} FROM chunk")  # noqa: S608 - our own names
            db.unregister("chunk")
        _save(db, "FROM losses", path, said)


def merge(parts: Sequence[Path], path: Path, said: Said) -> None:
    """Write the epochs of several files into one, those of an earlier one that lies there already, too.

    A sample that several processes visited in an epoch has the mean of their losses, by visits. Parts of an epoch that
    is in the earlier file take its place.
    """
    by_epoch: dict[str, list[Path]] = {}
    for file in parts:
        by_epoch.setdefault(file.name.partition(".")[0], []).append(file)
    pieces = []
    if path.is_file():
        again = ", ".join(str(int(name.partition("-")[2])) for name in by_epoch) or "-1"
        pieces.append(f"SELECT * FROM {relation([path], COLUMNS)} WHERE epoch NOT IN ({again})")  # noqa: S608 - quoted
    for _, files in sorted(by_epoch.items()):
        rows = f"SELECT * FROM {relation(files, COLUMNS)}"  # noqa: S608 - quoted names
        if len(files) > 1:
            rows = (
                "SELECT id, any_value(label) AS label, epoch, (sum(loss::DOUBLE * visits) / sum(visits))::FLOAT "  # noqa: S608
                f"AS loss, sum(visits)::INTEGER AS visits FROM ({rows}) GROUP BY id, epoch ORDER BY id"
            )
        pieces.append(f"({rows})")
    with losses_database(path) as db:
        _save(db, " UNION ALL ".join(pieces), path, said)


def _save(db: "DuckDBPyConnection", rows: str, path: Path, said: Said) -> None:
    known = {"format": FORMAT, "inputs": said.inputs, "data": said.data}
    told = ", ".join(f"{key}: '{value.replace(chr(39), chr(39) * 2)}'" for key, value in known.items())
    with whole_file(path) as part:
        target = str(part).replace("'", "''")
        db.execute(f"COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{told}}})")
