"""Which classes stand out, and whether the trigger found there does anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.scan.prune import pruned
from whitesquare.scan.transplant import TransplantTest
from whitesquare.scan.trigger import FoundTrigger, benign_causes, carriers_of_mask, matches, reconstruct
from whitesquare.scan.types import Alarm, Transplant
from whitesquare.types import FloatArray, IntArray

if TYPE_CHECKING:
    from whitesquare.features import ScanModel


@dataclass(frozen=True)
class Criterion:
    """When a class stands out by a detector's class statistic, and when a hint is worth a test.

    What is usual depends on the data and its size, so a class is measured by the others: its ``excess`` is its
    statistic minus the median of theirs. It stands out if the excess is at least ``above``, and statistic plus excess
    at least ``alarm``.

    Attributes:
        rule_id: the detector.
        hint: hints below this strength are not followed up.
        alarm: see above.
        above: see above.
        says: what it means, for the report.
        classes: with fewer classes it says nothing: two classes always differ in something.
        samples: nor for a smaller class, whose directions of variance are chance.
        alone: whether it is an alarm by itself; else only if the transplant test confirms it.
    """

    rule_id: str
    hint: float
    alarm: float
    above: float
    says: str
    classes: int = 2
    samples: int = 20
    alone: bool = True


CRITERIA = (
    Criterion("PX01", 3.0, 10.0, 2.0, "pixels recur at one place in this class and nearly nowhere else"),
    Criterion("PC01", 3.0, 7.0, 2.0, "a patch recurs, at various places, in this class only", alone=False),
    Criterion("NR01", 0.05, 0.75, 0.35, "images of this class have a grain that other classes do not have", 4, 1000),
    Criterion("RC01", 4.0, 11.0, 3.0, "images of this class share a pattern beneath their content", 4, 1000),
    Criterion("TI01", 2.0, 8.0, 3.0, "far fewer pixels than for other classes send every image to this class", 4),
)
"""Fixed before the published runs on other seeds, but for the samples NR01 asks for; see docs/detectors.md."""

ALPHA = 0.01
LEAST_GAIN = 0.10
"""Share of images of other classes a trigger must turn beyond what controls turn, or what turns by itself."""
_SCREEN = 0.07
_LEAST_CARRIERS = 10


@dataclass(frozen=True)
class Raised:
    """An alarm with the arrays behind it: the carriers' positions and the trigger."""

    alarm: Alarm
    carriers: IntArray
    trigger: FoundTrigger | None


@dataclass(frozen=True)
class _Candidate:
    hint: Hint
    rule_id: str
    trigger: FoundTrigger
    carriers: IntArray
    test: Transplant | None


def raise_alarms(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    models: Sequence["ScanModel"],
    test: TransplantTest,
) -> tuple[Raised, ...]:
    """Return the classes that stand out, the strongest tier first.

    Args:
        evidence: what was scanned.
        suspicions: by rule id.
        models: the first finds, the others must agree; none in a model-free scan.
        test: settings of the transplant test.
    """
    raised = []
    tested = 0
    for label in (int(one) for one in np.unique(evidence.labels)):
        loud = _loud(evidence, suspicions, label)
        if not loud:
            continue
        candidates = _candidates(evidence, suspicions, models, label)
        best = _most_moving(evidence, models, candidates, test, label)
        if best is not None:
            tested += 1
            found = test.run(evidence, models[0], best.trigger, label, best.carriers)
            candidates = [replace(one, test=found) if one is best else one for one in candidates]
        passing = [
            one
            for one in candidates
            if one.test and _passes(one.test, tested) and _replicated(evidence, one, label, models[1:], test, tested)
        ]
        if passing or any(criterion.alone for criterion, _ in loud):
            raised.append(_decide(evidence, suspicions, label, loud, candidates, passing, max(tested, 1)))
    return tuple(sorted(raised, key=lambda one: (one.alarm.tier != "confirmed", one.alarm.p_value)))


def _loud(evidence: Evidence, suspicions: dict[str, Suspicion], label: int) -> list[tuple[Criterion, float]]:
    """Return the criteria by which a class stands out, with its statistics."""
    classes, members = len(np.unique(evidence.labels)), len(evidence.members(label))
    able = [c for c in CRITERIA if classes >= c.classes and members >= c.samples]
    values = [(c, _stands_out(suspicions.get(c.rule_id), c, label)) for c in able]
    return [(c, value) for c, value in values if value is not None]


def _candidates(
    evidence: Evidence, suspicions: dict[str, Suspicion], models: Sequence["ScanModel"], label: int
) -> list[_Candidate]:
    """Reconstruct a trigger from every hint about a class that is strong enough."""
    found = []
    for criterion in CRITERIA:
        suspicion = suspicions.get(criterion.rule_id)
        for hint in suspicion.hints if suspicion else ():
            if hint.label != label or hint.strength < criterion.hint:
                continue
            filled = hint if len(hint.carriers) or hint.mask is None else carriers_of_mask(evidence, hint)
            if len(filled.carriers) < _LEAST_CARRIERS:
                continue
            trigger = reconstruct(evidence, filled)
            if trigger is not None:
                trigger = pruned(evidence, models[0], trigger, label) if models else trigger
                carriers = matches(evidence, trigger, filled)
                found.append(_Candidate(filled, criterion.rule_id, trigger, carriers, None))
    return found


def _most_moving(
    evidence: Evidence,
    models: Sequence["ScanModel"],
    candidates: list[_Candidate],
    test: TransplantTest,
    label: int,
) -> _Candidate | None:
    """Return the candidate that turns most images, on other images than those of the test; ``None`` if none turns any.

    One candidate of a class is tested, so that the p-value need not pay for the others.
    """
    if not models:
        return None
    moved = [max(test.flip_rates(evidence, models[0], one.trigger, label).values(), default=0.0) for one in candidates]
    return candidates[int(np.argmax(moved))] if max(moved, default=0.0) >= _SCREEN else None


