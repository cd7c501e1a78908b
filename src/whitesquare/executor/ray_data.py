"""Ray Data: tasks are the rows of a data set that actors map; an actor keeps what its tasks read once, such as a model.

What travels through the object store are tasks and the names of the files that they leave, one task a block: images
are read where they are worked on. A task whose node is lost is given to another actor; an error of its own comes back
as a value, and is not tried again.
"""

import logging
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whitesquare._base.environment import hidden_secrets
from whitesquare.errors import require_extra
from whitesquare.executor.alike import check_alike, computing
from whitesquare.executor.cluster import connect
from whitesquare.executor.types import Ended, Item, Outcome, Outcomes, Result, Shared, Work, attempt, failed


@dataclass(frozen=True)
class RayDataExecutor:
    """Run tasks by ``map_batches`` on a Ray cluster, by actors of one CPU each.

    Attributes:
        workers: actors at most; ``None`` is one for each CPU of the cluster.
        address: of the cluster.
    """

    workers: int | None
    address: str

    def __post_init__(self) -> None:
        """Refuse to be made without Ray Data."""
        for module in ("ray", "pyarrow"):
            require_extra(module, "ray", "A scan on a Ray cluster")

    def begin(self, shared: Shared) -> None:
        """Join the cluster.

        Raises:
            UsageError: there is none at the address.
        """
        connect(self.address, self.workers or 1, 0)

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`. Nothing may be shared."""
        assert not shared  # noqa: S101 - tasks of shards read what they need from files
        self.begin(shared)
        with hidden_secrets():
            mapped = self._mapped([pickle.dumps((work, item)) for item in items])
        for row in mapped.iter_rows():
            # What it holds was made by an actor of this very run.
            yield Outcome(int(row["index"]), *pickle.loads(row["outcome"]))  # noqa: S301

    def _mapped(self, tasks: Sequence[bytes]) -> Any:
        """Say what Ray Data is to do, which it does when it is asked for the rows."""
        import ray

        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        rows = [{"index": number, "task": task} for number, task in enumerate(tasks)]
        cluster: Any = ray
        most = min(len(tasks), self.workers or max(1, int(cluster.cluster_resources().get("CPU", 1))))
        return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Actor,
            batch_size=1,
            batch_format="numpy",
            num_cpus=1,
            fn_constructor_args=(computing(),),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, max_tasks_in_flight_per_actor=1),
        )


class _Actor:
    """What maps: it computes on one thread, and lives as long as the step."""

    def __init__(self, expected: dict[str, str]) -> None:
        """Keep what its node must compute with."""
        self._expected = expected

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        outcomes = [_attempt(task, self._expected) for task in batch["task"]]
        return {"index": batch["index"], "outcome": [pickle.dumps(outcome) for outcome in outcomes]}


def _attempt(task: bytes, expected: dict[str, str]) -> Ended[Any]:
    try:
        check_alike(expected)
        work, item = pickle.loads(task)  # noqa: S301
    except Exception as error:  # noqa: BLE001 - what a node lacks is the failure of its task
        return failed(error)
    return attempt(work, item, {})
