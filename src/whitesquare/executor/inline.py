"""This thread: one task after the other, without a process or a library more than the tasks need."""

from collections.abc import Sequence
from dataclasses import dataclass

from whitesquare.executor.types import Item, Outcome, Outcomes, Result, Shared, Work, attempt


@dataclass(frozen=True)
class InlineExecutor:
    """Run tasks here, in their order."""

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`."""
        for index, item in enumerate(items):
            yield Outcome(index, *attempt(work, item, shared))
