"""The scan from end to end: models, detectors, fusion, alarms, p-values, flags."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.data import dataset_digest, notes
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import Evidence
from whitesquare.errors import NothingToDoError, UsageError, unknown_name
from whitesquare.machine import machine, versions
from whitesquare.recipes import Recipe
from whitesquare.scan.alarms import raise_alarms
from whitesquare.scan.findings import auroc, class_rows, flags, rank, reasons, scores_of
from whitesquare.scan.reference import joined
from whitesquare.scan.running import one_torch_thread, run_detectors
from whitesquare.scan.sheets import contact_sheet
from whitesquare.scan.transplant import TransplantTest
from whitesquare.scan.types import Scan, ScanResult
from whitesquare.types import FloatArray, ImageDataset, PoisonManifest, Progress, silent

if TYPE_CHECKING:
    from whitesquare.features import ScanModel

SLOW = ("spectre", "gram-density", "strip", "cognitive-distillation", "deep-knn")
"""Detectors that a default scan leaves out: they take longer than all others together."""
DEFAULT = tuple(name for name in DETECTORS if name not in SLOW)
_SCAN_SEED = 700_001
"""The scan's models have seeds of their own, so that no victim of a benchmark is ever its scan model."""


@dataclass(frozen=True)
class ScanSettings:
    """How to scan.

    Attributes:
        seed: of everything random.
        detectors: names of the detectors to run.
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
        """Refuse unknown detectors, naming the nearest one, and a seed that is none."""
        if self.seed < 0:
            raise UsageError(f"The seed must be 0 or more; got {self.seed}.")
        for name in self.detectors:
            if name not in DETECTORS:
                raise unknown_name("detector", name, DETECTORS)


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
        reference: samples known to be clean; they are trained on with the rest and never flagged.
        truth: ground truth; only used to measure the ranking, never to find anything.
        skipped: files left out while reading, with the reason.
        on_progress: told how far each step is.

    Raises:
        NothingToDoError: no images, or images of one class only.
        UsageError: a model or reference that does not fit.
    """
    present = np.unique(dataset.labels)
    if len(present) < 2:
        raise NothingToDoError(
            f"There is nothing to compare: the data set has images of {len(present)} class"
            f"{'es' * (len(present) != 1)}, and a scan compares classes; expected two or more."
        )
    clock = _Clock()
    images, labels, trusted, warnings = joined(dataset, reference)
    evidence = Evidence(images, labels, dataset.classes, trusted, settings.seed, on_progress=on_progress)
    clock.lap("reading")
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
        evidence, models, mode, why = _with_model(evidence, settings, model, Path(folder))
        clock.lap("model")
        suspicions, runs = run_detectors(evidence, settings.detectors, why)
        clock.lap("detectors")
        rules = {DETECTORS[name].rule_id: suspicion for name, suspicion in suspicions.items()}
        with one_torch_thread():
            raised = raise_alarms(evidence, rules, models, settings.test)
        clock.lap("alarms")
        found = rank(evidence, suspicions, raised)
        clock.lap("fusion")
    flagged = flags(dataset, found, raised)
    result = ScanResult(
        source=source,
        digest=dataset_digest(dataset),
        size=len(dataset.labels),
        mode=mode,
        calibration=found.calibration.kind,
        calibration_note=found.calibration.note,
        reference_size=int(trusted.sum()),
        reasons=reasons(raised, runs, len(dataset.labels)),
        alarms=tuple(one.alarm for one in raised),
        flagged=flagged,
        classes=class_rows(dataset, suspicions, flagged),
        runs=runs,
        skipped=dict(skipped or {}),
        warnings=(*warnings, *notes(dataset)),
        seed=settings.seed,
        fused_auroc=auroc(dataset.ids, found.fused, truth),
        seconds=clock.seconds,
        versions=versions(),
        machine=machine(),
    )
    sheets = [contact_sheet(evidence, dataset.ids, one, found.fused) for one in raised]
    return Scan(result, scores_of(dataset, found, suspicions), tuple(sheet for sheet in sheets if sheet is not None))


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


def _with_model(
    evidence: Evidence, settings: ScanSettings, model: Path | None, folder: Path
) -> tuple[Evidence, Sequence["ScanModel"], str, str]:
    """Return the evidence with all that a model gives, the models, the mode, and why there is no model if so."""
    if settings.model_free:
        return evidence, (), "model-free", "the scan was asked to be model-free"
    from whitesquare.scan.model import load_scan_model, train_scan_models

    losses: FloatArray | None = None
    if model is not None:
        models, mode = [load_scan_model(model, evidence.images.shape[1:], evidence.classes)], "given model"
    else:
        try:
            models, losses = train_scan_models(
                evidence.images,
                evidence.labels,
                evidence.classes,
                seed=_SCAN_SEED + 1000 * settings.seed,
                recipe=settings.recipe,
                on_progress=evidence.on_progress,
            )
        except UsageError as error:
            return evidence, (), "model-free", f"no model could be trained: {error}"
        mode = "scan model"
    features, logits = models[0].evaluate(evidence.images, folder, evidence.on_progress)
    found = replace(evidence, model=models[0], features=features, logits=logits, losses=losses)
    return found, models, mode, ""
