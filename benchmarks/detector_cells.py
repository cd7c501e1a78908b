"""One cell of the detector benchmark: poison MNIST, scan it once, measure every detector, and, if asked, retrain."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detector_metrics import Bools, iou, removal, scores_of, true_mask
from whitesquare._base.cache import default_cache
from whitesquare._base.machine import code_digest
from whitesquare.attacks import Poisoned, make_attack, poison
from whitesquare.data import from_arrays
from whitesquare.learning.measure import measure, prepare
from whitesquare.learning.models import load_model, save_model
from whitesquare.learning.train import train
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import Alarm, Scan
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset

CLEAN = "none"
"""Name of the attack that does nothing: rate 0."""
_VICTIM_SEED = 20_000
"""Victims of the benchmark have seeds of their own; neither an attacker nor the scan trains with them."""
ROOMS = ("detectors", "learning", "scanning")
"""Those whose code decides the numbers; cells of two versions must not be mixed unseen."""


@dataclass(frozen=True)
class Cell:
    """One poisoned data set to scan.

    Attributes:
        attack: registered name, or ``none``.
        unit: what the amount is a share of: ``rate`` (the whole set) or ``class`` (the target class).
        amount: share of it to poison.
        seed: of the choice of samples, the crafting and the scan.
        target: target class.
        size: number of MNIST images, from the first on.
        detectors: names of the detectors to run.
        retrain: train victims after cleansing.
    """

    attack: str
    unit: str
    amount: float
    seed: int
    target: int
    size: int
    detectors: tuple[str, ...]
    retrain: bool

    @property
    def name(self) -> str:
        """Name of its file: what it is, and a digest of the rest."""
        rest = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"{self.attack}-{self.unit}-{self.amount:g}-seed-{self.seed}-{rest}"


def run_cell(cell: Cell, data: ImageDataset, test: ImageDataset, folder: Path) -> dict[str, Any]:
    """Run a cell.

    Args:
        cell: what to do.
        data: the clean training set.
        test: the clean test set.
        folder: where the clean victims are kept.

    Raises:
        WhitesquareError: the attack cannot be made on this data.
    """
    made = _poison(cell, data)
    dataset: ImageDataset = made.dataset if made else data
    # The scan is given neither the rate nor the ground truth; both only measure what it found.
    scan = run_scan(dataset, ScanSettings(seed=cell.seed, detectors=cell.detectors), source=cell.name)
    poisoned: Bools = np.zeros(len(dataset.labels), np.bool_)
    if made:
        poisoned[made.dataset.positions] = True
    record = {"count": int(poisoned.sum()), "code": code_digest(ROOMS)} | _figures(cell, scan, poisoned)
    record |= _alarms(cell, scan, made, data.images(slice(0, 1)).shape[1:])
    record |= {"flagged": removal(_flagged(scan, ("confirmed", "suspicious")), poisoned)}
    record |= {"with_review": removal(_flagged(scan, ("confirmed", "suspicious", "review")), poisoned)}
    if cell.retrain and made:
        record["retrain"] = _retrain(cell, made, data, test, _flagged(scan, ("confirmed", "suspicious")), folder)
    return record


def _poison(cell: Cell, data: ImageDataset) -> Poisoned | None:
    if cell.attack == CLEAN:
        return None
    whole = len(data.labels) if cell.unit == "rate" else int((data.labels == cell.target).sum())
    count = max(1, round(cell.amount * whole))
    attack = make_attack(cell.attack)
    return poison(data, attack, target=cell.target, count=count, seed=cell.seed, cache=default_cache())


def _figures(cell: Cell, scan: Scan, poisoned: Bools) -> dict[str, Any]:
    in_class = scan.scores.labels == cell.target
    detectors: dict[str, Any] = {"fused": scores_of(scan.scores.fused, poisoned, in_class) | {"seconds": None}}
    for run in scan.result.runs:
        if run.name in scan.scores.by_detector:
            found = scores_of(scan.scores.by_detector[run.name], poisoned, in_class)
            detectors[run.name] = found | {"seconds": run.seconds, "family": run.family}
        elif run.name in cell.detectors:
            detectors[run.name] = {"reason": run.reason, "crashed": run.crashed}
    return {"detectors": detectors, "seconds": scan.result.seconds, "mode": scan.result.mode}


def _alarms(cell: Cell, scan: Scan, made: Poisoned | None, shape: tuple[int, ...]) -> dict[str, Any]:
    alarms = scan.result.alarms
    mine = [alarm for alarm in alarms if made and alarm.label == cell.target]
    others = [alarm for alarm in alarms if alarm not in mine]
    mask = None
    if made:
        mask = true_mask(parse_trigger(made.manifest.training_trigger), (shape[0], shape[1], shape[2]))
    return {
        "stamp": mask is not None,
        "alarm": _alarm(mine[0], mask) if mine else None,
        "false_alarms": {tier: sum(alarm.tier == tier for alarm in others) for tier in ("confirmed", "suspicious")},
    }


def _alarm(alarm: Alarm, mask: Bools | None) -> dict[str, Any]:
    test, overlap = alarm.transplant, None
    if mask is not None:
        overlap = iou(np.array(alarm.trigger.mask), mask) if alarm.trigger else 0.0
    return {
        "tier": alarm.tier,
        "rule_id": alarm.rule_id,
        "p_value": alarm.p_value,
        "iou": overlap,
        "flip_rate": asdict(test.flip_rate) if test else None,
        "control_worst": test.control_worst if test else None,
        "benign": alarm.benign,
    }


def _flagged(scan: Scan, tiers: tuple[str, ...]) -> Bools:
    flagged: Bools = np.zeros(scan.result.size, np.bool_)
    flagged[[flag.position for flag in scan.result.flagged if flag.tier in tiers]] = True
    return flagged


def _retrain(
    cell: Cell, made: Poisoned, data: ImageDataset, test: ImageDataset, flagged: Bools, folder: Path
) -> dict[str, dict[str, float]]:
    """Train after removing what was flagged, what was poisoned, and as many samples by chance; and on clean data."""
    prepared = prepare(test, made.trigger, cell.target)
    seed = _VICTIM_SEED + cell.seed

    def figures(removed: Bools) -> dict[str, float]:
        result = measure(train(_without(made.dataset, removed), seed=seed), prepared)
        return {"asr": result.asr.value, "ca": result.ca.value, "removed": int(removed.sum())}

    nothing, oracle = np.zeros_like(flagged), np.zeros_like(flagged)
    oracle[made.dataset.positions] = True
    chance = np.zeros_like(flagged)
    chance[np.random.default_rng(seed).choice(len(chance), int(flagged.sum()), replace=False)] = True
    as_it_is = figures(nothing)
    clean = folder / f"clean-{cell.size}-{seed}"
    if not clean.is_dir():
        save_model(train(data, seed=seed), clean)
    reference = measure(load_model(clean), prepared)
    return {
        "as it is": as_it_is,
        "cleansed": figures(flagged) if flagged.any() else as_it_is,
        "oracle": figures(oracle),
        "random": figures(chance) if flagged.any() else as_it_is,
        "clean model": {"asr": reference.asr.value, "ca": reference.ca.value, "removed": 0},
    }


def _without(dataset: ImageDataset, removed: Bools) -> ImageDataset:
    kept = np.flatnonzero(~removed)
    return from_arrays(dataset.images(kept), dataset.labels[kept], classes=dataset.classes)
