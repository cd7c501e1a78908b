"""A drill: poison copies of the user's own data, scan each, and count what would have been caught."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from whitesquare._base.cache import Cache, no_cache
from whitesquare._base.machine import machine, versions
from whitesquare.attacks import Poisoned, make_attack, poison
from whitesquare.data import dataset_digest, has_test
from whitesquare.data.names import Data, named
from whitesquare.data.opening import open_held
from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.recipes import Recipe
from whitesquare.records import Estimate, OnNote, Progress, silent, unheard
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import ScanResult
from whitesquare.study.drill_clean import clean_controls
from whitesquare.study.drill_rows import row_of
from whitesquare.study.drill_sentences import announcement, base_line, conclusion, notices_of, smallest
from whitesquare.study.drill_types import DrillFailure, DrillResult, DrillRow, DrillRun
from whitesquare.triggers import parse_trigger
from whitesquare.types import Attack, ImageDataset

_SEEDS = 100_000
"""Seeds end here: above lie those of the scan's own models, and a victim must never be one of them."""
_STEP = "drill: scans"
FOUR = ("adaptive", "sinusoidal", "stamp", "label-flip")
"""What is rehearsed unless somebody says otherwise: the one that takes longest first, so that its time bounds all."""
_OF_CLASS = (0.1, 0.2, 0.5)
"""Default rates, as shares of the target class."""


@dataclass(frozen=True)
class DrillSettings:
    """What to rehearse.

    Attributes:
        attacks: names of registered attacks.
        rates: poisoned / whole training set, each in (0, 1); ``None`` for a tenth, a fifth and a half of the target
            class, as shares of the whole with one digit.
        target: target class (a label).
        seeds: runs of each attack at each rate.
        seed: of the first run.
        trigger: spec of the trigger in use; ``None`` is the attack's own.
        recipe: of the victims, and of the scan's own models.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        clean: number of clean resamples that are scanned, too, to count false alarms; see :mod:`.drill_clean`.
    """

    attacks: tuple[str, ...] = FOUR
    rates: tuple[float, ...] | None = None
    target: int = 0
    seeds: int = 3
    seed: int = 0
    trigger: str | None = None
    recipe: Recipe = field(default_factory=Recipe)
    device: str = "cpu"
    clean: int = 0

    def __post_init__(self) -> None:
        """Refuse what no data set could be drilled with; attacks are looked up by their nearest name."""
        rates = self.rates if self.rates is not None else _OF_CLASS
        if not self.attacks or not rates:
            raise UsageError("A drill needs at least one attack and one rate; name them.")
        if len(set(self.attacks)) < len(self.attacks) or len(set(rates)) < len(rates):
            raise UsageError("An attack or a rate is named twice; name each once.")
        for name in self.attacks:
            make_attack(name)
        for rate in rates:
            if not 0 < rate < 1:
                raise UsageError(f"A poison rate is a share of the training set, above 0 and below 1; got {rate}.")
        if self.seeds < 1:
            raise UsageError(f"The number of seeds must be at least 1; got {self.seeds}.")
        if self.clean < 0:
            raise UsageError(f"The number of clean resamples must be 0 or more; got {self.clean}.")
        many = max(self.seeds, self.clean)
        if not 0 <= self.seed <= self.seed + many <= _SEEDS:
            raise UsageError(f"The seeds of a drill must be in 0..{_SEEDS}; got {self.seed} and {many} of them.")
        if self.trigger is not None:
            parse_trigger(self.trigger)

    def scan(self, seed: int) -> ScanSettings:
        """Return how a data set is scanned."""
        return ScanSettings(seed=seed, recipe=self.recipe, device=self.device)

    def attack(self, name: str) -> Attack:
        """Return an attack with the trigger in use."""
        return make_attack(name, {} if self.trigger is None else {"trigger": parse_trigger(self.trigger)})


