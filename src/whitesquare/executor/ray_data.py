"""Ray Data: tasks as rows of a data set that actors map, each of which holds what its work keeps between tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from whitesquare.executor.types import Item, Outcomes, Result, Shared, Work


@dataclass(frozen=True)
class RayDataExecutor:
    workers: int
    address: str

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        raise NotImplementedError
