"""Where the steps run: this process, processes of this machine, or a Ray cluster; the results are the same."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from whitesquare._base.machine import usable_cores
from whitesquare.errors import UsageError
from whitesquare.executor.inline import InlineExecutor
from whitesquare.executor.types import NO_MEMORY, Executor, Item, Result, Work
from whitesquare.records import Progress, silent


@dataclass(frozen=True)
class Way:
    """How work in shards is driven.

    Attributes:
        workers: processes, or actors on a cluster; ``None`` is one for each core that there is.
        ray: address of a Ray cluster; ``None`` stays on this machine.
        folder: where what is done is kept, so that it can be taken up again; ``None`` keeps nothing.
        group: of a scan: samples of a group at most, where these are not larger than 200 MB.
    """

    workers: int | None = 1
    ray: str | None = None
    folder: Path | None = None
    group: int = 20_000

    def __post_init__(self) -> None:
        """Refuse no worker, and groups in which no class could stand out."""
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"The number of workers must be at least 1; got {self.workers}.")
        if self.group < 1:
            raise UsageError(f"A group must have at least 1 sample; got {self.group}.")
        if self.ray is not None and self.folder is None:
            raise UsageError(
                "Work on a cluster keeps what its nodes do in a folder that all of them see, and none is given; add "
                "--resume DIR."
            )


def _nothing(number: int, result: object) -> None:
    pass


@dataclass(frozen=True)
class Engine:
    """Applies steps to shards.

    Attributes:
        way: where.
        on_progress: told how many are done.
    """

    way: Way
    on_progress: Progress = silent

    def map(
        self,
        step: str,
        work: Work[Item, Result],
        items: Sequence[Item],
        *,
        here: bool = False,
        light: bool = True,
        each: Callable[[int, Result], None] = _nothing,
    ) -> list[Result]:
        """Apply a step to every item and return the results in the items' order, whatever order they end in.

        Args:
            step: what it is called.
            work: the step.
            items: one a shard, small.
            here: only this process can do it.
            light: it needs no PyTorch.
            each: told each item's number and result as soon as there is one; what it raises stops the others.

        Raises:
            DataError: the data of one of them cannot be used; the others are stopped, and what they finished is kept.
            ChangedError: likewise, where they changed under it.
            UnfinishedError: likewise, where a worker died, or something else befell it that says nothing of its data.
        """
        found: dict[int, Result] = {}
        self.on_progress(step, 0, len(items))
        outcomes = self._executor(len(items), here=here, light=light).run(work, items, {})
        try:
            for outcome in outcomes:
                if outcome.failure is not None or outcome.value is None:
                    raise outcome.kind(_said(step, outcome.failure or "TypeError: it gave nothing"))
                each(outcome.index, outcome.value)
                found[outcome.index] = outcome.value
                self.on_progress(step, len(found), len(items))
        finally:
            outcomes.close()
        return [found[index] for index in range(len(items))]

    def _executor(self, items: int, *, here: bool, light: bool) -> Executor:
        if here or not items:
            return InlineExecutor()
        if self.way.ray is not None:
            from whitesquare.executor.apart import ApartExecutor
            from whitesquare.executor.ray_data import RayDataExecutor

            return ApartExecutor(RayDataExecutor(self.way.workers, self.way.ray))
        workers = min(items, self.way.workers or usable_cores())
        if workers == 1:
            return InlineExecutor()
        from whitesquare.executor.processes import ProcessExecutor

        return ProcessExecutor(workers, light=light)


_KEPT = "What is finished is kept where --resume names a folder."
_NOT_OURS = re.compile(r"[A-Za-z_]\w*: ").match
"""How the reason begins of an error that is no sentence of ours: with its kind."""


def _said(step: str, failure: str) -> str:
    """Say what to do where a worker did not end by itself, or met what nobody foresaw."""
    if "worker process died (signal 9)" in failure:
        return (
            f"{failure.rstrip('.')}, as processes do that the machine has no memory for; take fewer --workers, or a "
            f"smaller --size of the images. {_KEPT}"
        )
    if failure.startswith(NO_MEMORY):
        return f"{failure.rstrip('.')}; take fewer --workers, or a smaller --size of the images. {_KEPT}"
    if "worker process died" in failure or _NOT_OURS(failure):
        return (
            f"The step of {step} came to no end: {failure.rstrip('.')}; start it again, with fewer --workers where "
            f"memory is short. {_KEPT}"
        )
    return failure
