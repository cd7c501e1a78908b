"""From what is known of all samples to a scan: alarms, ranks, flags, and what was looked at by whom."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from whitesquare._base.machine import machine, versions
from whitesquare.detectors.registry import KNOWN_DETECTORS, find_rule
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.executor.engine import Engine
from whitesquare.records import Estimate, PoisonManifest
from whitesquare.scanning.alarms import Raised, raise_alarms, thresholds
from whitesquare.scanning.beside import Comparison
from whitesquare.scanning.calibration import REVIEW
from whitesquare.scanning.coverage import coverage
from whitesquare.scanning.examples import pasted_examples
from whitesquare.scanning.findings import auroc, class_rows, flags, rank, reasons, scores_of
from whitesquare.scanning.gather import Gathered, ScanClock
from whitesquare.scanning.learned import accuracy_of
from whitesquare.scanning.running import one_torch_thread
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.asked import Known
from whitesquare.scanning.sharded.listed import Read
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.suspects import (
    Inspected,
    carriers_of,
    inspected,
    look_through,
    to_look_through,
)
from whitesquare.scanning.sharded.trusted import compare_all
from whitesquare.scanning.sharding import Sharding
from whitesquare.scanning.sheets import contact_sheet
from whitesquare.scanning.types import Scan, ScanResult


def conclude(
    read: Read,
    known: Known,
    settings: ScanSettings,
    folder: Path,
    engine: Engine,
    *,
    source: str,
    truth: PoisonManifest | None,
    clock: ScanClock,
) -> Scan:
    """Raise alarms among suspects, look for who else carries what was found, and put the report together.

    Raises:
        DataError: a step failed.
        UsageError: the truth is that of other data.
    """
    samples, gathered = read.samples, known.gathered
    rules = {KNOWN_DETECTORS[name].rule_id: one for name, one in known.suspicions.items()}
    found = inspected(samples, gathered.evidence, rules, folder)
    inside, notes = _raised_in(found, gathered, settings)
    raised = _everywhere(found, inside, known, read, folder, engine)
    clock.lap("alarms")
    beside = _beside(samples, known, found, inside, settings, folder, engine, clock)
    everything = _without_images(samples, settings.seed)
    found_rank = rank(everything, _ranking(known, samples.groups), raised, beside.calibration)
    clock.lap("fusion")
    suspicions = known.suspicions | beside.found
    runs = tuple(beside.runs.get(run.name, run) for run in known.runs)
    flagged = flags(everything, samples.ids, found_rank, raised)
    rows = class_rows(everything, suspicions, flagged, read.left_out)
    covered = coverage(found.evidence, found.suspicions, runs, asked=bool(gathered.models))
    sharding = _sharding(read, known)
    result = ScanResult(
        source=source,
        digest=gathered.digest,
        size=len(samples.labels),
        mode=gathered.mode,
        calibration=found_rank.calibration.kind,
        calibration_note=f"{beside.unused} {found_rank.calibration.note}".lstrip(),
        reference_size=gathered.reference.size if gathered.reference else 0,
        reasons=reasons(raised, covered, rows, gathered.undecided),
        alarms=tuple(one.alarm for one in raised),
        flagged=flagged,
        classes=rows,
        runs=runs,
        skipped=read.skipped,
        warnings=(sharding.said(len(np.unique(samples.labels))), *_warned(gathered, beside), *read.notes, *notes),
        seed=settings.seed,
        fused_auroc=auroc(samples.ids, found_rank.fused, truth),
        seconds=clock.seconds,
        versions=versions() | KNOWN_DETECTORS.versions(settings.detectors),
        machine=machine(),
        model=gathered.weights,
        learned=_learned(known, samples),
        undecided=gathered.undecided,
        held_out=gathered.beyond.accuracy if gathered.beyond else None,
        trained=gathered.trained,
        coverage=covered,
        features=gathered.models[0].feature_layer if gathered.models else "",
        losses=gathered.recorded,
        sharding=sharding,
        thresholds=thresholds(settings.test) | {"p-value of a sample in the review queue, at most": REVIEW},
    )
    scores = scores_of(everything, samples.ids, found_rank, suspicions)
    return _with_pictures(Scan(result, scores, ()), found, inside, known, samples.ids)


def _beside(
    samples: StoredSamples,
    known: Known,
    found: Inspected,
    inside: tuple[Raised, ...],
    settings: ScanSettings,
    folder: Path,
    engine: Engine,
    clock: ScanClock,
) -> Comparison:
    """Compare all samples with the trusted ones, if there are any."""
    if known.gathered.reference is None:
        return Comparison()
    beside = compare_all(samples, known, found, inside, known.gathered.reference, settings, folder, engine)
    clock.lap("reference")
    return beside


def _warned(gathered: Gathered, beside: Comparison) -> tuple[str, ...]:
    of_reference = gathered.reference.warnings if gathered.reference else ()
    return (*of_reference, *beside.warnings, *gathered.warnings)


def _with_pictures(
    scan: Scan, found: Inspected, inside: tuple[Raised, ...], known: Known, every: Sequence[str]
) -> Scan:
    """Add what people are shown of every alarm, of the samples whose images were fetched."""
    ids = tuple(every[i] for i in found.positions.tolist())
    fused = scan.scores.fused[found.positions]
    sheets = (contact_sheet(found.evidence, ids, one, fused) for one in inside)
    models = known.gathered.models[:1]
    examples = (pasted_examples(found.evidence, ids, one, model) for model in models for one in inside)
    return replace(scan, sheets=tuple(filter(None, sheets)), examples=tuple(filter(None, examples)))


def _without_images(samples: StoredSamples, seed: int) -> Evidence:
    """Return what is known of all samples to whoever looks at scores and labels alone."""
    nothing = np.empty((0, *samples.shape), np.uint8)
    return Evidence(nothing, samples.labels, samples.classes, np.zeros(len(samples.labels), np.bool_), seed)


def _learned(known: Known, samples: StoredSamples) -> Estimate | None:
    """Return how well the model reads all samples; where it was not asked about all, those of the first group."""
    if known.answers is None:
        return known.gathered.learned
    return accuracy_of(known.answers, samples.labels, len(samples.classes))


def _raised_in(
    found: Inspected, gathered: Gathered, settings: ScanSettings
) -> tuple[tuple[Raised, ...], tuple[str, ...]]:
    with one_torch_thread():
        return raise_alarms(found.evidence, found.suspicions, gathered.models, settings.test, sizes=found.sizes)


def _everywhere(
    found: Inspected,
    inside: tuple[Raised, ...],
    known: Known,
    read: Read,
    folder: Path,
    engine: Engine,
) -> tuple[Raised, ...]:
    """Return the alarms with all samples that carry what each is about, by their positions in the data set."""
    items = [to_look_through(found, read.samples, one, folder) for one in inside]
    done = engine.map("looking for carriers", look_through, [item for some in items for item in some])
    paths = iter([one.path for one in done])
    raised = []
    for one, some in zip(inside, items, strict=True):
        mine, name = [next(paths) for _ in some], find_rule(one.alarm.rule_id).name
        hinted = known.hinted.get(name, {}).get(one.alarm.label)
        carriers = carriers_of(found, one, mine, read.samples, known.suspicions[name].scores, hinted)
        raised.append(Raised(replace(one.alarm, carriers=len(carriers)), carriers, one.trigger))
    return tuple(raised)


def _ranking(known: Known, groups: int) -> dict[str, Suspicion]:
    """Return what samples are ranked by: what only one of several groups was asked would rank that group first."""
    return {name: one for name, one in known.suspicions.items() if groups == 1 or name not in known.plan.alone}


def _sharding(read: Read, known: Known) -> Sharding:
    samples, plan = read.samples, known.plan
    first = samples.labels[samples.of_group(0)]
    sizes = np.bincount(first, minlength=len(samples.classes))
    there = np.bincount(samples.labels, minlength=len(samples.classes)) > 0
    return Sharding(
        shards=read.shards,
        groups=samples.groups,
        group_size=len(first),
        least_of_class=int(sizes[there].min()),
        most_of_class=int(sizes.max(initial=0)),
        whole=plan.whole,
        grouped=plan.grouped,
        alone=plan.alone,
        left_out={str(number): count for number, count in sorted(read.by_shard.items())},
    )
