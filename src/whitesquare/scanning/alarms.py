"""Which classes stand out, and whether the trigger found there does anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whitesquare._base.crew import Crew
from whitesquare._base.machine import usable_cores
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.scanning.benign import benign_causes
from whitesquare.scanning.candidates import LEAST_CARRIERS, Candidate, Carried, candidates_of, first_carried, leading
from whitesquare.scanning.closeup import Closer, Sight
from whitesquare.scanning.criteria import (
    ALPHA,
    BY_RANK,
    CRITERIA,
    FAINT_RULES,
    FAINT_SHARE,
    RANKED_SHARE,
    Criterion,
    alarm_p,
    beyond_others,
    loud_criteria,
)
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.members import all_carriers
from whitesquare.scanning.running import one_thread_each
from whitesquare.scanning.told import CLOSE_UP, told_failure, told_proof, told_statistic, told_unproven
from whitesquare.scanning.transplant import TransplantTest
from whitesquare.scanning.types import Alarm, Transplant
from whitesquare.types import Classifier, IntArray

_CLEAR = 0.10
"""Share of images of other classes that a trigger must turn beyond the worst control."""
_PROVEN = ALPHA / 2
"""The largest p-value of a proof, all tests counted: a trigger is the best of several, its controls are not."""
_FAR = 0.5
"""So far beyond the worst control a trigger is proven by its own p-value: small classes have too few controls to pay
for the candidates of all others."""
_NEAR = 0.25
"""What only a closer look shows must turn so many more: it is taken where something stands out, which selects, too."""
_WIDER = 2
"""A faint pattern that so many times as many samples carry as a patch is what was planted."""
_GRAIN_RULES = ("GR01", "NR01")


def thresholds(test: TransplantTest) -> dict[str, float]:
    """Return the bounds by which a class is alarmed and proven, by name: what a scan is held to, for its report."""
    return {
        "chance that clean data raise an alarm of one kind, at most": ALPHA,
        "samples that a rebuilt trigger must be carried by, at least": LEAST_CARRIERS,
        "images turned beyond the worst control, at least": _CLEAR,
        "the same, of what only a closer look shows, at least": _NEAR,
        "controls of a proof, at least": test.controls,
        "images that a trigger is pasted on": test.images,
    }


@dataclass(frozen=True)
class Raised:
    """An alarm with the arrays behind it: the carriers' positions, the trigger, and the closer look that it took."""

    alarm: Alarm
    carriers: IntArray
    trigger: FoundTrigger | None
    sight: Sight | None = None


@dataclass(frozen=True)
class _Noticed:
    """A class: by what it stands out, what may be its trigger, which of these moves a model most, and how it sees."""

    label: int
    loud: list[tuple[Criterion, float]]
    candidates: list[Candidate]
    moving: Carried | None
    sight: Sight

    @property
    def seen(self) -> bool:
        """Whether the data stand out, and not only what a model says of them."""
        return not all(criterion.asks_model for criterion, _ in self.loud)


def raise_alarms(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    models: Sequence[Classifier],
    test: TransplantTest,
    closer: Closer | None = None,
) -> tuple[tuple[Raised, ...], tuple[str, ...]]:
    """Return the classes that stand out, the strongest tier first, and a word on those that only a model sets apart.

    Args:
        evidence: what was scanned.
        suspicions: by rule id.
        models: the first finds, the others must agree; none in a model-free scan.
        test: settings of the transplant test.
        closer: who looks at what the models see averaged down; ``None`` where they see everything.
    """
    whole = Sight(evidence, models)
    with Crew(usable_cores(), one_thread_each) as crew:
        noticed = list(
            crew.map(lambda label: _notice(whole, suspicions, test, label), np.unique(evidence.labels).tolist())
        )
    close = _closer_looks(closer, evidence, noticed, test)
    # Every class pays for every test, whichever came first.
    tested = max(1, sum(each.moving is not None for each in (*noticed, *close.values())))
    test = replace(test, controls=max(test.controls, round(tested / _PROVEN)))
    raised, notes = [], []
    for each in noticed:
        each, proven = _tried(each, test, tested)
        if not proven and each.label in close:
            near, proven = _tried(close[each.label], test, tested)
            each = near if proven else each
        if proven or each.seen:
            raised.append(_decide(evidence, suspicions, each, tested, proven=proven))
        elif each.loud:
            tried = each.moving.test if each.moving else None
            criterion = each.loud[0][0]
            statistic = told_statistic(criterion, suspicions[criterion.rule_id].class_stats, each.label)
            notes.append(told_unproven(evidence.classes[each.label], criterion, statistic, tried))
    return tuple(sorted(raised, key=lambda one: (one.alarm.tier != "confirmed", one.alarm.p_value))), tuple(notes)


