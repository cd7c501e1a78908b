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
from whitesquare.types import IntArray


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


def notice(
    sight: Sight, suspicions: dict[str, Suspicion], test: TransplantTest, label: int, sizes: IntArray
) -> Noticed:
    """Reconstruct what may be triggers of a class, ask the rest of its images, and find what moves a model most.

    Args:
        sight: what is looked at.
        suspicions: by rule id.
        test: settings of the transplant test.
        label: the class.
        sizes: ``(K,)`` samples of each class that the statistics are of: in shards, of more than is looked at.
    """
    evidence, models = sight.evidence, sight.models
    loud = [criterion for criterion, _ in loud_criteria(evidence, suspicions, label)]
    natural, strewn = ask_content(evidence, suspicions, label, sizes, loud)
    # What no model can be asked about is worth the trouble only where the class stands out by itself.
    hinted = candidates_of(evidence, suspicions, models, label) if models or loud else []
    candidates = [*(one.candidate for one in strewn.values()), *hinted]
    standing = {c: suspicions[c.rule_id].class_stats for c in CRITERIA if c in loud or c.rule_id in strewn}
    looked_at = np.bincount(evidence.labels, minlength=len(evidence.classes))
    return Noticed(
        label,
        [(criterion, float(statistics[label])) for criterion, statistics in standing.items()],
        candidates,
        leading(evidence, models, candidates, test, label),
        sight,
        frozenset(c.rule_id for c, found in standing.items() if stands_out_surely(c, found, looked_at, label)),
        natural,
        strewn,
    )


def ask_content(
    evidence: Evidence, suspicions: dict[str, Suspicion], label: int, sizes: IntArray, loud: Sequence[Criterion]
) -> tuple[dict[str, ContentTest | None], dict[str, ShownMark]]:
    """Return, by rule, what a class shows in detail and is its own, and what was put there; see :class:`Noticed`.

    Args:
        evidence: what is looked at.
        suspicions: by rule id.
        label: the class.
        sizes: ``(K,)`` samples of each class that the statistics are of.
        loud: criteria of which all is asked about that was hinted at, and not only what hardly anybody else shows.
    """
    natural: dict[str, ContentTest | None] = {}
    strewn: dict[str, ShownMark] = {}
    for criterion in CRITERIA:
        suspicion = suspicions.get(criterion.rule_id)
        if criterion.ceiling is None or suspicion is None:
            continue
        own = [hint for hint in suspicion.hints if hint.label == label]
        asked = [hint for hint in own if criterion in loud or _is_rare(criterion, hint, sizes)]
        best = [hint for hint in _of_the_best(evidence, suspicion, label, own) if _is_rare(criterion, hint, sizes)]
        hinted = {criterion.rule_id: replace(suspicion, hints=(*asked, *best))}
        found = [shown_by(evidence, candidate) for candidate in candidates_of(evidence, hinted, (), label)]
        shown = [one for one in found if one]
        if least := _put_there(evidence, criterion, shown, sizes):
            strewn[criterion.rule_id] = least
        elif shown and all(one.is_natural for one in shown):
            natural[criterion.rule_id] = shown[0].content
    return natural, strewn


def _is_rare(criterion: Criterion, hint: Hint, sizes: IntArray) -> bool:
    return is_exclusive(criterion, hint.strength, sizes, hint.label, len(hint.carriers))


def _of_the_best(evidence: Evidence, suspicion: Suspicion, label: int, hints: list[Hint]) -> list[Hint]:
    """Hint at those of a class that show its very best: of all that are near it, these show one and the same."""
    if any(hint.places is not None or hint.mask is not None for hint in hints):
        return []
    best, members = suspicion.class_stats[label], evidence.members(label)
    return [Hint(label, float(best), members[suspicion.scores[members] >= best])]


def _put_there(
    evidence: Evidence, criterion: Criterion, shown: Sequence[ShownMark], sizes: IntArray
) -> ShownMark | None:
    """Return the mark that is least likely natural, of those that hardly anybody else shows, if that is enough."""
    classes, asked = len(np.unique(evidence.labels)), []
    for number, one in enumerate(shown):
        hint = one.candidate.hint
        if one.content and is_exclusive(criterion, hint.strength, sizes, hint.label, one.carriers):
            asked.append((one.content.p_value(classes), number))
    chance, number = min(asked, default=(1.0, 0))
    return shown[number] if chance <= ALPHA else None


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
