"""Run the detectors side by side, and write down what became of each."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import AbstractContextManager, contextmanager

from whitesquare._base.crew import Crew
from whitesquare._base.machine import usable_cores
from whitesquare.detectors.contract import require_suspicion
from whitesquare.detectors.registry import DETECTORS, KNOWN_DETECTORS
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion
from whitesquare.records import Progress
from whitesquare.scanning.types import NOT_ASKED, DetectorRun

_STEP = "running detectors"
_LONG = frozenset({"patch-contrast", "matched-filter", "residual-components", "pixel-contrast"})
"""Those that look at every pixel more than once; what follows gradients takes longer still."""
_MISSING = {
    "features": "it reads the activations of a model",
    "model": "it asks a model for its answers",
    "gradients": "it follows the gradients of a model",
    "trajectories": "it needs the losses of a training (--losses)",
    "reference": "it needs trusted samples (--reference)",
}


def run_detectors(
    evidence: Evidence, names: Sequence[str], no_model: str
) -> tuple[dict[str, Suspicion], tuple[DetectorRun, ...]]:
    """Return what each detector says, and one entry for each of ours, also those that did not run.

    A detector that raises is a crash of that detector: the others go on, and the scan ends with exit code 2.

    Args:
        evidence: what to score.
        names: the detectors asked for; those of other packages come after ours, in order of their names.
        no_model: why there is no model, if there is none.
    """
    order = (*DETECTORS, *sorted(set(names) - set(DETECTORS)))
    reasons = {name: why_not(evidence, name, names, no_model) for name in order}
    able = [name for name, reason in reasons.items() if not reason]
    begun = sorted(able, key=_hurry)
    outcomes: dict[str, tuple[Suspicion | None, DetectorRun]] = {}
    evidence.on_progress(_STEP, 0, max(1, len(begun)))
    with Crew(usable_cores(), one_thread_each) as crew:
        under_way = {crew.submit(lambda name: run_one(evidence, name), name): name for name in begun}
        for done, future in enumerate(as_completed(under_way), start=1):
            outcomes[under_way[future]] = future.result()
            evidence.on_progress(_STEP, done, len(begun))
    found = {name: outcomes[name][0] for name in able}
    runs = tuple(
        outcomes[name][1] if name in outcomes else DetectorRun(name, one.rule_id, one.family, 0.0, reasons[name])
        for name, one in ((name, KNOWN_DETECTORS[name]) for name in order)
    )
    return {name: suspicion for name, suspicion in found.items() if suspicion is not None}, runs


def _hurry(name: str) -> int:
    """Return when a detector is begun: those that take longest first, so that no core waits for the last of them."""
    return 0 if "gradients" in KNOWN_DETECTORS[name].needs else 1 if name in _LONG else 2


def why_not(evidence: Evidence, name: str, asked: Sequence[str], no_model: str) -> str:
    """Return why a detector does not run, or an empty text if it can."""
    if name not in asked:
        return NOT_ASKED
    missing = KNOWN_DETECTORS[name].needs - evidence.has
    if not missing:
        return ""
    reason = next(text for name, text in _MISSING.items() if name in missing)
    if missing == {"reference"}:
        return reason
    return f"{reason}: {no_model or 'a model that was given has none'}"


def run_one(evidence: Evidence, name: str) -> tuple[Suspicion | None, DetectorRun]:
    """Return what one detector says, ``None`` if nothing, and what became of it; a crash is its own."""
    one, started = KNOWN_DETECTORS[name], time.perf_counter()
    try:
        suspicion, reason, crashed = one.score(evidence), "", False
        require_suspicion(one, suspicion, evidence)
    except CannotScoreError as error:
        suspicion, reason, crashed = None, str(error), False
    except Exception as error:  # noqa: BLE001 - whatever a detector does, the others go on and the report says so
        suspicion, reason, crashed = None, f"it crashed: {type(error).__name__}: {error}", True
    return suspicion, DetectorRun(name, one.rule_id, one.family, time.perf_counter() - started, reason, crashed)


def one_torch_thread() -> AbstractContextManager[None]:
    """Let PyTorch compute on one thread: batches of small images are slower on several."""
    return torch_threads(1)


def as_step(on_progress: Progress, step: str) -> Progress:
    """Tell of work under the name that it has here, whatever it calls itself."""
    return lambda _, done, total: on_progress(step, done, total)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch, if it is loaded, compute on so many threads."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread_each() -> None:
    """Let PyTorch compute on one thread in each of several that ask it: side by side they keep the cores busy."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
