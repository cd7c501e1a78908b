"""What is noticed of a class before anything is proven: by what it stands out, and what may be its trigger."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.scanning.candidates import Candidate, Carried, candidates_of, leading
from whitesquare.scanning.closeup import Closer, Sight
from whitesquare.scanning.content import ContentTest, shown_by
from whitesquare.scanning.criteria import (
    ALPHA,
    CRITERIA,
    Criterion,
    is_exclusive,
    is_offered,
    loud_criteria,
    stands_out_surely,
)
from whitesquare.scanning.transplant import TransplantTest


@dataclass(frozen=True)
class Noticed:
    """A class: by what it stands out, what may be its trigger, which of these moves a model most, and how it sees.

    Attributes:
        label: the class.
        loud: criteria by which it stands out, or by which what it shows was put there, with its statistics.
        candidates: what may be its trigger.
        moving: the candidate that is to be tested; ``None`` if none moves a model.
        sight: what was looked at.
        sure: rules of those by which it stands out surely.
        natural: by rule, what the rest of the images says where what the class shows is its own; ``None`` where all of
            it does.
        strewn: by rule, what the rest of the images says where what the class shows was put there.
    """

    label: int
    loud: list[tuple[Criterion, float]]
    candidates: list[Candidate]
    moving: Carried | None
    sight: Sight
    sure: frozenset[str] = frozenset()
    natural: dict[str, ContentTest | None] = field(default_factory=dict)
    strewn: dict[str, ContentTest] = field(default_factory=dict)

    @property
    def accused(self) -> list[tuple[Criterion, float]]:
        """Criteria by which it stands out surely, or in what is not its own."""
        return [one for one in self.loud if one[0].rule_id in self.sure or one[0].rule_id not in self.natural]

    @property
    def seen(self) -> bool:
        """Whether the data stand out, and not only what a model says of them."""
        return not all(criterion.asks_model for criterion, _ in self.accused)


def notice(sight: Sight, suspicions: dict[str, Suspicion], test: TransplantTest, label: int) -> Noticed:
    """Reconstruct what may be triggers of a class, ask the rest of its images, and find what moves a model most."""
    evidence, models = sight.evidence, sight.models
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    statistics = {rule: one.class_stats for rule, one in suspicions.items()}
    offered = [c for c in CRITERIA if c.rule_id in statistics and is_offered(c, statistics[c.rule_id], sizes, label)]
    loud = loud_criteria(evidence, suspicions, label)
    # What no model can be asked about is worth the trouble only where the class stands out by itself.
    asked = suspicions if models or loud else {c.rule_id: suspicions[c.rule_id] for c in offered}
    candidates = candidates_of(evidence, asked, models, label) if asked else []
    natural: dict[str, ContentTest | None] = {}
    strewn: dict[str, ContentTest] = {}
    for criterion in offered:
        rule = criterion.rule_id
        shown = [one for each in candidates if each.rule_id == rule and (one := shown_by(evidence, each))]
        strange = [
            one.content
            for one in shown
            if one.content and is_exclusive(criterion, float(statistics[rule][label]), sizes, label, one.carriers)
        ]
        least = min(strange, key=lambda one: one.auc, default=None)
        if least and least.p_value(int(np.count_nonzero(sizes))) <= ALPHA:
            strewn[rule] = least
        elif shown and all(one.is_natural for one in shown):
            natural[rule] = shown[0].content
    known = [criterion for criterion, _ in loud]
    loud = [(c, float(statistics[c.rule_id][label])) for c in CRITERIA if c in known or c.rule_id in strewn]
    sure = frozenset(c.rule_id for c in known if stands_out_surely(c, statistics[c.rule_id], sizes, label))
    moving = leading(evidence, models, candidates, test, label)
    return Noticed(label, loud, candidates, moving, sight, sure, natural, strewn)


def closer_looks(
    closer: Closer | None, evidence: Evidence, noticed: Sequence[Noticed], test: TransplantTest
) -> dict[int, Noticed]:
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
