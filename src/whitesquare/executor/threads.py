"""This process: threads that share its memory. PyTorch lets go of the interpreter while it computes."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass

from whitesquare._base.crew import Crew
from whitesquare.executor.types import Item, Outcome, Outcomes, Result, Shared, Work, failed
from whitesquare.records import Progress, silent


def run_all(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    step: str = "working",
    on_progress: Progress = silent,
) -> list[Result]:
    """Apply ``work`` to every item and return the results in the items' order.

    Every task computes on one thread, so a result does not depend on the number of workers or cores, and small
    networks, which cannot keep two cores busy each, keep them busy together. Threads share the data set; no copy.

    Args:
        work: called once per item; an exception in it, or an interrupt here, stops the others and is raised here.
        items: one per task.
        workers: tasks at a time.
        step: name told to ``on_progress``.
        on_progress: told the number of finished tasks.
    """
    import torch

    threads = torch.get_num_threads()
    on_progress(step, 0, len(items))
    try:
        with Crew(workers, _one_thread) as crew:
            futures = [crew.submit(work, item) for item in items]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                on_progress(step, done, len(items))
            return [future.result() for future in futures]
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class ThreadExecutor:
    """Run tasks on threads of this process.

    Attributes:
        workers: tasks at a time.
    """

    workers: int

    def run(self, work: Work[Item, Result], items: Sequence[Item], shared: Shared) -> Outcomes[Result]:
        """Yield one outcome per item; see :class:`~whitesquare.executor.types.Executor`."""
        import torch

        threads = torch.get_num_threads()
        try:
            with Crew(self.workers, _one_thread) as crew:
                futures = {crew.submit(lambda one: work(one, shared), item): at for at, item in enumerate(items)}
                for future in as_completed(futures):
                    yield _outcome(futures.pop(future), future)
        finally:
            torch.set_num_threads(threads)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _outcome(index: int, future: "Future[Result]") -> Outcome[Result]:
    error = future.exception()
    return Outcome(index, *failed(error)) if error is not None else Outcome(index, future.result())
