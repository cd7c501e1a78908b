"""What a worker does for a scan: make the data, scan them once, measure, and, if asked, train after removing."""

import time

import numpy as np

from whitesquare.data import ArrayDataset, Overlay, Part
from whitesquare.executor import Shared
from whitesquare.learning.measure import TestSet, measure, prepare
from whitesquare.learning.train import train
from whitesquare.records import VictimResult
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.study.bench.scans.figures import Bools, Figures, figures_of, flagged
from whitesquare.study.bench.scans.sets import AS_IT_IS, make_set
from whitesquare.study.bench.scans.types import ScanFigures, ScanTask
from whitesquare.study.bench.types import Cell
from whitesquare.study.bench.work import TrainJob, poison_name, shared_dataset
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset


def scan_cell(job: TrainJob, shared: Shared) -> tuple[ScanFigures, float]:
    """Scan the data of one cell; return what is measured of it, and the wall-clock seconds that took."""
    start = time.perf_counter()
    cell, task = job.cell, job.cell.scan or ScanTask(AS_IT_IS)
    whole = shared_dataset(shared, cell.digest, "train", job.classes)
    clean = make_set(task.kind, whole, cell.attack_seed)
    poisons = _poisons(whole, job, shared) if cell.count else None
    # The scan is given neither the rate nor the ground truth; both only measure what it found.
    settings = ScanSettings(
        seed=cell.attack_seed, detectors=task.detectors, model_free=task.model_free, device=cell.device
    )
    scan = run_scan(poisons or clean, settings)
    figures = figures_of(scan, poisons, cell.target, parse_trigger(job.training_trigger or "none"))
    if task.retrain and poisons:
        test = shared_dataset(shared, cell.digest, "test", job.classes)
        prepared = prepare(test, parse_trigger(job.trigger), cell.target)
        figures |= _retrained(cell, clean, poisons, flagged(scan), prepared)
    found = ScanFigures(
        size=scan.result.size,
        mode=scan.result.mode,
        verdict=scan.result.verdict,
        figures=figures,
        false=tuple(
            f"class {alarm.class_name}, {alarm.tier}: {alarm.rule_id}: {alarm.reasons[0]}"
            for alarm in scan.result.alarms
            if not poisons or alarm.label != cell.target
        ),
        not_run={name: why for name, why in scan.result.not_run.items() if name in task.detectors},
    )
    return found, round(time.perf_counter() - start, 3)


def _poisons(clean: ArrayDataset, job: TrainJob, shared: Shared) -> Overlay:
    positions, content, labels = (
        shared[poison_name(job.cell.poison_key, part)] for part in ("positions", "content", "labels")
    )
    return Overlay(clean, positions, parse_trigger(job.training_trigger)(content), labels)


def _retrained(cell: Cell, clean: ImageDataset, dataset: Overlay, found: Bools, test: TestSet) -> Figures:
    """Train after removing nothing, what was flagged, what was poisoned, as many by chance; and on clean data."""
    nothing, poisoned, chance = (np.zeros_like(found) for _ in range(3))
    poisoned[dataset.positions] = True
    chance[np.random.default_rng(cell.victim_seed).choice(len(chance), int(found.sum()), replace=False)] = True
    trained: dict[bytes, VictimResult] = {}

    def without(removed: Bools) -> VictimResult:
        if (key := removed.tobytes()) not in trained:
            kept = Part(dataset, np.flatnonzero(~removed))
            trained[key] = measure(train(kept, cell.recipe, seed=cell.victim_seed, device=cell.device), test)
        return trained[key]

    gone = {"as it is": nothing, "cleansed": found, "oracle": poisoned, "random": chance}
    victims = {name: without(removed) for name, removed in gone.items()}
    victims["clean model"] = measure(train(clean, cell.recipe, seed=cell.victim_seed, device=cell.device), test)
    return {
        f"{name}.{key}": value.value
        for name, victim in victims.items()
        for key, value in (("asr", victim.asr), ("ca", victim.ca))
    }
