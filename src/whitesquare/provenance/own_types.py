"""What is stated of a training by code of the user's own, beside what is stated of any."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reads:
    """Readings of a split, each of which was compared with what is signed.

    Attributes:
        samples: number of signed samples.
        smallest: how often the sample that was read least often was read; 0: some were not.
        largest: how often the one that was read most often was.
        total: number of readings.
    """

    samples: int
    smallest: int
    largest: int
    total: int


@dataclass(frozen=True)
class CodeRecord:
    """What code trained, as the person who trained names it.

    Attributes:
        commit: of the repository the files lie in; empty if they lie in none, or there is no ``git``.
        dirty: a file is not the one of that commit.
        files: by name, the SHA-256 (hexadecimal) of each file.
    """

    commit: str
    dirty: bool
    files: dict[str, str]
