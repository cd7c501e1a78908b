"""The bench itself: what is missing is crafted, trained and measured; every result is kept as soon as it is there."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.cache import Cache
from whitesquare._base.folders import check_claim
from whitesquare._base.machine import code_digest
from whitesquare.data import dataset_digest
from whitesquare.errors import WhitesquareError
from whitesquare.executor import Executor, Shared
from whitesquare.learning.device import resolve
from whitesquare.learning.recipes import PRECISIONS
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.learning.train import effective_precision
from whitesquare.records import Progress, silent
from whitesquare.study.bench.cells import CellSource, make_cells, open_source
from whitesquare.study.bench.plan import Plan
from whitesquare.study.bench.scans.types import ScanFigures
from whitesquare.study.bench.scans.work import scan_cell
from whitesquare.study.bench.store import DECIDING, KIND, Store
from whitesquare.study.bench.summary import summarise
from whitesquare.study.bench.types import BASELINE, OPACITY, BenchResult, Cell, Failure, PoisonFacts, Record, ScanRecord
from whitesquare.study.bench.work import Crafted, CraftJob, Trained, TrainJob, craft, data_name, poison_name, train_cell

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Bench:
    """One run: its cells, its data, and where results go."""

    cells: tuple[Cell, ...]
    sources: dict[str, CellSource]
    store: Store
    executor: Executor
    cache: Cache
    on_progress: Progress


@own_surroundings()
def run_bench(
    plan: Plan,
    text: str,
    folder: Path,
    executor: Executor,
    *,
    cache: Cache,
    device: str = "cpu",
    on_progress: Progress = silent,
) -> BenchResult:
    """Run what is not finished of a plan, and write its results.

    A cell that fails does not stop the others; see :attr:`~whitesquare.study.bench.types.BenchResult.failures`. An
    interrupt leaves the results of those that were finished.

    Args:
        plan: what to do.
        text: the plan as it was written, kept beside the results.
        folder: where; one that holds results of this or another plan is taken up where it was left.
        executor: where the work runs.
        cache: where crafted content is kept between runs.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        on_progress: told the number of finished cells.

    Raises:
        UsageError: the plan cannot be run as a whole, or the folder is not ours.
        DataError: a data set of the plan cannot be used.
        OSError: the results cannot be written.
    """
    check_claim(folder, KIND)
    cells, sources = _plan_cells(plan, device)
    bench = _Bench(cells, sources, Store(folder), executor, cache, on_progress)
    with bench.store.claimed(text):
        try:
            records, failures = _run(bench)
        except KeyboardInterrupt:
            _keep_finished(bench, plan.title)
            raise
        done = [records[cell.key] for cell in cells if cell.key in records]
        missed = [failures[cell.key] for cell in cells if cell.key in failures]
        result = summarise(plan.title, cells, done, missed)
        try:
            bench.store.write(result, done)
        except (OSError, WhitesquareError) as error:
            raise OSError(_unwritten(result, folder, error)) from error
    return result


def _keep_finished(bench: _Bench, title: str) -> None:
    """Write the results of the cells that were finished before an interrupt; they name the machine that made them."""
    found = bench.store.finished(bench.cells)
    records = [found[cell.key] for cell in bench.cells if cell.key in found]
    if records:
        with suppress(OSError, WhitesquareError):  # the interrupt is what the user hears of
            bench.store.write(summarise(title, bench.cells, records, ()), records)


def _unwritten(result: BenchResult, folder: Path, error: Exception) -> str:
    """Say what came of the cells where no file can: it is all that the user learns of the failed ones."""
    told = f"the results in {folder} could not be written ({error}). {result.finished} of {result.cells} cells are kept"
    if result.failures:
        first = result.failures[0]
        told += f", {len(result.failures)} failed, the first ({first.cell.label}): {first.reason}"
    return f"{told.rstrip('.')}. Make room and run the same command again"


def _plan_cells(plan: Plan, device: str) -> tuple[tuple[Cell, ...], dict[str, CellSource]]:
    sources = {name: open_source(name) for name in dict.fromkeys(name for grid in plan.grids for name in grid.data)}
    device = resolve(device)
    precision = {name: effective_precision(name, device.split(":")[0]) for name in PRECISIONS}
    return make_cells(plan, sources, precision, device), sources


def count_cells(plan: Plan, folder: Path, device: str = "cpu") -> str:
    """Check a plan as :func:`run_bench` does, and say what it would do."""
    check_claim(folder, KIND)
    cells, _ = _plan_cells(plan, device)
    poisons = len({cell.poison_key for cell in cells if cell.attack != BASELINE})
    done = len(Store(folder).finished(cells))
    return f"{len(cells)} cells, of which {done} are finished; {poisons} poisons to craft for all of them."


def _run(bench: _Bench) -> tuple[dict[str, Record | ScanRecord], dict[str, Failure]]:
    """Read what is finished and run the rest."""
    records, failures = bench.store.finished(bench.cells), dict[str, Failure]()
    missing = [cell for cell in bench.cells if cell.key not in records]
    if missing:
        shared = _data(bench.sources[name] for name in {cell.data for cell in missing})
        facts = _craft(bench, missing, shared, failures)
        _measure(bench, [cell for cell in missing if cell.key not in failures], facts, shared, records, failures)
    return records, failures


def _data(sources: Iterable[CellSource]) -> Arrays:
    """Name the arrays that every task may read."""
    shared: Arrays = {}
    for source in sources:
        splits = {"train": source.train} | ({"test": source.test} if source.test else {})
        for split, dataset in splits.items():
            shared[data_name(source.digest, split)] = np.ascontiguousarray(dataset.images(slice(None)))
            shared[data_name(source.digest, f"{split}.labels")] = dataset.labels
            shared[data_name(source.digest, f"{split}.ids")] = np.array(dataset.ids)
    return shared


def _craft(
    bench: _Bench, missing: Sequence[Cell], shared: Arrays, failures: dict[str, Failure]
) -> dict[tuple[str, object], PoisonFacts]:
    """Craft every poison that a missing cell needs, once; add its arrays to ``shared``."""
    by_poison: dict[str, list[Cell]] = {}
    for cell in missing:
        if cell.attack != BASELINE:
            by_poison.setdefault(cell.poison_key, []).append(cell)
    groups = list(by_poison.items())
    jobs = [_craft_job(bench, group) for _, group in groups]
    facts: dict[tuple[str, object], PoisonFacts] = {}
    if jobs:
        bench.on_progress("poisons", 0, len(jobs))
    with closing(bench.executor.run(craft, jobs, dict(shared))) as outcomes:
        for done, outcome in enumerate(outcomes, start=1):
            key, group = groups[outcome.index]
            if isinstance(outcome.value, Crafted):
                made = outcome.value
                parts = (("positions", made.positions), ("content", made.content), ("labels", made.labels))
                shared.update({poison_name(key, part): array for part, array in parts})
                opacities = jobs[outcome.index].opacities
                facts.update({(key, opacity): fact for opacity, fact in zip(opacities, made.facts, strict=True)})
            else:
                for cell in group:
                    _fail(bench, cell, f"Its poison could not be crafted: {outcome.failure}", failures)
            bench.on_progress("poisons", done, len(jobs))
    return facts


def _craft_job(bench: _Bench, group: Sequence[Cell]) -> CraftJob:
    opacities = tuple(dict.fromkeys(_opacity(cell) for cell in group))
    return CraftJob(group[0], opacities, bench.sources[group[0].data].train.classes, bench.cache.folder)


def _opacity(cell: Cell) -> float | None:
    value = cell.parameters.get(OPACITY)
    return value if isinstance(value, float) else None


def measure_cell(job: TrainJob, shared: Shared) -> Trained | tuple[ScanFigures, float]:
    """Scan the data of a cell, or train and measure its victim."""
    return scan_cell(job, shared) if job.cell.scan else train_cell(job, shared)


def _measure(
    bench: _Bench,
    cells: Sequence[Cell],
    facts: Mapping[tuple[str, object], PoisonFacts],
    shared: Arrays,
    records: dict[str, Record | ScanRecord],
    failures: dict[str, Failure],
) -> None:
    """Measure every cell; keep each result the moment it is there."""
    poisons = [facts.get((cell.poison_key, _opacity(cell))) for cell in cells]
    clean = {name: dataset_digest(source.train) for name, source in bench.sources.items()}
    jobs = [
        TrainJob(
            cell,
            _classes(bench, cell),
            clean[cell.data] if cell.twin else poison.digest_after,
            poison.trigger,
            poison.training_trigger,
            bench.cache.folder,
        )
        if poison
        else TrainJob(cell, _classes(bench, cell), clean[cell.data], cell.trigger, "", bench.cache.folder)
        for cell, poison in zip(cells, poisons, strict=True)
    ]
    total, before = len(bench.cells), len(records) + len(failures)
    bench.on_progress("cells", before, total)
    with closing(bench.executor.run(measure_cell, jobs, shared)) as outcomes:
        for done, outcome in enumerate(outcomes, start=before + 1):
            cell = cells[outcome.index]
            if outcome.value is None:
                _fail(bench, cell, outcome.failure or "It gave no result.", failures)
            else:
                poison = poisons[outcome.index] if cell.poisoned else None
                _keep(bench, cell, poison, outcome.value, records, failures)
            bench.on_progress("cells", done, total)


def _keep(
    bench: _Bench,
    cell: Cell,
    poison: PoisonFacts | None,
    found: Trained | tuple[ScanFigures, float],
    records: dict[str, Record | ScanRecord],
    failures: dict[str, Failure],
) -> None:
    """Write down what came of a cell."""
    code = code_digest(DECIDING)
    record = (
        Record(cell, poison, found.victim, found.seconds, code)
        if isinstance(found, Trained)
        else ScanRecord(cell, poison, *found, code)
    )
    try:
        bench.store.finish(record)
        records[cell.key] = record
    except (OSError, WhitesquareError) as error:
        _fail(bench, cell, f"Its result could not be written: {error}", failures)


def _classes(bench: _Bench, cell: Cell) -> tuple[str, ...]:
    return bench.sources[cell.data].train.classes


def _fail(bench: _Bench, cell: Cell, why: str, failures: dict[str, Failure]) -> None:
    failures[cell.key] = Failure(cell, why)
    bench.store.fail(failures[cell.key])