BY_DEFAULT = DrillSettings()


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
        cache: where crafted poisons are kept between drills.
        on_progress: told how many scans are done, and how far the crafting of an attack is.
        on_note: told, once the first run is done, how long all of them take, and what takes less.

    Raises:
        UsageError: the target class has no sample.
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
    settings = replace(settings, rates=settings.rates or default_rates(dataset, settings.target))
    many = len(list(_plan(settings)))
    total, steps = 1 + settings.clean + many, count()

    def step() -> None:
        on_progress(_STEP, next(steps), total)

    def scan(part: ImageDataset, seed: int) -> ScanResult:
        return run_scan(part, settings.scan(seed)).result

    step()
    plain = scan(dataset, settings.seed)
    step()
    clean = clean_controls(dataset, plain, settings.clean, settings.seed, scan, step)
    before = time.perf_counter()
    runs: dict[tuple[str, float], list[DrillRun]] = {}
    failures: list[DrillFailure] = []
    for left, (name, rate, seed) in enumerate(_plan(settings), start=1):
        run, failed = _tried(dataset, settings, name, rate, seed, test, cache, on_progress)
        failures += failed
        if run is not None:
            runs.setdefault((name, rate), []).append(run)
        step()
        if left == 1 < many:
            on_note(announcement(time.perf_counter() - before, many))
    rows = tuple(row_of(name, rate, found) for (name, rate), found in runs.items())
    found = tuple(smallest(name, [row for row in rows if row.attack == name]) for name in _names(rows))
    return DrillResult(
        source=source or named(given),
        digest=dataset_digest(dataset),
        size=len(dataset.labels),
        target=settings.target,
        target_name=dataset.classes[settings.target],
        base_line=base_line(plain),
        rows=rows,
        smallest=found,
        failures=tuple(failures),
        notices=notices_of(plain, test),
        seed=settings.seed,
        seconds=time.perf_counter() - started,
        versions=versions(),
        machine=machine(),
        conclusion=conclusion(rows, found) if rows else "",
        clean=clean,
    )


def default_rates(dataset: ImageDataset, target: int) -> tuple[float, ...]:
    """Return a tenth, a fifth and a half of a class, as shares of the whole training set with one digit."""
    share = int((dataset.labels == target).sum()) / len(dataset.labels)
    return tuple(dict.fromkeys(float(f"{part * share:.0e}") for part in _OF_CLASS))


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
    cache: Cache,
    on_progress: Progress,
) -> tuple[DrillRun | None, list[DrillFailure]]:
    """Make one run; return it, or ``None``, and what went wrong."""
    try:
        run, crashed = _run(dataset, settings, name, rate, seed, test, cache, on_progress)
    except WhitesquareError as error:
        return None, [DrillFailure(name, rate, seed, str(error))]
    except Exception as error:  # noqa: BLE001 - an attack may be anyone's; the others go on and the report says so
        return None, [DrillFailure(name, rate, seed, f"It crashed: {type(error).__name__}: {error}")]
    return run, [DrillFailure(name, rate, seed, f"A detector did not finish: {why}") for why in crashed]


def _run(
    dataset: ImageDataset,
    settings: DrillSettings,
    name: str,
    rate: float,
    seed: int,
    test: ImageDataset | None,
    cache: Cache,
    on_progress: Progress,
) -> tuple[DrillRun, list[str]]:
    """Poison, scan, and train a victim; return what was found, and the detectors that crashed."""
    started = time.perf_counter()
    made = poison(
        dataset,
        settings.attack(name),
        target=settings.target,
        rate=rate,
        seed=seed,
        cache=cache,
        device=settings.device,
        on_progress=on_progress,
    )
    found = run_scan(made.dataset, settings.scan(seed)).result
    poisoned = set(made.manifest.ids)
    loud = [flag.id in poisoned for flag in found.flagged if flag.tier != "review"]
    quiet = [flag.id in poisoned for flag in found.flagged if flag.tier == "review"]
    mine = [alarm.tier for alarm in found.alarms if alarm.label == settings.target]
    success, accuracy = _victim(made, settings, seed, test)
    run = DrillRun(
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
    return run, [f"{one.name}: {one.reason}" for one in found.runs if one.crashed]


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
