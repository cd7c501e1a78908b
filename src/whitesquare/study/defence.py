"""The other half of an experiment: scan a poisoned data set, take out what is confirmed, train again, measure."""

from dataclasses import dataclass

import numpy as np
import torch

from whitesquare._base.cache import Arrays, Cache
from whitesquare._base.machine import code_digest
from whitesquare._base.schema import decode, encode
from whitesquare.attacks import Poisoned
from whitesquare.data import Part, dataset_digest
from whitesquare.executor import run_all
from whitesquare.learning.measure import TestSet, measure
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.tensors import to_tensors
from whitesquare.learning.train import effective_precision
from whitesquare.records import TIERS, Defence, Estimate, Progress, VictimResult
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.study.rows import make_row
from whitesquare.study.trained import trained
from whitesquare.types import ImageDataset, IntArray

CLEANSED = "cleansed"
_ROOMS = ("scanning", "detectors")
"""What a kept scan depends on beside the rooms that every kept result does."""


@dataclass(frozen=True)
class ScanOutcome:
    """What is kept of a scan, beside the samples that it confirmed.

    Attributes:
        verdict: of the scan.
        alarmed: names of the classes with an alarm, the strongest first.
        flip_rate: of the trigger that was rebuilt for the strongest; ``None`` where none was tried.
    """

    verdict: str
    alarmed: tuple[str, ...]
    flip_rate: Estimate | None


def defend(
    name: str,
    made: Poisoned,
    recipe: Recipe,
    seeds: int,
    test: TestSet,
    *,
    cache: Cache,
    source: str,
    device: str,
    on_progress: Progress,
) -> Defence:
    """Scan what an attack made, remove the confirmed samples as ``cleanse`` does, and measure victims of the rest.

    Args:
        name: of the row that the attack has in the report.
        made: its poisons in their data set; the scan is given the data alone.
        recipe: how victims are trained.
        seeds: victims; their seeds are 1..seeds, as those of the row.
        test: what they are measured on.
        cache: where the scan and the victims are kept.
        source: name or path of the data set.
        device: where models are trained and asked.
        on_progress: told how far each step is.
    """
    outcome, removed = _scanned(made.dataset, cache, device, on_progress)
    kept = Part(made.dataset, np.setdiff1d(np.arange(len(made.dataset.labels)), removed))
    victims = _victims(kept, recipe, seeds, test, cache, source, device, on_progress) if len(removed) else []
    return Defence(
        row=name,
        verdict=outcome.verdict,
        alarmed=outcome.alarmed,
        flip_rate=outcome.flip_rate,
        removed=len(removed),
        poisons_removed=int(np.isin(removed, made.dataset.positions).sum()),
        poisons=made.manifest.count,
        after=make_row(CLEANSED, None, victims) if victims else None,
    )


def _scanned(dataset: ImageDataset, cache: Cache, device: str, on_progress: Progress) -> tuple[ScanOutcome, IntArray]:
    """Scan, or take the scan of the same data by the same code from the cache; with the confirmed positions."""

    def compute() -> Arrays:
        found = run_scan(dataset, ScanSettings(device=device), on_progress=on_progress).result
        alarmed = tuple(dict.fromkeys(alarm.class_name for alarm in found.alarms))
        tested = found.alarms[0].transplant if found.alarms else None
        outcome = ScanOutcome(found.verdict, alarmed, tested.flip_rate if tested else None)
        confirmed = sorted(flag.position for flag in found.flagged if flag.tier == TIERS[0])
        text = np.frombuffer(encode(outcome).encode(), np.uint8)
        return {"outcome": text, "confirmed": np.array(confirmed, np.int64)}

    key = {"data": dataset_digest(dataset), "code": code_digest(_ROOMS), "precision": effective_precision("auto")}
    found = cache.arrays("scans", key | {"device": device}, compute)
    return decode(ScanOutcome, found["outcome"].tobytes().decode(), where="the kept scan"), found["confirmed"]


def _victims(
    kept: ImageDataset,
    recipe: Recipe,
    seeds: int,
    test: TestSet,
    cache: Cache,
    source: str,
    device: str,
    on_progress: Progress,
) -> list[VictimResult]:
    tensors, digest = to_tensors(kept, device), dataset_digest(kept)

    def one(seed: int) -> VictimResult:
        model = trained(tensors, recipe, kept.classes, cache, seed=seed, digest=digest, source=source)
        return measure(model, test)

    seeded = range(1, seeds + 1)
    return run_all(one, seeded, workers=torch.get_num_threads(), step="victims, cleansed", on_progress=on_progress)
