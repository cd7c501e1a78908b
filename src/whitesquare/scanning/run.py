"""The scan from end to end: models, detectors, fusion, alarms, p-values, flags."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from whitesquare._base.machine import machine, versions
from whitesquare.data import dataset_digest, held, notes
from whitesquare.detectors.registry import DETECTORS, KNOWN_DETECTORS
from whitesquare.detectors.types import Evidence
from whitesquare.errors import NothingToDoError, UsageError
from whitesquare.learning.recipes import Recipe
from whitesquare.records import PoisonManifest, Progress, silent
from whitesquare.scanning.alarms import Raised, raise_alarms
from whitesquare.scanning.asking import Asked, ask_given, ask_own, model_free
from whitesquare.scanning.beside import Comparison, compare
from whitesquare.scanning.findings import auroc, class_rows, flags, rank, reasons, scores_of
from whitesquare.scanning.reference import Reference, fitted
from whitesquare.scanning.running import one_torch_thread, run_detectors
from whitesquare.scanning.sheets import contact_sheet
from whitesquare.scanning.transplant import TransplantTest
from whitesquare.scanning.types import Scan, ScanResult
from whitesquare.types import ImageDataset

SLOW = ("spectre", "gram-density", "strip", "cognitive-distillation", "deep-knn")
"""Detectors that a default scan leaves out: they take longer than all others together."""
DEFAULT = tuple(name for name in DETECTORS if name not in SLOW)


@dataclass(frozen=True)
class ScanSettings:
    """How to scan.

    Attributes:
        seed: of everything random.
        detectors: names of the detectors to run; those of other packages run only if they are named.
        model_free: train and use no model; then nothing can be confirmed.
        recipe: of the scan's own models.
        test: settings of the transplant test.
    """

    seed: int = 0
    detectors: tuple[str, ...] = DEFAULT
    model_free: bool = False
    recipe: Recipe = field(default_factory=Recipe)
    test: TransplantTest = field(default_factory=TransplantTest)

    def __post_init__(self) -> None:
        """Refuse detectors that are unknown, naming the nearest one, or broken, and a seed that is none."""
        if self.seed < 0:
            raise UsageError(f"The seed must be 0 or more; got {self.seed}.")
        for name in self.detectors:
            KNOWN_DETECTORS[name]


def run_scan(
    dataset: ImageDataset,
    settings: ScanSettings,
    *,
    source: str = "",
    model: Path | None = None,
    reference: ImageDataset | None = None,
    truth: PoisonManifest | None = None,
    skipped: dict[str, str] | None = None,
    on_progress: Progress = silent,
) -> Scan:
    """Scan a training set.

    Args:
        dataset: what to scan.
        settings: how.
        source: its name or path, for the report.
        model: a model trained on it; ``None`` trains the scan's own.
        reference: samples said to be clean: p-values are computed against them, and they decide nothing else.
        truth: ground truth; only used to measure the ranking, never to find anything.
        skipped: files left out while reading, with the reason.
        on_progress: told how far each step is.

    Raises:
        NothingToDoError: no images, or images of one class only.
        UsageError: a model or reference that does not fit.
    """
    clock = _Clock()
    dataset = _comparable(dataset)
    images, labels = dataset.images(slice(None)), dataset.labels
    alone = np.zeros(len(labels), np.bool_)
    evidence = Evidence(images, labels, dataset.classes, alone, settings.seed, on_progress=on_progress)
    trusted = fitted(dataset, images, reference) if reference is not None else None
    clock.lap("reading")
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
        asked = _ask(evidence, settings, model, Path(folder))
        evidence = asked.evidence
        clock.lap("model")
        suspicions, runs = run_detectors(evidence, settings.detectors, asked.why)
        clock.lap("detectors")
        rules = {KNOWN_DETECTORS[name].rule_id: suspicion for name, suspicion in suspicions.items()}
        with one_torch_thread():
            raised = raise_alarms(evidence, rules, asked.models, settings.test)
        clock.lap("alarms")
        beside = _beside(asked, raised, trusted, settings)
        if trusted is not None:
            clock.lap("reference")
        found = rank(evidence, suspicions, raised, beside.calibration)
        clock.lap("fusion")
    runs = tuple(beside.crashed.get(run.name, run) for run in runs)
    flagged = flags(dataset, found, raised)
    result = ScanResult(
        source=source,
        digest=dataset_digest(dataset),
        size=len(dataset.labels),
        mode=asked.mode,
        calibration=found.calibration.kind,
        calibration_note=f"{beside.unused} {found.calibration.note}".lstrip(),
        reference_size=trusted.size if trusted else 0,
        reasons=reasons(raised, runs, len(dataset.labels), asked.undecided),
        alarms=tuple(one.alarm for one in raised),
        flagged=flagged,
        classes=class_rows(dataset, suspicions, flagged),
        runs=runs,
        skipped=dict(skipped or {}),
        warnings=(*(trusted.warnings if trusted else ()), *beside.warnings, *notes(dataset)),
        seed=settings.seed,
        fused_auroc=auroc(dataset.ids, found.fused, truth),
        seconds=clock.seconds,
        versions=versions() | KNOWN_DETECTORS.versions(settings.detectors),
        machine=machine(),
        model=asked.digest,
        learned=asked.learned,
        undecided=asked.undecided,
    )
    sheets = (contact_sheet(evidence, dataset.ids, one, found.fused) for one in raised)
    return Scan(result, scores_of(dataset, found, suspicions), tuple(filter(None, sheets)))


def _comparable(dataset: ImageDataset) -> ImageDataset:
    """Decode every image once, if there are classes to compare."""
    present = np.unique(dataset.labels)
    if len(present) < 2:
        raise NothingToDoError(
            f"There is nothing to compare: the data set has images of {len(present)} class"
            f"{'es' * (len(present) != 1)}, and a scan compares classes; expected two or more."
        )
    return held(dataset)


class _Clock:
    """Wall-clock seconds per step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Write down the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def _ask(evidence: Evidence, settings: ScanSettings, model: Path | None, folder: Path) -> Asked:
    if settings.model_free:
        return model_free(evidence, "the scan was asked to be model-free")
    if model is not None:
        return ask_given(evidence, model, folder)
    return ask_own(evidence, settings.recipe, settings.seed, folder)


def _beside(asked: Asked, raised: Sequence[Raised], reference: Reference | None, settings: ScanSettings) -> Comparison:
    if reference is None:
        return Comparison()
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
        return compare(
            asked,
            raised,
            reference,
            detectors=settings.detectors,
            recipe=settings.recipe,
            folder=Path(folder),
        )
