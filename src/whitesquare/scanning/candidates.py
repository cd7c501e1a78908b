"""What may be the trigger of a class: rebuilt from hints, and which of several is worth a test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.scanning.criteria import CRITERIA, FAINT_RULES
from whitesquare.scanning.marks.faint import rebuilt
from whitesquare.scanning.marks.reconstruct import carriers_of_mask, reconstruct
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.prune import pruned
from whitesquare.scanning.transplant import TransplantTest
from whitesquare.scanning.types import Transplant
from whitesquare.types import Classifier, IntArray

_SCREEN = 0.7
"""Of what its kind must turn at least, what a candidate must turn of other images, to be worth the test."""
_APART = 0.1
"""Of a class, those that must not carry what has no place of its own: what all but a few are like is the class itself,
and those few are unlike it in more than that."""
LEAST_CARRIERS = 10
"""Members of a class that must carry what may be its trigger."""


@dataclass(frozen=True)
class Candidate:
    """What may be a trigger, the hint of a rule that it was rebuilt from, and what it was before a model pruned it.

    It is exact where the hint was a place at which carriers are alike to the grey level.
    """

    hint: Hint
    rule_id: str
    trigger: FoundTrigger
    found: FoundTrigger
    exact: bool = False


@dataclass(frozen=True)
class Carried:
    """A candidate with those that carry it, how strong it is pasted, and what it does to a model, once tested."""

    rule_id: str
    trigger: FoundTrigger
    carriers: IntArray
    exact: bool = False
    strength: str = ""
    test: Transplant | None = None


def candidates_of(
    evidence: Evidence, suspicions: dict[str, Suspicion], models: Sequence[Classifier], label: int
) -> list[Candidate]:
    """Reconstruct a trigger from every hint about a class that is strong enough."""
    found = []
    for criterion in CRITERIA:
        suspicion = suspicions.get(criterion.rule_id)
        for hint in suspicion.hints if suspicion else ():
            exact = hint.mask is not None and len(hint.carriers) > 0
            # By such a place the class itself is measured: what makes it stand out is worth a test.
            if hint.label != label or hint.strength < (criterion.above if exact else criterion.hint):
                continue
            filled = hint if len(hint.carriers) or hint.mask is None else carriers_of_mask(evidence, hint)
            if len(filled.carriers) < LEAST_CARRIERS:
                continue
            faint = criterion.rule_id in FAINT_RULES
            whole = rebuilt(evidence, filled.carriers) if faint else reconstruct(evidence, filled)
            if whole is not None:
                trigger = pruned(evidence, models[0], whole, label) if models else whole
                found.append(Candidate(filled, criterion.rule_id, trigger, whole, exact))
    return found


def _moving(
    evidence: Evidence,
    models: Sequence[Classifier],
    candidates: list[Candidate],
    test: TransplantTest,
    label: int,
) -> list[Candidate]:
    """Return the candidates that turn enough images, on others than those of the test, the one that turns most first.

    One candidate of a class is tested, so that the p-value need not pay for the others.
    """
    if not models:
        return []
    moved = [max(test.flip_rates(evidence, models[0], one.trigger, label).values(), default=0.0) for one in candidates]
    far = np.array([rate / one.trigger.kind.least_gain for rate, one in zip(moved, candidates, strict=True)])
    images = [one.trigger.images for one in candidates]
    return [candidates[place] for place in np.lexsort((np.negative(images), -far)) if far[place] >= _SCREEN]


def leading(
    evidence: Evidence, models: Sequence[Classifier], candidates: list[Candidate], test: TransplantTest, label: int
) -> Carried | None:
    """Return, of the most moving candidate of each kind, the one that is farthest ahead of controls of its own.

    What moves a model most need not be it: what a class is like moves it as well, and so do the controls made of that.
    """
    moving = _moving(evidence, models, candidates, test, label)
    kinds = dict.fromkeys(one.trigger.kind.name for one in moving)
    found = [first_carried(evidence, [one for one in moving if one.trigger.kind.name == name]) for name in kinds]
    ahead: list[tuple[float, Carried]] = []
    for one in found:
        if one and _comparable(evidence, one, label):
            strength, lead = test.lead(evidence, models[0], one.trigger, label, one.carriers)
            ahead.append((lead, replace(one, strength=strength)))
    return max(ahead, key=lambda pair: pair[0])[1] if ahead else None


def _comparable(evidence: Evidence, one: Carried, label: int) -> bool:
    """Tell whether enough of a class do not carry what may be its trigger, for controls to be made of them."""
    members = evidence.members(label)
    left = len(np.setdiff1d(members, one.carriers))
    return left > (0 if one.trigger.kind.placed else _APART * len(members))


def first_carried(evidence: Evidence, candidates: list[Candidate]) -> Carried | None:
    """Return the first candidate that enough members of the class carry: who carries one costs a whole pass."""
    for one in candidates:
        carriers = one.trigger.kind.carriers(evidence, one.trigger, one.hint)
        if len(carriers) >= LEAST_CARRIERS:
            return Carried(one.rule_id, one.trigger, carriers, one.exact)
    return None
