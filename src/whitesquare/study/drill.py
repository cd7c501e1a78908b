"""A drill: poison copies of the user's own data, scan each, and count what would have been caught."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from whitesquare._base.cache import Cache, no_cache
from whitesquare._base.machine import machine, versions
from whitesquare.attacks import Poisoned, poison
from whitesquare.data import dataset_digest, has_test
from whitesquare.data.names import Data, named
from whitesquare.data.opening import open_held
from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.records import Estimate, OnNote, Progress, silent, unheard
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.types import ScanResult
from whitesquare.study.drill_clean import clean_controls
from whitesquare.study.drill_kept import KeptRuns
from whitesquare.study.drill_rows import row_of
from whitesquare.study.drill_sentences import announcement, base_line, conclusion, notices_of, smallest, taken_up
from whitesquare.study.drill_settings import FOUR, OF_CLASS, DrillSettings
from whitesquare.study.drill_types import DrillFailure, DrillResult, DrillRow, DrillRun
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset

__all__ = ["BY_DEFAULT", "FOUR", "DrillSettings", "default_rates", "drill"]

_STEP = "drill: scans"
BY_DEFAULT = DrillSettings()


@own_surroundings()
def drill(
    dataset: Data,
    settings: DrillSettings = BY_DEFAULT,
    *,
    test: Data | None = None,
    source: str = "",
    cache: Cache = no_cache,
    on_progress: Progress = silent,
    on_note: OnNote = unheard,
) -> DrillResult:
    """Scan the data as it is, then poisoned copies of it, which exist in memory only.

    A run that cannot be made is listed with its reason, and the others go on.

    Args:
        dataset: the training set, as :func:`whitesquare.data.open_dataset` takes it; it is not changed.
        settings: what to rehearse.
        test: its test split, to measure the attack's success on a victim; ``None`` takes that of ``dataset``, if any.
        source: name or path of the data set, for the report.
        cache: where crafted poisons and finished scans are kept, so that a drill that was stopped goes on where it was.
        on_progress: told how many scans are done, and how far the crafting of an attack is.
        on_note: told, once the first run is done, how long all of them take, and what takes less; and at the end how
            many were taken up from a drill before.

    Raises:
        UsageError: the target class has no sample, or the trigger does not fit the images.
        NothingToDoError: nothing to scan.

    Example:
        >>> import whitesquare as ws
        >>> from whitesquare.study.drill import DrillSettings
        >>> quick = DrillSettings(attacks=("label-flip",), rates=(0.1,), seeds=1)
        >>> ws.drill(ws.open_dataset("digits/"), quick).conclusion.split()[:3]
        ['In', 'short:', 'label-flip']
    """
    started, given = time.perf_counter(), dataset
    dataset = open_held(given, "train", on_progress)
    if test is not None or has_test(given):
        test = open_held(given if test is None else test, "test", on_progress)
    _check_target(dataset, settings.target)
    if settings.trigger is not None:
        parse_trigger(settings.trigger)(dataset.images(slice(0, 1)))  # else every run would fail by itself
    settings = replace(settings, rates=settings.rates or default_rates(dataset, settings.target))
    digest, steps = dataset_digest(dataset), count()
    total = 1 + settings.clean + len(list(_plan(settings)))
    kept = KeptRuns.of(cache, settings, digest, test)

    def step() -> None:
        on_progress(_STEP, next(steps), total)

    def scan(part: ImageDataset, seed: int) -> ScanResult:
        return kept.heard(run_scan(part, settings.scan(seed)).result)

    step()
    plain = kept.scan(settings.seed, lambda: scan(dataset, settings.seed))
    step()
    clean = clean_controls(dataset, plain, settings.clean, settings.seed, scan, step, kept.clean)
    runs, failures = _all_runs(dataset, settings, test, kept, step, on_progress, on_note)
    if kept.taken:
        on_note(taken_up(kept.taken, total, cache.folder))
    rows = tuple(row_of(name, rate, found) for (name, rate), found in runs.items())
    found = tuple(smallest(name, [row for row in rows if row.attack == name]) for name in _names(rows))
    return DrillResult(
        source=source or named(given),
        digest=digest,
        size=len(dataset.labels),
        target=settings.target,
        target_name=dataset.classes[settings.target],
        base_line=base_line(plain),
        rows=rows,
        smallest=found,
        failures=tuple(failures),
        notices=notices_of(plain, tested=test is not None or not settings.attacks),
        seed=settings.seed,
        seconds=time.perf_counter() - started,
        versions=versions(),
        machine=machine(),
        conclusion=conclusion(rows, found) if rows else "",
        clean=clean,
    )


def _all_runs(
    dataset: ImageDataset,
    settings: DrillSettings,
    test: ImageDataset | None,
    kept: KeptRuns,
    step: Callable[[], None],
    on_progress: Progress,
    on_note: OnNote,
) -> tuple[dict[tuple[str, float], list[DrillRun]], list[DrillFailure]]:
    """Make every run of the plan, and say after the first that was made how long the others take."""
    runs: dict[tuple[str, float], list[DrillRun]] = {}
    failures: list[DrillFailure] = []
    planned, told = list(_plan(settings)), False
    for at, (name, rate, seed) in enumerate(planned):
        before, taken = time.perf_counter(), kept.taken
        run, failed = _tried(dataset, settings, name, rate, seed, test, kept, on_progress)
        failures += failed
        if run is not None:
            runs.setdefault((name, rate), []).append(run)
        step()
        if not told and kept.taken == taken and at + 1 < len(planned):
            told = True
            on_note(announcement(time.perf_counter() - before, len(planned) - at, kept.taken))
    return runs, failures


def default_rates(dataset: ImageDataset, target: int) -> tuple[float, ...]:
    """Return a tenth, a fifth and a half of a class, as shares of the whole training set with one digit.

    A class of a few samples has fewer such shares, and one sample at least.
    """
    size = len(dataset.labels)
    share = int((dataset.labels == target).sum()) / size
    rates = dict.fromkeys(float(f"{part * share:.0e}") for part in OF_CLASS)
    return tuple(rate for rate in rates if round(rate * size)) or (1 / size,)


def _check_target(dataset: ImageDataset, target: int) -> None:
    if not 0 <= target < len(dataset.classes) or not np.any(dataset.labels == target):
        raise UsageError(
            f"The target class {target} has no sample in this data set; its labels are "
            f"0..{len(dataset.classes) - 1} ({', '.join(dataset.classes[:20])})."
        )


def _plan(settings: DrillSettings) -> Iterator[tuple[str, float, int]]:
    for name in settings.attacks:
        for rate in settings.rates or ():
            for number in range(settings.seeds):
                yield name, rate, settings.seed + number


def _tried(
    dataset: ImageDataset,
    settings: DrillSettings,
    name: str,
    rate: float,
    seed: int,
    test: ImageDataset | None,
    kept: KeptRuns,
    on_progress: Progress,
) -> tuple[DrillRun | None, list[DrillFailure]]:
    """Make one run; return it, or ``None``, and what went wrong."""
    try:
        run = kept.run(name, rate, seed, lambda: _run(dataset, settings, name, rate, seed, test, kept, on_progress))
    except WhitesquareError as error:
        return None, [DrillFailure(name, rate, seed, str(error))]
    except Exception as error:  # noqa: BLE001 - an attack may be anyone's; the others go on and the report says so
        return None, [DrillFailure(name, rate, seed, f"It crashed: {type(error).__name__}: {error}")]
    return run, [DrillFailure(name, rate, seed, f"A detector did not finish: {why}") for why in kept.crashed]


def _run(
    dataset: ImageDataset,
    settings: DrillSettings,
    name: str,
    rate: float,
    seed: int,
    test: ImageDataset | None,
    kept: KeptRuns,
    on_progress: Progress,
) -> DrillRun:
    """Poison, scan, and train a victim; return what was found."""
    started = time.perf_counter()
    made = poison(
        dataset,
        settings.attack(name),
        target=settings.target,
        rate=rate,
        seed=seed,
        cache=kept.cache,
        device=settings.device,
        on_progress=on_progress,
    )
    found = kept.heard(run_scan(made.dataset, settings.scan(seed)).result)
    poisoned = set(made.manifest.ids)
    loud = [flag.id in poisoned for flag in found.flagged if flag.tier != "review"]
    quiet = [flag.id in poisoned for flag in found.flagged if flag.tier == "review"]
    mine = [alarm.tier for alarm in found.alarms if alarm.label == settings.target]
    success, accuracy = _victim(made, settings, seed, test)
    return DrillRun(
        seed=seed,
        poisons=len(poisoned),
        trigger=made.manifest.trigger,
        alarmed=tuple(dict.fromkeys(alarm.class_name for alarm in found.alarms)),
        right_class=bool(mine),
        tier=mine[0] if mine else "none",
        flagged=sum(loud),
        reviewed=sum(loud) + sum(quiet),
        false_flags=len(loud) - sum(loud),
        false_reviews=len(quiet) - sum(quiet),
        attack_success=success,
        accuracy=accuracy,
        seconds=round(time.perf_counter() - started, 3),
    )


def _victim(
    made: Poisoned, settings: DrillSettings, seed: int, test: ImageDataset | None
) -> tuple[Estimate | None, Estimate | None]:
    """Train a model of its own on the copy: the scan's is part of the defence, and must not judge the attack."""
    if test is None:
        return None, None
    from whitesquare.learning.measure import measure, prepare
    from whitesquare.learning.train import train

    prepared = prepare(test, made.trigger, settings.target)
    recipe = settings.recipe.for_size(len(made.dataset.labels))
    result = measure(train(made.dataset, recipe, seed=seed, source="drill", device=settings.device), prepared)
    return result.asr, result.ca


def _names(rows: Sequence[DrillRow]) -> list[str]:
    return list(dict.fromkeys(row.attack for row in rows))
