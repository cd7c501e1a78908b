"""P-values from trusted samples: scored side by side with the data, if they prove to be what they are said to be."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import stats

from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.errors import DataError, TrainingError
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.calibration import CONFORMAL, Calibration, calibrate
from whitesquare.scanning.carried import ALPHA, carried
from whitesquare.scanning.criteria import loud_criteria
from whitesquare.scanning.findings import scored
from whitesquare.scanning.fusion import fuse
from whitesquare.scanning.gather import GIVEN, Gathered, gather_beside
from whitesquare.scanning.noticed import ask_content
from whitesquare.scanning.reference import Reference
from whitesquare.scanning.running import run_detectors
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import DetectorRun
from whitesquare.types import FloatArray

_DOUBTED = 0.03
"""A reference is no yardstick sooner than data are accused: see :func:`whitesquare.scanning.criteria.stands_out`."""
_TOP, _EXPECTED = 0.01, 0.015
"""Trusted samples among the highest hundredth of the data: somewhat more than a hundredth of them is usual."""
_UNUSED = "The reference was not used for p-values"


@dataclass(frozen=True)
class Comparison:
    """What trusted samples are good for.

    Attributes:
        calibration: p-values of the data ``(N,)``; ``None`` if the reference gives none.
        warnings: what it carries, or why it is no yardstick.
        unused: one sentence: why it gives no p-values; empty if it does.
        runs: by name, the runs of detectors that crashed on data and reference together, or run on nothing else.
        found: by name, what detectors that need trusted samples say of the data; it is told, and decides nothing.
    """

    calibration: Calibration | None = None
    warnings: tuple[str, ...] = ()
    unused: str = ""
    runs: dict[str, DetectorRun] = field(default_factory=dict)
    found: dict[str, Suspicion] = field(default_factory=dict)


def carrying(dirty: tuple[str, ...]) -> Comparison:
    """Return what a reference is good for that carries what was found: nothing."""
    return Comparison(warnings=dirty, unused=f"{_UNUSED}: it carries what an alarm found.")


def compare(
    alone: Gathered,
    raised: Sequence[Raised],
    reference: Reference,
    settings: ScanSettings,
    folder: Path,
) -> Comparison:
    """Score data and reference side by side and compute p-values, unless the reference is not clean.

    Args:
        alone: the data alone, and what models say of them.
        raised: the alarms over the data alone.
        reference: the trusted samples.
        settings: of the scan.
        folder: where features go.
    """
    if dirty := carried(alone.evidence, raised, reference):
        return carrying(dirty)
    return scored_beside(alone, [one.alarm.label for one in raised], reference, settings, folder)


def scored_beside(
    alone: Gathered, alarmed: Sequence[int], reference: Reference, settings: ScanSettings, folder: Path
) -> Comparison:
    """Do what :func:`compare` does, of a reference in which nothing was found that an alarm is about.

    Args:
        alone: see :func:`compare`.
        alarmed: labels of the classes with an alarm.
        reference: see :func:`compare`.
        settings: likewise.
        folder: likewise.
    """
    if not reference.size:
        return Comparison(unused=f"{_UNUSED}: none of its samples is outside the data.")
    joint = reference.beside(alone.evidence)
    try:
        both = gather_beside(joint, alone, settings, folder)
    except (TrainingError, DataError) as error:  # whatever it does to a model, the alarms stay
        return Comparison(unused=f"{_UNUSED}: asking a model about it failed: {error}")
    suspicions, runs = run_detectors(both.evidence, settings.detectors, both.why)
    crashed = {run.name: replace(run, reason=f"beside the reference {run.reason}") for run in runs if run.crashed}
    asking = {name for name in settings.detectors if "reference" in KNOWN_DETECTORS[name].needs}
    fused, _ = fuse(both.evidence, scored({name: one for name, one in suspicions.items() if name not in asking}))
    if unlike := _unlike(both.evidence, suspicions, alarmed, fused):
        return Comparison(None, unlike, f"{_UNUSED}: it is not like clean samples of this data set.", crashed)
    found = calibrate(both.evidence, fused, np.isin(joint.labels, list(alarmed)))
    note = found.note
    if found.kind == CONFORMAL and alone.mode == GIVEN:
        note += " Whether the given model was trained on them with the rest is not known; if not, they are approximate."
    size = len(alone.evidence.labels)
    return Comparison(
        replace(found, note=note, p_values=found.p_values[:size]),
        runs={run.name: run for run in runs if run.name in asking} | crashed,
        found={name: replace(one, scores=one.scores[:size]) for name, one in suspicions.items() if name in asking},
    )


def _unlike(
    both: Evidence, suspicions: dict[str, Suspicion], alarmed: Sequence[int], fused: FloatArray
) -> tuple[str, ...]:
    """Say what shows that trusted samples are not what clean samples of the data are.

    A class that stands out only with the reference has it from there. And samples made to rank high, so that poison
    would rank no higher, are more than a hundredth of the reference among the highest hundredth of the data.
    """
    known = set(alarmed)
    rules = {KNOWN_DETECTORS[name].rule_id: suspicion for name, suspicion in suspicions.items()}
    said, sizes = [], np.bincount(both.labels, minlength=len(both.classes))
    for label in (int(one) for one in np.unique(both.labels[both.trusted])):
        loud = [] if label in known else [c for c, _ in loud_criteria(both, rules, label, _DOUBTED) if not c.asks_model]
        natural = ask_content(both, rules, label, sizes, loud)[0] if loud else {}
        if loud := [criterion for criterion in loud if criterion.rule_id not in natural]:
            where = f"Class {both.classes[label]} stands out only once the reference is added"
            said.append(f"{where} ({loud[0].rule_id}: {loud[0].says}).")
    usual = fused[~both.trusted & ~np.isin(both.labels, list(known))]
    if len(usual):
        own = fused[both.trusted]
        high = int((own > np.quantile(usual, 1 - _TOP)).sum())
        if stats.binomtest(high, len(own), _EXPECTED, alternative="greater").pvalue <= ALPHA:
            said.append(
                f"{high} of {len(own)} reference samples rank above 99 % of the data in classes without an alarm; "
                f"about {round(_TOP * len(own))} were expected."
            )
    return tuple(said)
