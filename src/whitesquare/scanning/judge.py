"""Judging: from the evidence to a scan. Detectors, fusion, alarms, p-values, flags; nothing is opened here."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from whitesquare._base.machine import machine, versions
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.records import PoisonManifest
from whitesquare.scanning.alarms import Raised, raise_alarms, thresholds
from whitesquare.scanning.beside import Comparison, compare
from whitesquare.scanning.calibration import REVIEW
from whitesquare.scanning.coverage import coverage
from whitesquare.scanning.examples import pasted_examples
from whitesquare.scanning.findings import auroc, class_rows, flags, rank, reasons, scores_of
from whitesquare.scanning.gather import Gathered, ScanClock
from whitesquare.scanning.running import one_torch_thread, run_detectors
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sheets import contact_sheet
from whitesquare.scanning.types import Scan, ScanResult


def judge(
    gathered: Gathered,
    settings: ScanSettings,
    *,
    truth: PoisonManifest | None = None,
    source: str = "",
    skipped: Mapping[str, str] | None = None,
    left_out: Sequence[int] = (),
    clock: ScanClock,
) -> Scan:
    """Say what the evidence amounts to.

    Args:
        gathered: the evidence.
        settings: how to judge it.
        truth: ground truth; only used to measure the ranking, never to find anything.
        source: name or path of the data set, for the report.
        skipped: files left out while reading, with the reason.
        left_out: how many of them belong to each class, by label.
        clock: told when a step is done.

    Raises:
        UsageError: the truth is that of other data.
    """
    evidence, reference = gathered.evidence, gathered.reference
    suspicions, runs = run_detectors(evidence, settings.detectors, gathered.why)
    clock.lap("detectors")
    rules = {KNOWN_DETECTORS[name].rule_id: suspicion for name, suspicion in suspicions.items()}
    with one_torch_thread():
        raised, notes = raise_alarms(evidence, rules, gathered.models, settings.test, gathered.closer)
    clock.lap("alarms")
    beside = _beside(gathered, raised, settings, clock)
    found = rank(evidence, suspicions, raised, beside.calibration)
    clock.lap("fusion")
    runs = tuple(beside.runs.get(run.name, run) for run in runs)
    suspicions |= beside.found
    flagged = flags(evidence, gathered.ids, found, raised)
    rows = class_rows(evidence, suspicions, flagged, left_out)
    covered = coverage(evidence, rules, runs, asked=bool(gathered.models))
    result = ScanResult(
        source=source,
        digest=gathered.digest,
        size=len(evidence.labels),
        mode=gathered.mode,
        calibration=found.calibration.kind,
        calibration_note=f"{beside.unused} {found.calibration.note}".lstrip(),
        reference_size=reference.size if reference else 0,
        reasons=reasons(raised, covered, rows, gathered.undecided),
        alarms=tuple(one.alarm for one in raised),
        flagged=flagged,
        classes=rows,
        runs=runs,
        skipped=dict(skipped or {}),
        warnings=(*(reference.warnings if reference else ()), *beside.warnings, *gathered.warnings, *notes),
        seed=settings.seed,
        fused_auroc=auroc(gathered.ids, found.fused, truth),
        seconds=clock.seconds,
        versions=versions() | KNOWN_DETECTORS.versions(settings.detectors),
        machine=machine(),
        model=gathered.weights,
        learned=gathered.learned,
        undecided=gathered.undecided,
        held_out=gathered.beyond.accuracy if gathered.beyond else None,
        trained=gathered.trained,
        coverage=covered,
        features=gathered.models[0].feature_layer if gathered.models else "",
        losses=gathered.recorded,
        thresholds=thresholds(settings.test) | {"p-value of a sample in the review queue, at most": REVIEW},
    )
    sheets = (contact_sheet(evidence, gathered.ids, one, found.fused) for one in raised)
    examples = (pasted_examples(evidence, gathered.ids, one, model) for model in gathered.models[:1] for one in raised)
    scores = scores_of(evidence, gathered.ids, found, suspicions)
    return Scan(result, scores, tuple(filter(None, sheets)), tuple(filter(None, examples)))


def _beside(gathered: Gathered, raised: Sequence[Raised], settings: ScanSettings, clock: ScanClock) -> Comparison:
    if gathered.reference is None:
        return Comparison()
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
        found = compare(gathered, raised, gathered.reference, settings, Path(folder))
    clock.lap("reference")
    return found
