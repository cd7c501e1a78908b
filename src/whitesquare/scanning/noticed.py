"""What is noticed of a class before anything is proven: by what it stands out, and what may be its trigger."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.scanning.candidates import Candidate, Carried, candidates_of, leading
from whitesquare.scanning.closeup import Closer, Sight
from whitesquare.scanning.content import ContentTest, ShownMark, shown_by
from whitesquare.scanning.criteria import (
    ALPHA,
    CRITERIA,
    Criterion,
    is_exclusive,
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
        strewn: by rule, the mark that was put there, as far as the rest of the images says.
    """

    label: int
    loud: list[tuple[Criterion, float]]
    candidates: list[Candidate]
    moving: Carried | None
    sight: Sight
    sure: frozenset[str] = frozenset()
    natural: dict[str, ContentTest | None] = field(default_factory=dict)
    strewn: dict[str, ShownMark] = field(default_factory=dict)

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
    loud = dict(loud_criteria(evidence, suspicions, label))
    natural: dict[str, ContentTest | None] = {}
    strewn: dict[str, ShownMark] = {}
    for criterion in CRITERIA:
        if criterion.ceiling is None or criterion.rule_id not in suspicions:
            continue
        suspicion = suspicions[criterion.rule_id]
        own = [hint for hint in suspicion.hints if hint.label == label]
        found = _shown(evidence, criterion, suspicion, label, own, loud=criterion in loud)
        at_best = _shown(
            evidence, criterion, suspicion, label, _of_the_best(evidence, suspicion, label, own), loud=False
        )
        if least := _put_there(evidence, [*found, *at_best]):
            strewn[criterion.rule_id] = least
        elif found and all(one.is_natural for one in found):
            natural[criterion.rule_id] = found[0].content
    # What no model can be asked about is worth the trouble only where the class stands out by itself.
    candidates = candidates_of(evidence, suspicions, models, label) if models or loud else []
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    standing = {c: suspicions[c.rule_id].class_stats for c in CRITERIA if c in loud or c.rule_id in strewn}
    return Noticed(
        label,
        [(criterion, float(statistics[label])) for criterion, statistics in standing.items()],
        [*(one.candidate for one in strewn.values()), *candidates],
        leading(evidence, models, candidates, test, label),
        sight,
        frozenset(c.rule_id for c, statistics in standing.items() if stands_out_surely(c, statistics, sizes, label)),
        natural,
        strewn,
    )


def _of_the_best(evidence: Evidence, suspicion: Suspicion, label: int, hints: list[Hint]) -> list[Hint]:
    """Hint at those of a class that show its very best: of all that are near it, these show one and the same."""
    if any(hint.places is not None for hint in hints):
        return []
    best, members = suspicion.class_stats[label], evidence.members(label)
    return [Hint(label, float(best), members[suspicion.scores[members] >= best])]


def _shown(
    evidence: Evidence, criterion: Criterion, suspicion: Suspicion, label: int, hints: list[Hint], *, loud: bool
) -> list[ShownMark]:
    """Say who carries what is hinted at: what hardly anybody else shows, or, of a loud class, all of it."""
    sizes, statistic = np.bincount(evidence.labels), float(suspicion.class_stats[label])
    asked = [hint for hint in hints if loud or is_exclusive(criterion, statistic, sizes, label, len(hint.carriers))]
    found = candidates_of(evidence, {criterion.rule_id: replace(suspicion, hints=tuple(asked))}, (), label)
    shown = [shown_by(evidence, candidate) for candidate in found]
    return [
        replace(one, exclusive=is_exclusive(criterion, statistic, sizes, label, one.carriers)) for one in shown if one
    ]


def _put_there(evidence: Evidence, shown: Sequence[ShownMark]) -> ShownMark | None:
    """Return the mark of which the rest of the images tells least, if that is too little for a natural one."""
    asked = [(one.content.auc, number) for number, one in enumerate(shown) if one.content and one.exclusive]
    least = shown[min(asked)[1]] if asked else None
    classes = len(np.unique(evidence.labels))
    return least if least and least.content and least.content.p_value(classes) <= ALPHA else None


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
