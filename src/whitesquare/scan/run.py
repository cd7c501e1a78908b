"""The scan from end to end: models, detectors, fusion, alarms, p-values, flags."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.data import dataset_digest
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import BoolArray, Evidence, Suspicion
from whitesquare.errors import NothingToDoError, UsageError, unknown_name
from whitesquare.machine import machine, versions
from whitesquare.recipes import Recipe
from whitesquare.scan.alarms import Raised, raise_alarms
from whitesquare.scan.calibration import REVIEW, Calibration, calibrate
from whitesquare.scan.fusion import Scored, fuse
from whitesquare.scan.reference import joined
from whitesquare.scan.running import run_detectors
from whitesquare.scan.sheets import contact_sheet
from whitesquare.scan.transplant import TransplantTest
from whitesquare.scan.types import TIERS, ClassRow, DetectorRun, Flag, Scan, ScanResult, ScanScores
from whitesquare.types import FloatArray, ImageDataset, IntArray, PoisonManifest, Progress, silent

if TYPE_CHECKING:
    from whitesquare.features import ScanModel

SLOW = ("spectre", "gram-density", "strip", "cognitive-distillation", "deep-knn")
"""Detectors that a default scan leaves out: each takes as long as all others, and none finds more."""
DEFAULT = tuple(name for name in DETECTORS if name not in SLOW)
_SCAN_SEED = 700_001
"""The scan's models have seeds of their own, so that no victim of a benchmark is ever its scan model."""
_BONUS = {"confirmed": 12.0, "suspicious": 6.0}
"""Decades added to the fused score of a carrier: it was found by what it carries, not by its rank."""


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
        """Refuse unknown detectors, naming the nearest one."""
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
    started = time.perf_counter()
    present = np.unique(dataset.labels)
    if len(present) < 2:
        raise NothingToDoError(
            f"There is nothing to compare: the data set has images of {len(present)} class"
            f"{'es' * (len(present) != 1)}, and a scan compares classes; expected two or more."
        )
    images, labels, trusted, warnings = joined(dataset, reference)
    evidence = Evidence(images, labels, dataset.classes, trusted, settings.seed, on_progress=on_progress)
    seconds = {"reading": time.perf_counter() - started}
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
        evidence, models, mode, why = _with_model(evidence, settings, model, Path(folder))
        seconds["model"] = time.perf_counter() - started - sum(seconds.values())
        suspicions, runs = run_detectors(evidence, settings.detectors, why)
        seconds["detectors"] = time.perf_counter() - started - sum(seconds.values())
        rules = {DETECTORS[name].rule_id: suspicion for name, suspicion in suspicions.items()}
        raised = raise_alarms(evidence, rules, models, settings.test)
        seconds["alarms"] = time.perf_counter() - started - sum(seconds.values())
        scored = [Scored(name, DETECTORS[name].family, suspicion) for name, suspicion in suspicions.items()]
        fused, tails = fuse(evidence, scored)
    size = len(dataset.labels)
    fused = _with_alarms(evidence, fused, raised)
    calibration = calibrate(evidence, fused, np.isin(labels, [one.alarm.label for one in raised]))
    ids = list(dataset.ids)
    flags = _flags(ids, labels[:size], fused, calibration, raised, tails)
    sheets = [
        contact_sheet(evidence, [*ids, *(f"reference/{i}" for i in range(len(labels) - size))], one, fused)
        for one in raised
    ]
    seconds["fusion"] = time.perf_counter() - started - sum(seconds.values())
    result = ScanResult(
        source=source,
        digest=dataset_digest(dataset),
        size=size,
        mode=mode,
        calibration=calibration.kind,
        calibration_note=calibration.note,
        reference_size=int(trusted.sum()),
        reasons=_reasons(raised, runs, size),
        alarms=tuple(one.alarm for one in raised),
        flagged=flags,
        classes=_class_rows(dataset, suspicions, flags),
        runs=runs,
        skipped=dict(skipped or {}),
        warnings=warnings,
        seed=settings.seed,
        fused_auroc=_auroc(ids, fused[:size], truth),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        versions=versions(),
        machine=machine(),
    )
    by_detector = {name: suspicion.scores[:size] for name, suspicion in suspicions.items()}
    scores = ScanScores(ids, labels[:size], fused[:size], calibration.p_values[:size], by_detector)
    return Scan(result, scores, tuple(sheet for sheet in sheets if sheet is not None))


