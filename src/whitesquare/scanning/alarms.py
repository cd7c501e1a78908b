"""Which classes stand out, and whether the trigger found there does anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whitesquare._base.crew import Crew
from whitesquare._base.machine import usable_cores
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.scanning.benign import benign_causes
from whitesquare.scanning.candidates import LEAST_CARRIERS, Carried, first_carried
from whitesquare.scanning.closeup import Closer, Sight
from whitesquare.scanning.content import NATURAL, ContentTest
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
    stands_out,
)
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.members import all_carriers
from whitesquare.scanning.noticed import Noticed, closer_looks, notice
from whitesquare.scanning.running import one_thread_each
from whitesquare.scanning.told import (
    CLOSE_UP,
    told_exclusive,
    told_failure,
    told_natural,
    told_proof,
    told_statistic,
    told_strewn,
    told_unproven,
)
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
        "area under the curve by which the rest of an image tells who has what is natural, at least": NATURAL,
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


def raise_alarms(
    evidence: Evidence,
    suspicions: dict[str, Suspicion],
    models: Sequence[Classifier],
    test: TransplantTest,
    closer: Closer | None = None,
    sizes: IntArray | None = None,
) -> tuple[tuple[Raised, ...], tuple[str, ...]]:
    """Return the classes that stand out, the strongest tier first, and a word on those that only a model sets apart.

    Args:
        evidence: what was scanned.
        suspicions: by rule id.
        models: the first finds, the others must agree; none in a model-free scan.
        test: settings of the transplant test.
        closer: who looks at what the models see averaged down; ``None`` where they see everything.
        sizes: ``(K,)`` samples of each class that the statistics are of; ``None`` for those of the evidence.
    """
    whole = Sight(evidence, models)
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes)) if sizes is None else sizes
    with Crew(usable_cores(), one_thread_each) as crew:
        noticed = list(
            crew.map(lambda label: notice(whole, suspicions, test, label, sizes), np.unique(evidence.labels).tolist())
        )
    close = closer_looks(closer, evidence, noticed, test)
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
            notes.extend(_told(evidence, suspicions, each))
    return tuple(sorted(raised, key=lambda one: (one.alarm.tier != "confirmed", one.alarm.p_value))), tuple(notes)


def _told(evidence: Evidence, suspicions: dict[str, Suspicion], noticed: Noticed) -> list[str]:
    """Say why a class that stands out is not accused: what it shows is its own, or only a model sets it apart."""
    name, said = evidence.classes[noticed.label], []
    for criterion, _ in noticed.loud:
        statistic = told_statistic(criterion, suspicions[criterion.rule_id].class_stats, noticed.label)
        if criterion.asks_model:
            tried = noticed.moving.test if noticed.moving else None
            said.append(told_unproven(name, criterion, statistic, tried))
        else:
            said.append(told_natural(name, criterion, statistic, noticed.natural[criterion.rule_id]))
    return said


def _tried(noticed: Noticed, test: TransplantTest, tested: int) -> tuple[Noticed, bool]:
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
    noticed: Noticed,
    tested: int,
    *,
    proven: bool,
) -> Raised:
    """Put together what is known of a class that stands out."""
    label, moving = noticed.label, noticed.moving
    loud = noticed.loud if proven else noticed.accused
    best = moving if proven else _clearest(evidence, noticed)
    rule = best.rule_id if best else _loudest(noticed)
    carriers = (
        _all_carriers(evidence, suspicions, noticed, best)
        if best
        else _carriers_by_rank(evidence, suspicions, rule, label)
    )
    strewn = noticed.strewn[rule].content if not proven and rule in noticed.strewn else None
    scores = None if proven or strewn else suspicions[rule].scores
    grouped = not proven and noticed.natural.get(rule) is not None
    causes = benign_causes(evidence, best.trigger if best else None, label, carriers, scores, grouped=grouped)
    if best and evidence.model is not None and moving is None:
        causes = (*causes, "no model follows it: a mark of one source, or poison that did not take")
    if not proven and rule in _GRAIN_RULES:
        causes = (*causes, "a part of the class has another grain: another camera, scanner or compression, or noise")
    reasons = [_reason(evidence, suspicions, c, label) for c, _ in loud]
    if best and best.test:
        reasons = [told_proof(best.test), *reasons] if proven else [*reasons, told_failure(best.test)]
    if proven and noticed.sight.windows:
        reasons.insert(1, CLOSE_UP)
    if strewn:
        reasons.append(told_strewn(strewn))
    p_value, method = _p_value(evidence, suspicions, best, noticed, strewn, tested, proven=proven)
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


def _reason(evidence: Evidence, suspicions: dict[str, Suspicion], criterion: Criterion, label: int) -> str:
    """Say by what a class stands out, and how far, or that it does not, where it is accused all the same."""
    statistics = suspicions[criterion.rule_id].class_stats
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    far = stands_out(criterion, statistics, sizes, label)
    how = told_statistic(criterion, statistics, label) if far else told_exclusive(statistics, label)
    return f"{criterion.rule_id}: {criterion.says} ({how})"


def _all_carriers(evidence: Evidence, suspicions: dict[str, Suspicion], noticed: Noticed, best: Carried) -> IntArray:
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


def _clearest(evidence: Evidence, noticed: Noticed) -> Carried | None:
    """Return, where nothing is proven, what says best who carries it: a patch; of several of its kind, the tested one.

    A faint pattern that many more carry comes first: where it makes bright images white, a patch is made of that.

    Carriers are believed only where the data themselves stand out, not where a model was asked.
    """
    seen = {criterion.rule_id for criterion, _ in noticed.accused if not criterion.asks_model}
    believed = [one for one in noticed.candidates if one.rule_id in seen]
    ordered = sorted(believed, key=lambda one: one.trigger.kind.vague)
    found = first_carried(evidence, ordered)
    if found and found.rule_id in noticed.strewn:
        return found  # what moves a model more may be what is natural beside it
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
    noticed: Noticed,
    strewn: ContentTest | None,
    tested: int,
    *,
    proven: bool,
) -> tuple[float, str]:
    if best and best.test and proven:
        adjusted = min(1.0, best.test.p_value * tested)
        return adjusted, f"transplant test, exact, adjusted for {tested} tested candidate{'s' * (tested > 1)}"
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    classes = int(np.count_nonzero(sizes))
    values = [alarm_p(c, suspicions[c.rule_id].class_stats, sizes, noticed.label) for c, _ in noticed.accused]
    by_statistic = min(1.0, min(values) * classes * len(CRITERIA))
    if strewn and strewn.p_value(classes) < by_statistic:
        return strewn.p_value(classes), "what the rest of the images tells of the carriers, approximate"
    return by_statistic, "class statistic against the other classes, approximate"


def _loudest(noticed: Noticed) -> str:
    """Return the rule that speaks for a class where no trigger can be rebuilt: one that tells carriers comes first."""
    loud = [criterion.rule_id for criterion, _ in noticed.accused]
    return next((rule for rule in BY_RANK if rule in loud), loud[0])


def _carriers_by_rank(evidence: Evidence, suspicions: dict[str, Suspicion], rule: str, label: int) -> IntArray:
    """Return the members that stand out by the ranks of a rule that tells carriers."""
    if rule not in BY_RANK:
        return np.empty(0, np.int64)
    return beyond_others(suspicions[rule].scores, evidence.labels == label, RANKED_SHARE)
