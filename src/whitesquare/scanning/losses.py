"""The losses that a training of the user's own recorded, held against the samples that are scanned."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whitesquare._base.machine import usable_cores
from whitesquare.data.database import exactly
from whitesquare.detectors.types import BoolArray
from whitesquare.errors import DataError
from whitesquare.loops.losses import stored
from whitesquare.loops.recordings import (
    COLUMNS,
    Said,
    check_same,
    digest_of_files,
    find_recording,
    losses_database,
    relation,
    said_by,
)
from whitesquare.types import FloatArray, ImageDataset

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FEW = 0.01
"""Share of samples, or of losses, that may be missing, strange or of another label before a recording is refused."""
_ENOUGH = 0.5
"""Share of the epochs in which a sample must have been seen to have a trajectory."""
_ROWS = 65_536
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*)$")
"""Kinds of columns that hold numbers."""
_COLUMNS = 65_536
"""Samples whose trajectories are looked at a time."""
_WRONG = "give the losses of a training on these data"


@dataclass(frozen=True)
class RecordedTraining:
    """What a scan used of a training that was not its own.

    Attributes:
        epochs: recorded moments.
        samples: number of scanned samples that have a trajectory.
        inputs: what the losses were computed on: ``plain``, ``augmented``, ``mixed``, or empty if it is not said.
        sha256: of the file; of an unfinished recording, of the digests of its files.
    """

    epochs: int
    samples: int
    inputs: str
    sha256: str


@dataclass(frozen=True)
class RecordedLosses:
    """Losses that fit the data.

    Attributes:
        values: ``(E, N)`` float32 in the order of the data, in a memory-mapped file; NaN for a sample without.
        training: what they are of.
        warnings: what the reader must know of them.
    """

    values: FloatArray
    training: RecordedTraining
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """How samples with recorded losses and those that are scanned differ: ``same`` ids, and what is told."""

    same: bool
    told: tuple[str, ...]


def read_losses(
    path: Path, dataset: ImageDataset, digest: str, folder: Path, expected: str | None = None
) -> RecordedLosses:
    """Read losses by the ids of the samples; a moment that a sample missed is taken from those before and after it.

    Args:
        path: the file that a :class:`~whitesquare.loops.losses.LossRecorder` writes, or a table with ``id``, ``epoch``
            and ``loss``.
        dataset: what is scanned.
        digest: of it.
        folder: where the losses are kept.
        expected: SHA-256 of the recording, where it was hashed before.

    Raises:
        UsageError: there is no recording.
        DataError: it is damaged, of other data, or of a training that went wrong.
        ChangedError: it grows or changes while it is read.
    """
    parts = find_recording(path)
    sha256 = expected or digest_of_files(parts.files)
    if expected is not None:
        check_same(path, parts, expected)
    with losses_database(path, threads=usable_cores()) as db:
        rows = _rows(db, parts.files, path)
        said = said_by(db, parts.files[0])
        epochs = _epochs(db, rows, path)
        _name_samples(db, dataset)
        size = len(dataset.ids)
        values = np.lib.format.open_memmap(
            folder / "losses.npy", mode="w+", dtype=np.float32, shape=(len(epochs), size)
        )
        known, other = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        for moment, epoch in enumerate(epochs):
            values[moment] = _of_epoch(db, rows, epoch, known, other)
        found = _compared(db, rows, dataset, known, other, path)
    check_same(path, parts, sha256)
    warnings = found.told + _of_version(said, digest, path, same=found.same) + _filled(values, path)
    if parts.left_out:
        warnings += (f"Recorded losses: epochs left out that not all processes ended: {len(parts.left_out)}.",)
    scored = int(np.isfinite(values[0]).sum())
    training = RecordedTraining(len(epochs), scored, said.inputs, sha256)
    return RecordedLosses(values, training, (*warnings, *_doubts(values, said)))


def _of_epoch(db: "DuckDBPyConnection", rows: str, epoch: int, known: BoolArray, other: BoolArray) -> FloatArray:
    """Return the losses ``(N,)`` of one epoch, NaN where there is none; mark who is known, and by another label."""
    # Every part of the question is of our own making: names are quoted, and the epoch is a whole number.
    found = db.execute(
        "SELECT position, loss::DOUBLE AS loss, visits, coalesce(r.label != samples.label, false) AS other "  # noqa: S608
        f"FROM {rows} r JOIN samples USING (id) WHERE epoch = {epoch}"
    ).fetchnumpy()
    at, visits = found["position"], np.asarray(found["visits"], np.float64)
    loss = np.ma.filled(found["loss"], np.nan)
    known[at] = True
    other[at[found["other"]]] = True
    total = np.bincount(at, visits, len(known))
    sums = np.bincount(at, loss * visits, len(known))
    means: FloatArray = np.divide(sums, total, out=np.full(len(known), np.nan), where=total > 0).astype(np.float32)
    return means


def _rows(db: "DuckDBPyConnection", files: Sequence[Path], path: Path) -> str:
    """Return the SQL of the rows, if the columns are there and of their kinds."""
    columns = {
        str(name): str(kind)
        for name, kind, *_ in db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [exactly(files[0])]).fetchall()
    }
    for name in ("id", "epoch", "loss"):
        if name not in columns:
            raise DataError(
                f"{path} has no column {name!r} (found: {', '.join(map(repr, columns))}); expected "
                f"{', '.join(COLUMNS)}, of which label and visits may be missing."
            )
    for name in ("epoch", "loss", "visits"):
        if not _NUMBERS.match(kind := columns.get(name, "INTEGER")):
            raise DataError(f"{path}: the column {name} holds {kind}; expected numbers, so write it as such.")
    return relation(files, columns)


def _epochs(db: "DuckDBPyConnection", rows: str, path: Path) -> list[int]:
    asked = (
        "SELECT count(*), count(*) FILTER (id IS NULL OR epoch IS NULL OR epoch::DOUBLE != floor(epoch::DOUBLE) OR "  # noqa: S608
        "NOT coalesce(visits > 0, false)), "
        f"count(*) FILTER (NOT coalesce(isfinite(loss), false)), count(*) FILTER (loss < 0) FROM {rows}"
    )
    ((count, broken, strange, negative),) = db.execute(asked).fetchall()
    if not count:
        raise DataError(f"{path} holds no losses; record some, or leave --losses out.")
    if broken or negative:
        what = "a loss below zero" if negative else "no id, no whole number as epoch, or no visit"
        raise DataError(
            f"{path}: {negative or broken} of {count} rows have {what}; expected the cross-entropy of a sample in an "
            "epoch, so record it again."
        )
    if strange > _FEW * count:
        raise DataError(
            f"{path}: {strange} of {count} losses are not finite numbers, so the training went wrong; give the losses "
            "of one that did not diverge."
        )
    found = db.execute(f"SELECT DISTINCT epoch FROM {rows} ORDER BY epoch").fetchall()  # noqa: S608 - quoted names
    return [int(epoch) for (epoch,) in found]


def _name_samples(db: "DuckDBPyConnection", dataset: ImageDataset) -> None:
    db.execute("CREATE TABLE samples (position BIGINT, id VARCHAR, label VARCHAR)")
    classes = [stored(name) for name in dataset.classes]
    for start in range(0, len(dataset.ids), _ROWS):
        at = range(start, min(start + _ROWS, len(dataset.ids)))
        chunk: dict[str, Any] = {
            "position": np.arange(at.start, at.stop),
            "id": np.array([stored(dataset.ids[i]) for i in at], dtype=object),
            "label": np.array([classes[int(dataset.labels[i])] for i in at], dtype=object),
        }
        db.register("chunk", chunk)
        db.execute("INSERT INTO samples SELECT position, id, label FROM chunk")
        db.unregister("chunk")


def _compared(
    db: "DuckDBPyConnection", rows: str, dataset: ImageDataset, known: BoolArray, other: BoolArray, path: Path
) -> Differences:
    """Refuse the losses of other data, and say how many samples are not the same.

    Labels are compared by the names of their classes, whose order is nobody's affair here.
    """
    asked = f"SELECT count(DISTINCT id), min(id) FROM {rows} ANTI JOIN samples USING (id)"  # noqa: S608 - quoted names
    ((strange, example),) = db.execute(asked).fetchall()
    ids = f"; the recording has others, such as {example!r:.120}" if strange else ""
    told = []
    for count, name, what in (
        (int((~known).sum()), _first(dataset, ~known), "scanned samples without a recorded loss"),
        (int(strange), example, "samples with a recorded loss that are not scanned"),
        (int(other.sum()), _first(dataset, other), "samples that were trained under another label than they have here"),
    ):
        if count > _FEW * len(known):
            raise DataError(
                f"{path}: {what}: {count}, such as {name!r:.120}, beside {len(known)} that are scanned, and at most "
                f"{_FEW:.0%} may be; {_WRONG}, with ids and names of classes as the scan has them{ids}."
            )
        if count:
            told.append(f"Recorded losses: {what}: {count}, such as {name!r:.120}.")
    return Differences(bool(known.all()) and not strange, tuple(told))


def _first(dataset: ImageDataset, marked: BoolArray) -> str:
    """Name the first sample that is marked, with its class."""
    if not marked.any():
        return ""
    i = int(marked.argmax())
    return f"{dataset.ids[i]} ({dataset.classes[int(dataset.labels[i])]} here)"


def _of_version(said: Said, digest: str, path: Path, *, same: bool) -> tuple[str, ...]:
    """Refuse losses that say that they are of other data of the same ids."""
    if not said.data or said.data == digest:
        return ()
    if same:
        raise DataError(
            f"{path} was recorded on the data set with the digest {said.data[:16]}, and this one has {digest[:16]}, "
            f"although all ids are the same: images or labels are others; {_WRONG}."
        )
    return ("Recorded losses: they are of another version of the data.",)


def _filled(values: FloatArray, path: Path) -> tuple[str, ...]:
    """Fill the moments that a sample missed; one that missed most of them has no trajectory."""
    parts = (values[:, start : start + _COLUMNS] for start in range(0, values.shape[1], _COLUMNS))
    few, gaps = (sum(counts) for counts in zip(*map(_filled_in, parts), strict=True))
    told = []
    if few == values.shape[1]:
        raise DataError(f"{path}: no scanned sample was seen in half of the {len(values)} epochs; {_WRONG}.")
    if few:
        told.append(f"Recorded losses: samples seen in fewer than half of the epochs, not scored: {few}.")
    if gaps:
        told.append(
            "Recorded losses: samples without a finite one in some epochs, where those before and after stand in: "
            f"{gaps}."
        )
    return tuple(told)


def _filled_in(values: FloatArray) -> tuple[int, int]:
    """Fill the moments ``(E, n)`` in place; return how many have no trajectory, and how many others had gaps."""
    moments, strange = np.arange(len(values)), ~np.isfinite(values)
    seen = len(values) - strange.sum(0)
    few = seen < _ENOUGH * len(values)
    gaps = np.flatnonzero((seen < len(values)) & ~few)
    for i in gaps:
        there = ~strange[:, i]
        values[:, i] = np.interp(moments, moments[there], values[there, i])
    values[:, few] = np.nan
    return int(few.sum()), len(gaps)


def _doubts(values: FloatArray, said: Said) -> tuple[str, ...]:
    told = []
    if said.inputs == "mixed":
        told.append(
            "The losses were recorded on mixed images (mixup, cutmix): each is that of two samples, which blurs what "
            "they say of one; train without mixing for a recording."
        )
    if len(values) == 1:
        told.append("The recorded losses are of one epoch, so nothing is seen of how they went; record some more.")
    first, last = np.nanmean(values[0]), np.nanmean(values[-1])
    if len(values) > 1 and not last < first:
        told.append(
            f"The recorded losses did not fall ({first:.3g} in the first epoch, {last:.3g} in the last): a model that "
            "has learned nothing says nothing of its samples."
        )
    return tuple(told)