def _with_model(
    evidence: Evidence, settings: ScanSettings, model: Path | None, folder: Path
) -> tuple[Evidence, Sequence["ScanModel"], str, str]:
    """Return the evidence with all that a model gives, the models, the mode, and why there is no model if so."""
    if settings.model_free:
        return evidence, (), "model-free", "the scan was asked to be model-free"
    from whitesquare.scan.model import load_scan_model, train_scan_models

    losses: FloatArray | None = None
    if model is not None:
        models, mode = [load_scan_model(model, evidence.images.shape[1:], len(evidence.classes))], "given model"
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


def _with_alarms(evidence: Evidence, fused: FloatArray, raised: Sequence[Raised]) -> FloatArray:
    """Count evidence twice where the class itself stands out, and lift those that carry what was found there."""
    result = fused.copy()
    for one in raised:
        result[evidence.labels == one.alarm.label] *= 2
        result[one.carriers] += np.float32(_BONUS[one.alarm.tier])
    return result


def _flags(
    ids: list[str],
    labels: IntArray,
    fused: FloatArray,
    calibration: Calibration,
    raised: Sequence[Raised],
    tails: dict[str, FloatArray],
) -> tuple[Flag, ...]:
    """Flag the carriers of every alarm, and for review all others with a small p-value."""
    tier: dict[int, tuple[str, str]] = {}
    for one in raised:
        for position in one.carriers[one.carriers < len(ids)]:
            tier.setdefault(int(position), (one.alarm.tier, one.alarm.rule_id))
    names = list(tails)
    loudest = np.argmax(np.stack([tails[name][: len(ids)] for name in names]), axis=0) if names else None
    for position in np.flatnonzero(calibration.p_values[: len(ids)] <= REVIEW):
        if loudest is not None:
            tier.setdefault(int(position), ("review", DETECTORS[names[loudest[position]]].rule_id))
    flags = [
        Flag(ids[at], at, int(labels[at]), kind, rule, round(float(fused[at]), 4), _or_none(calibration.p_values[at]))
        for at, (kind, rule) in tier.items()
    ]
    return tuple(sorted(flags, key=lambda flag: (TIERS.index(flag.tier), -flag.fused, flag.position)))


def _class_rows(dataset: ImageDataset, suspicions: dict[str, Suspicion], flags: Sequence[Flag]) -> tuple[ClassRow, ...]:
    sizes = np.bincount(dataset.labels, minlength=len(dataset.classes))
    counts = {tier: np.bincount([f.label for f in flags if f.tier == tier], minlength=len(sizes)) for tier in TIERS}
    return tuple(
        ClassRow(
            label=label,
            name=name,
            size=int(sizes[label]),
            confirmed=int(counts["confirmed"][label]),
            suspicious=int(counts["suspicious"][label]),
            review=int(counts["review"][label]),
            statistics={one: _or_none(found.class_stats[label]) for one, found in suspicions.items()},
        )
        for label, name in enumerate(dataset.classes)
    )


def _reasons(raised: Sequence[Raised], runs: Sequence[DetectorRun], size: int) -> tuple[str, ...]:
    if raised:
        return tuple(f"Class {one.alarm.class_name}: {one.alarm.reasons[0]}" for one in raised)
    ran = sum(not run.reason for run in runs)
    return (f"None of {ran} detectors found a class that stands out among {size} samples",)


def _auroc(ids: list[str], fused: FloatArray, truth: PoisonManifest | None) -> float | None:
    """Measure the ranking against the ground truth; ``None`` without one, or if it names all samples or none."""
    if truth is None:
        return None
    from sklearn.metrics import roc_auc_score

    poisoned = set(truth.ids)
    found: BoolArray = np.array([name in poisoned for name in ids])
    if missing := len(poisoned) - int(found.sum()):
        raise UsageError(
            f"The ground truth names {missing} samples that are not in the data set; give the one written with it."
        )
    return float(roc_auc_score(found, fused)) if 0 < found.sum() < len(found) else None


def _or_none(value: float | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
