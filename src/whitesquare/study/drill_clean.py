"""How often a scan cries wolf on a user's own data: scans of clean resamples, counted, with their bound."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from whitesquare.data import Part
from whitesquare.learning.estimates import exact_share, upper_bound
from whitesquare.scanning.types import NOT_CHECKED, NOT_DECIDED, ScanResult
from whitesquare.study.drill_types import CLEAN_SHARE, CleanControls, CleanRun
from whitesquare.types import ImageDataset, IntArray

Scanning = Callable[[ImageDataset, int], ScanResult]
"""``scan(dataset, seed)`` scans as the drill does."""

Once = Callable[[int, list[int], Callable[[], CleanRun]], CleanRun]
"""``once(seed, flagged, make)`` gives the run of a seed, of all samples but those at the positions ``flagged``."""


def always(seed: int, flagged: list[int], make: Callable[[], CleanRun]) -> CleanRun:
    """Make every run."""
    return make()


_DRAW = 7
"""Keeps the draw of a resample apart from the draws of an attack with the same seed."""


def clean_controls(
    dataset: ImageDataset,
    plain: ScanResult,
    runs: int,
    seed: int,
    scan: Scanning,
    on_run: Callable[[], None],
    once: Once = always,
) -> CleanControls | None:
    """Scan resamples of what nothing was found in; see :class:`CleanControls`.

    Args:
        dataset: the data as they are.
        plain: what the scan of them found.
        runs: number of resamples; of none there is nothing to tell.
        seed: of the first; the others count up from it.
        scan: how to scan.
        on_run: told after each.
        once: makes a run, or returns the one that is kept.

    Raises:
        NothingToDoError: nothing is left to scan.
    """
    if not runs:
        return None
    flagged = [flag.position for flag in plain.flagged if flag.tier != "review"]
    rest: IntArray = np.setdiff1d(np.arange(len(dataset.labels)), np.array(flagged, np.int64))
    found = []
    for number in range(seed, seed + runs):
        found.append(once(number, flagged, partial(_made, dataset, rest, number, scan)))
        on_run()
    return summary(tuple(found), len(dataset.labels) - len(rest))


def _made(dataset: ImageDataset, rest: IntArray, number: int, scan: Scanning) -> CleanRun:
    started = time.perf_counter()
    result = scan(Part(dataset, resample(dataset.labels, rest, number)), number)
    return _run(result, number, time.perf_counter() - started)


def resample(labels: IntArray, rest: IntArray, seed: int) -> IntArray:
    """Draw :data:`CLEAN_SHARE` of each class, one sample at least, without replacement.

    Args:
        labels: ``(N,)`` of the whole data set.
        rest: positions ``(M,)`` that may be drawn.
        seed: of the draw.

    Returns:
        Positions, ascending.
    """
    rng = np.random.default_rng((_DRAW, seed))
    drawn = [
        rng.choice(own, max(1, round(CLEAN_SHARE * len(own))), replace=False)
        for label in np.unique(labels[rest])
        for own in (rest[labels[rest] == label],)
    ]
    return np.sort(np.concatenate([*drawn, np.zeros(0, np.int64)]))


def summary(runs: tuple[CleanRun, ...], left_out: int) -> CleanControls:
    """Count the alarms of the runs that came to a verdict."""
    decided = [run for run in runs if run.verdict not in (NOT_DECIDED, NOT_CHECKED)]
    alarmed = sum(bool(run.alarmed) for run in decided)
    confirmed = sum(bool(run.confirmed) for run in decided)
    n = len(decided)
    return CleanControls(
        share=CLEAN_SHARE,
        left_out=left_out,
        runs=runs,
        undecided=len(runs) - n,
        alarmed=exact_share("clean_alarmed", alarmed, n) if n else None,
        confirmed=exact_share("clean_confirmed", confirmed, n) if n else None,
        alarmed_at_most=upper_bound(alarmed, n),
        confirmed_at_most=upper_bound(confirmed, n),
        sentence=_sentence(alarmed, n, len(runs) - n, left_out),
    )


def _run(result: ScanResult, seed: int, seconds: float) -> CleanRun:
    # That nothing was found is no news of a detector that crashed.
    silenced = not result.alarms and any(one.crashed for one in result.runs)
    return CleanRun(
        seed=seed,
        size=result.size,
        verdict=NOT_DECIDED if silenced else result.verdict,
        alarmed=tuple(dict.fromkeys(alarm.class_name for alarm in result.alarms)),
        confirmed=len({alarm.label for alarm in result.alarms if alarm.tier == "confirmed"}),
        flagged=sum(flag.tier != "review" for flag in result.flagged),
        seconds=round(seconds, 3),
    )


def _sentence(alarmed: int, n: int, undecided: int, left_out: int) -> str:
    without = f", without the {left_out} samples that an alarm flags in the data as they are" if left_out else ""
    beside = f" {undecided} more came to no verdict." if undecided else ""
    what = f"of {100 * CLEAN_SHARE:g} % of each class, drawn anew{without}"
    if not n:
        return f"False alarms: not known, for none of the {undecided} scans {what} came to a verdict."
    return (
        f"False alarms: {alarmed} of {n} scans {what}, raised an alarm: at most {100 * upper_bound(alarmed, n):.2g} % "
        f"of such scans do (95 %).{beside}"
    )
