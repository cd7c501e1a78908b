"""This thread: one task after the other, without a process or a library more than the tasks need."""

from collections.abc import Sequence
from dataclasses import dataclass

from whitesquare.executor.types import Item, Outcome, Outcomes, Result, Shared, Work, reason


@dataclass(frozen=True)
class InlineExecutor:
    """Run tasks here, in their order."""

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`."""
        for index, item in enumerate(items):
            try:
                outcome = Outcome(index, work(item, shared))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this task's failure
                outcome = Outcome(index, None, reason(error))
            yield outcome
