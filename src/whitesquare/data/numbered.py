"""Shards whose names hold a number: whether some of them are missing; needs no NumPy, and reads none of them."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from whitesquare.errors import DataError

_OF = re.compile(r"-(\d{5})-of-(\d{5})(?=\.(?:parquet|tar)$)", re.IGNORECASE)
"""How shards say which they are of how many."""
_NUMBER = re.compile(r"\d+(?=\D*$)")
"""The last number in a name."""
_FEW = 3


def check_whole(files: Sequence[Path]) -> None:
    """Refuse some of the shards that say by their names how many they are.

    Raises:
        DataError: some are missing, or there are those of two sets under one name.
    """
    sets: dict[tuple[Path, str], dict[int, dict[int, str]]] = {}
    for path in files:
        if part := _OF.search(path.name):
            known = sets.setdefault((path.parent, path.name[: part.start()]), {})
            known.setdefault(int(part[2]), {})[int(part[1])] = path.name
    for (folder, _), known in sets.items():
        if len(known) > 1:
            one, other = (next(iter(names.values())) for names in [*known.values()][:2])
            raise DataError(f"{folder} has shards of two sets, as {one} and {other}; keep those of one of them.")
        for count, names in known.items():
            first = 0 if 0 in names else 1
            if names.keys() != set(range(first, first + count)):
                raise DataError(
                    f"{folder} has {len(names)} of the {count} shards that {next(iter(names.values()))} speaks of; add "
                    "the others."
                )


def gaps_in(files: Iterable[Path]) -> tuple[str, ...]:
    """Say which numbers are missing between those that the names of shards have, where they follow each other else."""
    series: dict[tuple[Path, str, str], dict[int, str]] = {}
    for path in files:
        if found := _NUMBER.search(path.name):
            place = path.parent, path.name[: found.start()], path.name[found.end() :]
            series.setdefault(place, {})[int(found[0])] = found[0]
    told = []
    for (folder, before, after), numbers in series.items():
        missing = [number for number in _between(numbers) if number not in numbers]
        if missing and len(missing) <= len(numbers):
            width = max(map(len, numbers.values()))
            some = ", ".join(f"{before}{number:0{width}d}{after}" for number in missing[:_FEW])
            more = ", ..." if len(missing) > _FEW else ""
            told.append(
                f"{some}{more} would stand between other shards in {folder}, and {_are(len(missing))} not there."
            )
    return tuple(told)


def _between(numbers: dict[int, str]) -> range:
    """Return all numbers from the least to the greatest; none where they are far apart, as days are."""
    least, greatest = min(numbers), max(numbers)
    return range(least, greatest) if greatest - least <= 2 * len(numbers) else range(0)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
