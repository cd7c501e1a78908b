"""From scores and alarms to findings: the ranking, the flags, the table of classes, the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.detectors.types import BoolArray, Evidence, Suspicion
from whitesquare.errors import UsageError
from whitesquare.learning import estimates
from whitesquare.records import TIERS, PoisonManifest
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.calibration import REVIEW, Calibration, calibrate
from whitesquare.scanning.fusion import Scored, fuse
from whitesquare.scanning.types import MOST_LEFT_OUT, ClassRow, Coverage, Flag, ScanScores
from whitesquare.types import FloatArray

_BONUS = {"confirmed": 12.0, "suspicious": 6.0}
"""Decades added to the fused score of a carrier: it was found by what it carries, not by its rank."""
_TOLD = 3
"""Classes named, of those of which much was left out."""


@dataclass(frozen=True)
class Ranking:
    """Fused scores ``(N,)``, the tail evidence of every detector ``(N,)``, and the p-values."""

    fused: FloatArray
    tails: dict[str, FloatArray]
    calibration: Calibration


def rank(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    raised: Sequence[Raised],
    calibration: Calibration | None = None,
) -> Ranking:
    """Fuse the scores, calibrate the sum once, and then lift what the alarms point at.

    In the ranking, evidence counts twice where the class itself stands out, and samples that carry what was found there
    come first. P-values are those of the evidence alone: an alarm must not fill the review queue with its whole class.

    Args:
        evidence: the data under suspicion.
        suspicions: by name of the detector.
        raised: the alarms.
        calibration: the p-values, where trusted samples gave better ones.
    """
    fused, tails = fuse(evidence, scored(suspicions))
    alarmed = np.isin(evidence.labels, [one.alarm.label for one in raised])
    calibration = calibration or calibrate(evidence, fused, alarmed)
    ranking = fused.copy()
    for one in raised:
        ranking[evidence.labels == one.alarm.label] *= 2
        ranking[one.carriers] += np.float32(_BONUS[one.alarm.tier])
    return Ranking(ranking, tails, calibration)


def scored(suspicions: dict[str, Suspicion]) -> list[Scored]:
    """Return what the detectors say, with the family of each."""
    return [Scored(name, KNOWN_DETECTORS[name].family, suspicion) for name, suspicion in suspicions.items()]


def flags(evidence: Evidence, ids: Sequence[str], found: Ranking, raised: Sequence[Raised]) -> tuple[Flag, ...]:
    """Flag the carriers of every alarm, and for review all others with a small p-value; strongest tier first."""
    size = len(evidence.labels)
    tier: dict[int, tuple[str, str]] = {}
    for one in raised:
        for position in one.carriers[one.carriers < size]:
            tier.setdefault(int(position), (one.alarm.tier, one.alarm.rule_id))
    names = list(found.tails)
    if names:
        loudest = np.argmax(np.stack([found.tails[name][:size] for name in names]), axis=0)
        for position in np.flatnonzero(found.calibration.p_values[:size] <= REVIEW):
            tier.setdefault(int(position), ("review", KNOWN_DETECTORS[names[loudest[position]]].rule_id))
    made = [
        Flag(
            id=ids[at],
            position=at,
            label=int(evidence.labels[at]),
            tier=kind,
            rule_id=rule,
            fused=round(float(found.fused[at]), 4),
            p_value=_or_none(found.calibration.p_values[at]),
        )
        for at, (kind, rule) in tier.items()
    ]
    return tuple(sorted(made, key=lambda flag: (TIERS.index(flag.tier), -flag.fused, flag.position)))


def scores_of(evidence: Evidence, ids: Sequence[str], found: Ranking, suspicions: dict[str, Suspicion]) -> ScanScores:
    """Return every score of every sample of the data set, without the reference."""
    size = len(evidence.labels)
    by_detector = {name: suspicion.scores[:size] for name, suspicion in suspicions.items()}
    return ScanScores(ids, evidence.labels, found.fused[:size], found.calibration.p_values[:size], by_detector)


def class_rows(
    evidence: Evidence, suspicions: dict[str, Suspicion], flags: Sequence[Flag], left_out: Sequence[int] = ()
) -> tuple[ClassRow, ...]:
    """Return one row per class, with what the detectors say of it.

    Args:
        evidence: what was scanned.
        suspicions: by name of the detector.
        flags: the samples that are flagged.
        left_out: by label, the number of samples that were not scanned.
    """
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
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
            left_out=left_out[label] if len(left_out) else 0,
        )
        for label, name in enumerate(evidence.classes)
    )


def reasons(
    raised: Sequence[Raised], covered: Sequence[Coverage], rows: Sequence[ClassRow], undecided: str = ""
) -> tuple[str, ...]:
    """Say why the verdict is what it is; ``undecided`` says why there is none."""
    found = tuple(f"Class {one.alarm.class_name}: {one.alarm.reasons[0]}" for one in raised)
    thin = _told_thinned(rows)
    if undecided:
        return undecided, *found, *thin
    if raised:
        return *found, *thin
    size = sum(row.size for row in rows)
    able = [one.rule_id for one in covered if one.classes]
    if not able:
        said = f"None of the {len(covered)} rules that raise alarms could have raised one among {size} samples"
    elif len(able) == 1:
        said = (
            f"The one rule that could have raised an alarm ({able[0]}) found no class that stands out among {size} "
            "samples"
        )
    else:
        said = (
            f"None of the {len(able)} rules that could have raised an alarm ({', '.join(able)}) found a class that "
            f"stands out among {size} samples"
        )
    return *thin, said


def _told_thinned(rows: Sequence[ClassRow]) -> tuple[str, ...]:
    """Say of which classes so much was left out that what was scanned of them says little."""
    thin = sorted((row for row in rows if row.thinned), key=lambda row: -row.left_out / (row.size + row.left_out))
    if not thin:
        return ()
    told = ", ".join(f"{row.left_out} of {row.left_out + row.size} of class {row.name}" for row in thin[:_TOLD])
    more = f", and more than {100 * MOST_LEFT_OUT:.0f} % of {len(thin) - _TOLD} others" if len(thin) > _TOLD else ""
    return (
        f"Samples were left out: {told}{more}; expected at most {100 * MOST_LEFT_OUT:.0f} % of a class, so repair or "
        "remove these files and scan again",
    )


def check_truth(ids: Sequence[str], truth: PoisonManifest | None) -> None:
    """Refuse a ground truth of other data.

    Raises:
        UsageError: it names samples that are not there.
    """
    missing = sorted(set(truth.ids).difference(ids)) if truth is not None else []
    if missing:
        raise UsageError(
            f"The ground truth names {len(missing)} samples that are not in the data set, such as {missing[0]!r:.80}; "
            f"expected ids as {next(iter(ids), '')!r:.80}, so give the ground-truth.json that was written with these "
            "data."
        )


def auroc(ids: Sequence[str], fused: FloatArray, truth: PoisonManifest | None) -> float | None:
    """Measure the ranking against the ground truth; ``None`` without one, or if it names all samples or none."""
    if truth is None:
        return None
    check_truth(ids, truth)
    poisoned = set(truth.ids)
    found: BoolArray = np.array([name in poisoned for name in ids])
    return estimates.auroc(fused[: len(found)], found)


def _or_none(value: float | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
