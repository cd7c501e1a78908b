"""A Ray cluster: many machines, tasks tried again when a machine is lost, arrays held once per machine.

Where the driver runs is where the shared arrays live first; a node fetches one when its first task asks for it.
"""

import logging
import os
import secrets
import signal
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any

from numpy.typing import NDArray

from whitesquare._base.environment import hidden_secrets
from whitesquare.errors import UnfinishedError, require_extra
from whitesquare.executor.alike import check_alike, computing
from whitesquare.executor.reaching import knock, unreachable
from whitesquare.executor.types import Ended, Item, Outcome, Outcomes, Result, Shared, Work, attempt, failed, reason

_SPARE = 2**28
"""Bytes of a started cluster's object store beside the shared arrays; what exceeds it goes to disk."""

_RETRIES = 5
"""How often Ray runs a task again after it lost the machine or process that ran it; an error is never retried."""


@dataclass(frozen=True)
class RayExecutor:
    """Run tasks on a Ray cluster, one CPU each.

    Attributes:
        workers: tasks in flight at most; more than the cluster has CPUs keeps them fed.
        address: of the cluster; ``None`` starts one on this machine with ``workers`` CPUs.
    """

    workers: int
    address: str | None = None

    def __post_init__(self) -> None:
        """Refuse to be made without Ray."""
        require_extra("ray", "ray", "The executor 'ray'")

    def begin(self, shared: Shared) -> None:
        """Join the cluster, or start one.

        Raises:
            UsageError: there is none at the address.
        """
        connect(self.address, self.workers, sum(array.nbytes for array in shared.values()))

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`."""
        self.begin(shared)
        import ray

        held, expected = {name: ray.put(array) for name, array in shared.items()}, computing()
        task: Any = ray.remote(num_cpus=1, max_retries=_RETRIES)(_task)
        waiting = deque(enumerate(items))
        flying: dict[Any, int] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < self.workers:
                    index, item = waiting.popleft()
                    # The references travel inside a list: Ray would fetch bare ones whether or not they are read.
                    flying[task.remote(work, item, [held], expected)] = index
                (done,), _ = ray.wait(list(flying), num_returns=1)
                yield _outcome(flying.pop(done), done)
        finally:
            for reference in flying:  # nobody waits for them any more
                ray.cancel(reference, force=True)


def connect(address: str | None, workers: int, shared: int) -> None:
    """Join a cluster, unless this process is in one; Ray leaves it when the process ends.

    Without an address one is started here, on the loopback interface, with memory for twice the ``shared`` bytes.
    """
    own: dict[str, Any] = {}
    if address is None:
        _set_own_environment()
        own = {"num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        own["object_store_memory"] = _SPARE + 2 * shared
    else:
        knock(address)
    import ray

    if ray.is_initialized():
        return
    ends = signal.getsignal(signal.SIGTERM)
    try:
        with hidden_secrets():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise unreachable(address, error) from error
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, ends)  # Ray puts its own in the place of who tidies up


def _set_own_environment() -> None:
    """Set what a cluster started here reads, before Ray is loaded and reads it.

    Ray listens on every interface, so it must ask for a token; left to itself it would keep one in the user's home,
    where every later cluster of that user would find it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a security tool does not tell anybody where it runs
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@dataclass(frozen=True)
class _Held(Mapping[str, NDArray[Any]]):
    """Shared arrays in the object store, fetched when they are read, seen without a copy."""

    references: dict[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        import ray

        array: NDArray[Any] = ray.get(self.references[name])
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.references)

    def __len__(self) -> int:
        return len(self.references)


def _task(work: Work[Item, Result], item: Item, held: list[dict[str, Any]], expected: dict[str, str]) -> Ended[Result]:
    """Run one task on the cluster; its own errors come back as values, so that Ray retries only lost machines."""
    import torch

    try:
        check_alike(expected)
    except UnfinishedError as error:
        return failed(error)
    torch.set_num_threads(1)
    return attempt(work, item, _Held(held[0]))


def _outcome(index: int, reference: Any) -> Outcome[Any]:
    import ray

    try:
        ended = ray.get(reference)
    except ray.exceptions.RayError as error:
        return Outcome(index, None, f"Ray lost the task: {reason(error)}")
    return Outcome(index, *ended)
