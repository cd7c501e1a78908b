"""What people decided, held against the data at hand: samples that changed since, ids and classes that are none."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from whitesquare.deciding.findings import Finding
from whitesquare.deciding.review import Review
from whitesquare.deciding.types import DISAGREED, RELABEL, REMOVE, UNSURE, Standing
from whitesquare.errors import DataError, NothingToDoError, UsageError, unknown_name
from whitesquare.types import ImageDataset

_FEW = 3


@dataclass(frozen=True)
class RelabelledSample:
    """A sample that has another class in a copy.

    Attributes:
        id: of the sample.
        before: name of its class.
        after: name of the class that people gave it.
        written: its id in the copy.
    """

    id: str
    before: str
    after: str
    written: str


@dataclass(frozen=True)
class DecidedChanges:
    """What a copy has otherwise, because people decided so.

    Attributes:
        review: what they decided.
        classes: of the data set.
        removed: what is not in the copy, the strongest findings first; what was not flagged has no tier.
        labels: by id, the label of samples that get another one.
        before: by id, the label that these had.
        kept_open: samples about which people are unsure or disagree, and which stay.
        undecided: flagged samples about which nobody decided.
    """

    review: Review
    classes: tuple[str, ...]
    removed: tuple[Finding, ...]
    labels: dict[str, int]
    before: dict[str, int]
    kept_open: tuple[str, ...]
    undecided: tuple[str, ...]

    def relabelled_in(self, written: Mapping[str, str]) -> tuple[RelabelledSample, ...]:
        """Say what has another class, given by id the ids in the copy."""
        return tuple(
            RelabelledSample(id, self.classes[self.before[id]], self.classes[label], written[id])
            for id, label in self.labels.items()
        )


def decided_changes(dataset: ImageDataset, review: Review, *, keep_open: bool) -> DecidedChanges:
    """Turn decisions into what a copy has otherwise; nothing else counts, whatever the scan says.

    Args:
        dataset: what was scanned.
        review: what people decided about it.
        keep_open: keep samples about which people are unsure or disagree.

    Raises:
        UsageError: there are such samples, and they are not to be kept.
        DataError: a sample is not what people looked at, see :func:`check_decided`.
        NothingToDoError: people want nothing changed.
    """
    place = check_decided(dataset, review.decided.values(), str(review.log))
    undecided = tuple(one.id for one in review.open)
    open_ = tuple(id for id, one in review.decided.items() if one.choice in (DISAGREED, UNSURE))
    if open_ and not keep_open:
        unsure, disagreed = len(review.unsure), len(review.disagreed)
        some = ", ".join(f"{id!r:.80}" for id in open_[:_FEW]) + (", ..." if len(open_) > _FEW else "")
        raise UsageError(
            f"People disagree about {disagreed} sample{'s' * (disagreed != 1)} and are unsure about {unsure} ({some}); "
            f"look again with `whitesquare review`, or keep them in the copy with --keep-open."
        )
    flagged = {one.id: one for one in review.scan.findings.flagged}
    order = {name: i for i, name in enumerate(flagged)}
    gone = [id for id, one in review.decided.items() if one.choice == REMOVE]
    removed = tuple(
        flagged.get(id) or Finding(id, int(dataset.labels[place[id]]), "", "", None)
        for id in sorted(gone, key=lambda id: order.get(id, len(order)))
    )
    wanted = {id: dataset.classes.index(one.label) for id, one in review.decided.items() if one.choice == RELABEL}
    before = {id: int(dataset.labels[place[id]]) for id in wanted}
    labels = {id: label for id, label in wanted.items() if label != before[id]}
    if not removed and not labels:
        raise NothingToDoError(
            f"Nothing to change: of the {len(review.decided)} samples decided on in {review.log}, none is to be "
            "removed or to get another class."
        )
    return DecidedChanges(review, dataset.classes, removed, labels, before, open_, undecided)


def told_of(decided: DecidedChanges | None, id: str) -> dict[str, Any]:
    """Say who decided about a sample and why, for ``removed.json``; nothing where nobody was asked."""
    if decided is None:
        return {}
    marks = decided.review.decided[id].by_person.values()
    return {
        "decided": [
            {"by": mark.by, "role": mark.role, "at": mark.at, "choice": mark.choice, "why": mark.why} for mark in marks
        ]
    }


def decided_record(decided: DecidedChanges, relabelled: Iterable[RelabelledSample]) -> dict[str, Any]:
    """Say in ``removed.json`` what was decided besides what was removed."""
    review = decided.review
    data = review.log.read_bytes()[: review.size]
    return {
        "decisions": {"file": str(review.log), "sha256": hashlib.sha256(data).hexdigest(), "counts": review.counts},
        "relabelled": [asdict(one) | told_of(decided, one.id) for one in relabelled],
        "kept_open": list(decided.kept_open),
        "undecided": list(decided.undecided),
    }


def positions_of(dataset: ImageDataset) -> dict[str, int]:
    """Return the position of each sample by its id."""
    return {name: i for i, name in enumerate(dataset.ids)}


def content_of(dataset: ImageDataset, position: int) -> str:
    """Return the SHA-256, hexadecimal, of the content of a sample."""
    return hashlib.sha256(dataset.content(position)).hexdigest()


def check_decided(dataset: ImageDataset, decided: Iterable[Standing], where: str) -> dict[str, int]:
    """Refuse decisions about samples that are not, or no longer, what people looked at.

    Args:
        dataset: the data at hand.
        decided: where samples stand.
        where: the file of decisions, for the errors.

    Returns:
        The position of each decided sample, by id.

    Raises:
        DataError: a sample is not there, has changed since, or is to be relabelled to a class that is none.
    """
    every = positions_of(dataset)
    found: dict[str, int] = {}
    problems: list[str] = []
    for one in decided:
        at = every.get(one.id)
        if at is None:
            problems.append(f"{one.id!r:.200} is not in the data set{nearest(one.id, every)}")
            continue
        if (now := content_of(dataset, at)) != one.content:
            problems.append(f"{one.id!r:.200} has changed since (its content was {one.content[:12]} and is {now[:12]})")
        for mark in one.by_person.values():
            if mark.label and mark.label not in dataset.classes:
                raise DataError(f"{where}, {one.id!r:.200}: {unknown_name('class', mark.label, dataset.classes)}")
        found[one.id] = at
    if problems:
        more = f"; and {len(problems) - _FEW} more" if len(problems) > _FEW else ""
        raise DataError(
            f"{where} speaks of {len(problems)} sample{'s' * (len(problems) != 1)} that "
            f"{'are' if len(problems) != 1 else 'is'} not what people looked at: {'; '.join(problems[:_FEW])}{more}; "
            "put the data back, or scan and decide again."
        )
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the id that looks most like a name, in brackets; empty if none does."""
    near = get_close_matches(name, list(known)[:10_000], n=1)
    return f" (did you mean {near[0]!r:.200}?)" if near else ""