def _notice(sight: Sight, suspicions: dict[str, Suspicion], test: TransplantTest, label: int) -> _Noticed:
    """Reconstruct what may be triggers of a class, and find the one that moves a model most."""
    evidence, models = sight.evidence, sight.models
    loud = loud_criteria(evidence, suspicions, label)
    # What no model can be asked about is worth the trouble only where the class stands out by itself.
    candidates = candidates_of(evidence, suspicions, models, label) if models or loud else []
    return _Noticed(label, loud, candidates, leading(evidence, models, candidates, test, label), sight)


def _closer_looks(
    closer: Closer | None, evidence: Evidence, noticed: Sequence[_Noticed], test: TransplantTest
) -> dict[int, _Noticed]:
    """Look closer at the small candidates of all classes; of each class, return what moves a model then."""
    sight = closer.look(evidence, [one for each in noticed for one in each.candidates]) if closer else None
    if sight is None:
        return {}
    near = {
        each.label: replace(each, candidates=sight.of(each.candidates, each.label), sight=sight) for each in noticed
    }
    return {
        label: replace(each, moving=leading(sight.evidence, sight.models, each.candidates, test, label))
        for label, each in near.items()
    }


def _tried(noticed: _Noticed, test: TransplantTest, tested: int) -> tuple[_Noticed, bool]:
    """Test what moves a model most, and tell whether it is proven by that model and all others."""
    moving, sight, label = noticed.moving, noticed.sight, noticed.label
    if moving is None:
        return noticed, False
    least_lead = _CLEAR if sight.windows is None else _NEAR
    found = test.run(sight.evidence, sight.models[0], moving.trigger, label, moving.carriers, moving.strength)
    proven = _passes(found, tested, moving.trigger.kind.least_gain, least_lead) and all(
        # Other models must agree, if they only learned less of it, too: it was not chosen by what they say.
        _passes(
            test.run(sight.evidence, model, moving.trigger, label, moving.carriers, moving.strength),
            tested,
            _CLEAR,
            _CLEAR,
        )
        for model in sight.models[1:]
    )
    tried = replace(moving, trigger=sight.whole(moving.trigger), test=found)
    return replace(noticed, moving=tried), proven


def _decide(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    noticed: _Noticed,
    tested: int,
    *,
    proven: bool,
) -> Raised:
    """Put together what is known of a class that stands out."""
    label, loud, moving = noticed.label, noticed.loud, noticed.moving
    best = moving if proven else _clearest(evidence, noticed)
    rule = best.rule_id if best else _loudest(noticed)
    carriers = (
        _all_carriers(evidence, suspicions, noticed, best)
        if best
        else _carriers_by_rank(evidence, suspicions, rule, label)
    )
    scores = None if proven else suspicions[rule].scores
    causes = benign_causes(evidence, best.trigger if best else None, label, carriers, scores)
    if best and evidence.model is not None and moving is None:
        causes = (*causes, "no model follows it: a mark of one source, or poison that did not take")
    if not proven and rule in _GRAIN_RULES:
        causes = (*causes, "a part of the class has another grain: another camera, scanner or compression, or noise")
    reasons = [
        f"{c.rule_id}: {c.says} ({told_statistic(c, suspicions[c.rule_id].class_stats, label)})" for c, _ in loud
    ]
    if best and best.test:
        reasons = [told_proof(best.test), *reasons] if proven else [*reasons, told_failure(best.test)]
    if proven and noticed.sight.windows:
        reasons.insert(1, CLOSE_UP)
    p_value, method = _p_value(evidence, suspicions, best, label, loud, tested, proven=proven)
    carriers = carriers[~evidence.trusted[carriers]]
    alarm = Alarm(
        label=label,
        class_name=evidence.classes[label],
        tier="confirmed" if proven and not causes else "suspicious",
        rule_id=rule,
        reasons=tuple(reasons),
        p_value=p_value,
        p_method=method,
        carriers=len(carriers),
        trigger=best.trigger.estimate() if best else None,
        transplant=best.test if best else None,
        benign=causes,
    )
    sight = noticed.sight if noticed.sight.windows else None
    return Raised(alarm, carriers, best.trigger if best else None, sight)