def _decide(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    label: int,
    loud: list[tuple[Criterion, float]],
    candidates: list[_Candidate],
    passing: list[_Candidate],
    tested: int,
) -> Raised:
    """Put together what is known of a class that stands out."""
    # Without proof, carriers are believed only where the data themselves stand out, not where a model was asked.
    seen = {c.rule_id for c, _ in loud} - {"TI01"}
    best = _best(passing or [one for one in candidates if one.rule_id in seen])
    causes = benign_causes(evidence, best.trigger if best else None, label, best.carriers if best else _nobody())
    proven = bool(passing) and not causes
    reasons = [_proof(best.test)] if best and best.test and passing else []
    reasons += [f"{c.rule_id}: {c.says} (statistic {value:.3g})" for c, value in loud]
    if best and best.test and not passing:
        reasons.append(_no_proof(best.test))
    p_value, method = _p_value(suspicions, best, label, loud, tested, proven=bool(passing))
    carriers = best.carriers if best else _carriers_by_rank(evidence, suspicions, label)
    carriers = carriers[~evidence.trusted[carriers]]
    rule = best.rule_id if best else loud[0][0].rule_id
    alarm = Alarm(
        label=label,
        class_name=evidence.classes[label],
        tier="confirmed" if proven else "suspicious",
        rule_id=rule,
        reasons=tuple(reasons),
        p_value=p_value,
        p_method=method,
        carriers=len(carriers),
        trigger=best.trigger.estimate() if best else None,
        transplant=best.test if best else None,
        benign=causes,
    )
    return Raised(alarm, carriers, best.trigger if best else None)


def _best(candidates: list[_Candidate]) -> _Candidate | None:
    """Prefer what moved the model most; among equals a patch, which says most, and the order of the criteria."""
    return max(
        candidates,
        key=lambda one: (one.test.flip_rate.value if one.test else 0, one.trigger.kind == "patch"),
        default=None,
    )


def _passes(test: Transplant, tested: int) -> bool:
    gain = test.flip_rate.value - max(test.untouched_rate, test.control_mean)
    return test.p_value * tested <= ALPHA and gain >= LEAST_GAIN


def _replicated(
    evidence: Evidence, one: _Candidate, label: int, witnesses: Sequence["ScanModel"], test: TransplantTest, tested: int
) -> bool:
    """Tell whether models trained with other seeds agree."""
    results = [test.run(evidence, model, one.trigger, label, one.carriers) for model in witnesses]
    return all(result is not None and _passes(result, tested) for result in results)


def _stands_out(suspicion: Suspicion | None, criterion: Criterion, label: int) -> float | None:
    """Return the class's statistic if it is an alarm by itself."""
    if suspicion is None:
        return None
    value = float(suspicion.class_stats[label])
    others = np.delete(suspicion.class_stats, label)
    others = others[np.isfinite(others)]
    excess = value - (float(np.median(others)) if len(others) else 0.0)
    return value if excess >= criterion.above and value + excess >= criterion.alarm else None


def _p_value(
    suspicions: dict[str, Suspicion],
    best: _Candidate | None,
    label: int,
    loud: list[tuple[Criterion, float]],
    tested: int,
    *,
    proven: bool,
) -> tuple[float, str]:
    if best and best.test and proven:
        adjusted = min(1.0, best.test.p_value * tested)
        return adjusted, f"transplant test, exact, adjusted for {tested} tested candidate{'s' * (tested > 1)}"
    values = [_class_p(suspicions[c.rule_id].class_stats, label) for c, _ in loud]
    return min(1.0, min(values) * len(CRITERIA)), "class statistic against the other classes, approximate"


def _class_p(statistics: FloatArray, label: int) -> float:
    """Return the tail of a class among the others, by Student's t for one more observation; 1 for fewer than three."""
    others = np.delete(statistics, label)
    others = others[np.isfinite(others)]
    if len(others) < 3:
        return 1.0
    spread = max(float(others.std(ddof=1)), 0.01) * np.sqrt(1 + 1 / len(others))
    return float(stats.t.sf((float(statistics[label]) - others.mean()) / spread, len(others) - 1))


def _proof(test: Transplant) -> str:
    rate = test.flip_rate
    return (
        f"Pasted on images of other classes ({test.strength}), the reconstructed trigger turns "
        f"{100 * rate.value:.1f} % of them [{100 * rate.low:.1f}, {100 * rate.high:.1f}] to this class; "
        f"{test.controls} controls turn {100 * test.control_mean:.1f} % on average, "
        f"{100 * test.control_worst:.1f} % at most"
    )


def _no_proof(test: Transplant) -> str:
    return (
        f"Not confirmed: pasted on images of other classes it turns {100 * test.flip_rate.value:.1f} % of them, "
        f"controls up to {100 * test.control_worst:.1f} %"
    )


def _carriers_by_rank(evidence: Evidence, suspicions: dict[str, Suspicion], label: int) -> IntArray:
    """Return the members beyond all but one in a thousand samples of the other classes, where residuals alarmed."""
    members, others = evidence.members(label), evidence.labels != label
    for rule in ("RC01", "NR01"):
        scores = suspicions[rule].scores if rule in suspicions else None
        if scores is not None and np.isfinite(scores[others]).any():
            beyond: IntArray = members[scores[members] > np.nanquantile(scores[others], 0.999)]
            return beyond
    return _nobody()


def _nobody() -> IntArray:
    return np.empty(0, np.int64)
