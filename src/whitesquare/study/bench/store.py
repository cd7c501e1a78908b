"""The folder of a bench: one file per finished cell, so that a killed run loses nothing that was finished.

::

    plan.toml        the plan that was run last
    cells/KEY.json   a Record; it appears whole, under a name that only this cell has
    failed/KEY.json  a Failure, until the cell is finished
    results.json     a BenchResult           results.parquet   one row per finished cell
    report.html      figures/                whitesquare.json  marks the folder as ours
"""

import fcntl
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

from whitesquare._base.files import whole_file, write_text
from whitesquare._base.folders import claim_folder
from whitesquare._base.schema import decode, encode
from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.records import Estimate
from whitesquare.study.bench.types import BASELINE, BenchResult, Cell, Failure, Record, ScanRecord

RESULTS = "results.json"
TABLE = "results.parquet"
REPORT = "report.html"
FIGURES = "figures"
KIND = "bench"
DECIDING = (
    *(
        "_base",
        "attacks",
        "data",
        "deciding",
        "detectors",
        "errors",
        "executor",
        "learning",
        "loops",
        "plugins",
        "provenance",
    ),
    *("records", "scanning", "signing", "study", "triggers", "types"),
)
"""Rooms and loose modules whose code a cell can reach: their digest stands in every result."""
_PLAN = "plan.toml"
_LOCK = ".lock"
_CELLS = "cells"
_FAILED = "failed"
_SQL: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """The files of a bench.

    Attributes:
        folder: where they are.
    """

    folder: Path

    @contextmanager
    def claimed(self, plan: str) -> Iterator[None]:
        """Hold the folder, a new one or one that a bench wrote, and keep the plan's text in it.

        Raises:
            UsageError: what is there was not written by a bench, or another bench is running in it.
        """
        claim_folder(self.folder, KIND, (_PLAN, _CELLS, _FAILED, RESULTS, TABLE, REPORT, FIGURES, _LOCK))
        with (self.folder / _LOCK).open("w") as lock:
            _lock(lock.fileno(), self.folder)
            for left in self.folder.rglob(".*.part"):  # what a killed run was writing
                left.unlink(missing_ok=True)
            write_text(self.folder / _PLAN, plan)
            yield

    def finished(self, cells: Iterable[Cell]) -> dict[str, Record | ScanRecord]:
        """Read the results of those cells that have one, by key; a damaged file counts as none."""
        found: dict[str, Record | ScanRecord] = {}
        for cell in cells:
            path = self._path(_CELLS, cell)
            if not path.is_file():
                continue
            try:
                kind: type[Record | ScanRecord] = ScanRecord if cell.scan else Record
                record = decode(kind, path.read_text(encoding="utf-8"), where=str(path))
                # The names of data set and victim are not in the key: today's plan decides what they are called.
                found[cell.key] = replace(record, cell=cell)
            except (WhitesquareError, OSError, UnicodeDecodeError) as error:
                _log.warning("The result %s cannot be read (%s); the cell is run again.", path, error)
        return found

    def finish(self, record: Record | ScanRecord) -> None:
        """Keep a result, whole or not at all; raise :class:`OSError` if the system refuses."""
        write_text(self._path(_CELLS, record.cell), encode(record))
        self._path(_FAILED, record.cell).unlink(missing_ok=True)

    def fail(self, failure: Failure) -> None:
        """Keep a failure; where even that is refused, the run's own result still tells it."""
        try:
            write_text(self._path(_FAILED, failure.cell), encode(failure))
        except OSError as error:
            _log.warning("The failure of a cell could not be written down: %s", error)

    def write(self, result: BenchResult, records: Sequence[Record | ScanRecord]) -> None:
        """Write ``results.json`` and ``results.parquet``, each whole or not at all."""
        write_text(self.folder / RESULTS, encode(result))
        if records:
            write_parquet(self.folder / TABLE, [flat(record) for record in records])

    def _path(self, kind: str, cell: Cell) -> Path:
        return self.folder / kind / f"{cell.key}.json"


def _lock(file: int, folder: Path) -> None:
    """Lock an open file for as long as this process has it open; the system lets go of it even after a kill."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"Another bench is running in {folder}; wait for it, or name another folder.") from None


def flat(record: Record | ScanRecord) -> dict[str, object]:
    """Write a result as one row of a table; attack parameters, which differ by attack, become one JSON text."""
    cell = record.cell
    row: dict[str, object] = {"key": cell.key, "parameters": json.dumps(cell.parameters, sort_keys=True)}
    row |= {name: vars(cell)[name] for name in ("data", "digest", "attack", "trigger", "target", "count")}
    row |= {"attack": BASELINE, "count": 0} if cell.twin else {}
    row |= {"attack_seed": cell.attack_seed, "victim": cell.victim, "victim_seed": cell.victim_seed}
    row |= {f"recipe.{item.name}": getattr(cell.recipe, item.name) for item in fields(cell.recipe)}
    if isinstance(record, ScanRecord):
        row |= {f"scan.{name}": value for name, value in record.found.figures.items()}
        row |= {"scan.kind": cell.scan.kind if cell.scan else "", "scan.mode": record.found.mode}
        row |= {"scan.verdict": record.found.verdict}
    else:
        victim = record.victim
        row |= _columns("ca", victim.ca) | _columns("asr", victim.asr) | {"visibility": victim.visibility}
    if record.poison is not None:
        facts = vars(record.poison)
        row |= {f"poison.{name}": value for name, value in facts.items() if not isinstance(value, Estimate)}
        row |= _columns("poison.label_consistency", record.poison.label_consistency)
    return row | {"seconds": record.seconds, "code": record.code}


def _columns(name: str, found: Estimate) -> dict[str, object]:
    return {name: found.value, f"{name}.low": found.low, f"{name}.high": found.high, f"{name}.n": found.n}


def write_parquet(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as Parquet, whole or not at all; a column that some rows lack is empty there.

    Raises:
        OSError: the system refuses, for one because the disk is full.
    """
    import duckdb

    try:
        _write_parquet(path, rows)
    except duckdb.IOException as error:  # DuckDB's own, which is no OSError
        raise OSError(f"{path}: {error}") from error


def _write_parquet(path: Path, rows: Sequence[dict[str, object]]) -> None:
    import duckdb

    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder, whole_file(path) as part:
        text = Path(folder) / "rows.json"
        text.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with duckdb.connect() as connection:
            found = connection.read_json(str(text), format="newline_delimited", columns=_types(rows))
            found.write_parquet(str(part))


def _types(rows: Sequence[dict[str, object]]) -> dict[str, str]:
    """Give every column the type of its values: guessed from a file, one that is empty so far would change later."""
    found: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                found[name] = _SQL[type(value)]
            found.setdefault(name, "DOUBLE")
    return found