def _all_carriers(evidence: Evidence, suspicions: dict[str, Suspicion], noticed: _Noticed, best: Carried) -> IntArray:
    """Return who carries what was found; where carriers share no pixels, the detectors that see it may know more."""
    if best.exact or noticed.sight.windows is not None:
        return best.carriers  # beyond the place where they are alike, others of the class are so by nature
    if best.trigger.kind.by_pixels:
        return all_carriers(evidence, noticed.label, best.carriers)
    if best.rule_id not in FAINT_RULES:
        return best.carriers
    rules = {best.rule_id, *(criterion.rule_id for criterion, _ in noticed.loud)}.intersection(FAINT_RULES)
    own = evidence.labels == noticed.label
    beyond = [beyond_others(suspicions[rule].scores, own, FAINT_SHARE) for rule in rules]
    return np.unique(np.concatenate([best.carriers, *beyond]))


def _clearest(evidence: Evidence, noticed: _Noticed) -> Carried | None:
    """Return, where nothing is proven, what says best who carries it: a patch; of several of its kind, the tested one.

    A faint pattern that many more carry comes first: where it makes bright images white, a patch is made of that.

    Carriers are believed only where the data themselves stand out, not where a model was asked.
    """
    seen = {criterion.rule_id for criterion, _ in noticed.loud if not criterion.asks_model}
    believed = [one for one in noticed.candidates if one.rule_id in seen]
    ordered = sorted(believed, key=lambda one: one.trigger.kind.vague)
    found = first_carried(evidence, ordered)
    if found and found.rule_id not in FAINT_RULES:
        faint = first_carried(evidence, [one for one in ordered if one.rule_id in FAINT_RULES])
        found = faint if faint and len(faint.carriers) >= _WIDER * len(found.carriers) else found
    tried = noticed.moving if noticed.moving and noticed.moving.rule_id in seen else None
    return tried if found and tried and tried.trigger.kind == found.trigger.kind else found


def _passes(test: Transplant | None, tested: int, least_gain: float, least_lead: float) -> bool:
    if test is None:
        return False
    gain = test.flip_rate.value - max(test.untouched_rate, test.control_mean)
    # Controls are made like a trigger, but not selected like it: to be hardly better than the worst proves little.
    lead = test.flip_rate.value - test.control_worst
    far = test.p_value <= ALPHA and lead >= _FAR
    clear = test.p_value * tested <= _PROVEN and lead >= least_lead
    return (far or clear) and gain >= least_gain


def _p_value(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    best: Carried | None,
    label: int,
    loud: list[tuple[Criterion, float]],
    tested: int,
    *,
    proven: bool,
) -> tuple[float, str]:
    if best and best.test and proven:
        adjusted = min(1.0, best.test.p_value * tested)
        return adjusted, f"transplant test, exact, adjusted for {tested} tested candidate{'s' * (tested > 1)}"
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    values = [alarm_p(c, suspicions[c.rule_id].class_stats, sizes, label) for c, _ in loud]
    counted = len(np.unique(evidence.labels)) * len(CRITERIA)
    return min(1.0, min(values) * counted), "class statistic against the other classes, approximate"


def _loudest(noticed: _Noticed) -> str:
    """Return the rule that speaks for a class where no trigger can be rebuilt: one that tells carriers comes first."""
    loud = [criterion.rule_id for criterion, _ in noticed.loud]
    return next((rule for rule in BY_RANK if rule in loud), loud[0])


def _carriers_by_rank(evidence: Evidence, suspicions: dict[str, Suspicion], rule: str, label: int) -> IntArray:
    """Return the members that stand out by the ranks of a rule that tells carriers."""
    if rule not in BY_RANK:
        return np.empty(0, np.int64)
    return beyond_others(suspicions[rule].scores, evidence.labels == label, RANKED_SHARE)
