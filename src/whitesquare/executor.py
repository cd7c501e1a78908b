"""Where work runs. So far: this process, on one thread per task."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import torch

from whitesquare.types import Progress, silent

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        work: called once per item; an exception in it cancels what has not started and is raised here.
        items: one per task.
        workers: tasks at a time.
        step: name told to ``on_progress``.
        on_progress: told the number of finished tasks.
    """
    threads = torch.get_num_threads()
    on_progress(step, 0, len(items))
    pool = ThreadPoolExecutor(max(1, workers), initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = [pool.submit(work, item) for item in items]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            on_progress(step, done, len(items))
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)
