"""Where work runs: threads of this process, local processes, or a Ray cluster; the same results bit for bit.

Every task computes on one torch thread, so a result depends neither on the place nor on the number of workers. Large
arrays are *shared*: handed over once by name, held once per machine, read by every task without a copy.

A task that raises, or whose worker dies, ends as a failed :class:`Outcome`; the other tasks go on.
"""

from whitesquare.errors import UsageError, unknown_name
from whitesquare.executor.threads import ThreadExecutor, run_all
from whitesquare.executor.types import Executor, Outcome, Shared, Work

__all__ = ["EXECUTORS", "Executor", "Outcome", "Shared", "ThreadExecutor", "Work", "make_executor", "run_all"]

EXECUTORS = ("local", "processes", "ray")


def make_executor(name: str, *, workers: int, address: str | None = None) -> Executor:
    """Return an executor by name.

    Args:
        name: ``local`` (threads of this process), ``processes``, or ``ray``.
        workers: tasks at a time, at least 1; on a Ray cluster the number of tasks in flight, its CPUs decide the rest.
        address: of the Ray cluster, as ``ray start`` prints it; ``None`` starts one on this machine.

    Raises:
        UsageError: an unknown name, no worker, or an address without Ray.
        MissingDependencyError: Ray is not installed.
    """
    if name not in EXECUTORS:
        raise unknown_name("executor", name, EXECUTORS)
    if workers < 1:
        raise UsageError(f"The number of workers must be at least 1; got {workers}.")
    if address is not None and name != "ray":
        raise UsageError(f"An address is for the executor 'ray'; got {address!r} with the executor {name!r}.")
    if name == "local":
        return ThreadExecutor(workers)
    if name == "processes":
        from whitesquare.executor.processes import ProcessExecutor

        return ProcessExecutor(workers)
    from whitesquare.executor.cluster import RayExecutor

    own = RayExecutor(workers, address)
    if address is None:  # it lives and dies with this process
        return own
    from whitesquare.executor.apart import ApartExecutor

    return ApartExecutor(own)
