"""What people decided, held against the data at hand: samples that changed since, ids and classes that are none."""

import hashlib
from collections.abc import Iterable
from difflib import get_close_matches

from whitesquare.deciding.types import Standing
from whitesquare.errors import DataError, unknown_name
from whitesquare.types import ImageDataset

_FEW = 3


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
