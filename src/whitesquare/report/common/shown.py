"""What a terminal shows of a result, as plain records: sentences, laid-out lines, tables; ``cli`` prints them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BLIND = (
    "The network cannot see the place where the trigger sits: no output moved. That is a blind spot of the network, "
    "not a failure of the attack."
)


@dataclass(frozen=True)
class ShownLines:
    """Lines that are laid out already, each with its line break: no screen breaks them."""

    text: str


@dataclass(frozen=True)
class ShownNext:
    """What to type next: lines that are laid out already, and left out where only the answer is wanted."""

    text: str


@dataclass(frozen=True)
class ShownTable:
    """A table; with ``numbers`` all columns but the first are aligned to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = False


Shown = str | ShownLines | ShownNext | ShownTable
"""A text is a sentence, wrapped to the terminal."""


def laid_out(lines: Iterable[str]) -> list[Shown]:
    """Show lines as they are."""
    return [ShownLines("".join(f"{line}\n" for line in lines))]
