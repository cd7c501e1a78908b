"""The vocabulary of executors: a task, what it reads, and how it ended."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from whitesquare.errors import WhitesquareError

Item = TypeVar("Item")
Result = TypeVar("Result")

Shared = Mapping[str, NDArray[Any]]
"""Arrays by name, read-only, the same memory for all tasks of a machine; one is loaded when it is first asked for."""

Work = Callable[[Item, Shared], Result]
"""A function at the top level of an importable module: other processes find it there by its name."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """How one task ended.

    Attributes:
        index: position of its item.
        value: what it returned; ``None`` if it failed.
        failure: one sentence saying why it failed; ``None`` if it did not.
    """

    index: int
    value: Result | None
    failure: str | None = None


Outcomes = Generator[Outcome[Result], None, None]


class Executor(Protocol):
    """Applies one function to many items."""

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item, in the order in which they end; closed before the end, it stops the work.

        Args:
            work: called as ``work(item, shared)``; it must not keep or write to what it reads.
            items: one per task; small, for they travel.
            shared: large arrays, for all tasks.
        """


def reason(error: BaseException) -> str:
    """Say in one sentence why a task failed: our own sentence as it is, any other error with its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, WhitesquareError) else f"{type(error).__name__}: {text or 'no message'}"
