"""The vocabulary of executors: a task, what it reads, and how it ended."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from whitesquare.errors import ChangedError, DataError, UnfinishedError, WhitesquareError

Item = TypeVar("Item")
Result = TypeVar("Result")

Shared = Mapping[str, NDArray[Any]]
"""Arrays by name, read-only, the same memory for all tasks of a machine; one is loaded when it is first asked for."""

_OF_DATA = (ChangedError, DataError)
NO_MEMORY = "The memory that a process may take is used up"
"""How a failure begins that more memory, or fewer tasks at a time, would have prevented."""

Work = Callable[[Item, Shared], Result]
"""A function at the top level of an importable module: other processes find it there by its name."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """How one task ended.

    Attributes:
        index: position of its item.
        value: what it returned; ``None`` if it failed.
        failure: one sentence saying why it failed; ``None`` if it did not.
        kind: of the failure: that its data cannot be used, or changed, or what befell it and says nothing of them.
    """

    index: int
    value: Result | None
    failure: str | None = None
    kind: type[WhitesquareError] = UnfinishedError


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


Ended = tuple[Result | None, str | None, type[WhitesquareError]]
"""How a task ended, as it travels: value, failure, and its kind; see :class:`Outcome`."""


def attempt(work: Work[Item, Result], item: Item, shared: Shared) -> Ended[Result]:
    """Do a task; whatever is raised in it is its own failure, and not that of the others."""
    try:
        return work(item, shared), None, UnfinishedError
    except Exception as error:  # noqa: BLE001 - a task may be anyone's code
        return failed(error)


def failed(error: BaseException) -> Ended[Result]:
    """Return how a task ended that raised an error."""
    return None, reason(error), next((kind for kind in _OF_DATA if isinstance(error, kind)), UnfinishedError)


def reason(error: BaseException) -> str:
    """Say in one sentence why a task failed: our own sentence as it is, any other error with its kind."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"{NO_MEMORY} ({text or 'the system says no more'})."
    return text if isinstance(error, WhitesquareError) else f"{type(error).__name__}: {text or 'no message'}"
