"""The whole line on one data set: poison it in several ways, train victims on each, measure, check labels."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from whitesquare._base.cache import Arrays, Cache, no_cache
from whitesquare._base.machine import machine, versions
from whitesquare.attacks import Poisoned, attack_parameters, make_attack, poison
from whitesquare.data import dataset_digest, held, open_dataset
from whitesquare.data.gallery import SHOWN, example_position
from whitesquare.data.layouts import EMBEDDED
from whitesquare.errors import UsageError
from whitesquare.executor import run_all
from whitesquare.learning.device import resolve
from whitesquare.learning.estimates import share
from whitesquare.learning.label_check import label_check
from whitesquare.learning.measure import TestSet, label_consistency, measure, prepare
from whitesquare.learning.models import Model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.learning.tensors import overlaid, to_tensors
from whitesquare.learning.train import effective_precision
from whitesquare.records import Estimate, Measurement, Progress, Row, VictimResult, silent
from whitesquare.study.defence import defend
from whitesquare.study.rows import make_row
from whitesquare.study.trained import JUDGE_SEED, trained
from whitesquare.triggers import parse_trigger
from whitesquare.types import Gallery, ImageDataset, IntArray

CLEAN = "clean"
_CHECKED = 10_000


@dataclass(frozen=True)
class ExperimentPlan:
    """What the experiment does; the defaults are the original study's parameters.

    Attributes:
        source: data set, as :func:`whitesquare.data.open_dataset` takes it.
        attacks: names of the attacks, one row each, after the clean baseline.
        target: target class (a label).
        count: poisoned samples per attack.
        trigger: spec of the trigger in use.
        rounds: how often poison is improved, by attacks that do.
        recipe: how the victims are trained.
        seeds: victims per row; their seeds are 1..seeds.
        seed: of the choice of samples and the crafting.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        defended: the attack whose data are scanned, cleansed and trained on again; ``None`` for none.
    """

    source: str = EMBEDDED
    attacks: tuple[str, ...] = ("stamp", "label-flip", "adaptive", "adaptive-white")
    target: int = 0
    count: int = 3000
    trigger: str = "patch:size=2,corner=br,margin=1"
    rounds: int = 12
    recipe: Recipe = field(default_factory=Recipe)
    seeds: int = 3
    seed: int = 0
    device: str = "cpu"
    defended: str | None = None

    def __post_init__(self) -> None:
        """Refuse a plan without victims, or that defends against an attack which it does not have."""
        if self.seeds < 1:
            raise UsageError(f"The number of victim seeds must be at least 1; got {self.seeds}.")
        if self.defended is not None and self.defended not in self.attacks:
            raise UsageError(f"The plan scans {self.defended!r}, which is none of its attacks: {self.attacks}.")


class _StepClock:
    """Wall-clock seconds and cache hits per step."""

    def __init__(self, cache: Cache) -> None:
        self.seconds: dict[str, float] = {}
        self.cached: list[str] = []
        self._cache = cache

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; note it as cached if every result it asked the cache for was there."""
        hits, misses, start = len(self._cache.hits), len(self._cache.misses), time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        if len(self._cache.hits) > hits and len(self._cache.misses) == misses:
            self.cached.append(name)


@own_surroundings()
def run_experiment(
    plan: ExperimentPlan, *, cache: Cache = no_cache, on_progress: Progress = silent
) -> tuple[Measurement, Gallery]:
    """Run the plan and return its numbers and pictures.

    Raises:
        WhitesquareError: whatever the steps raise: see ``open_dataset``, ``poison``, ``train`` and ``measure``.
    """
    clock, plan = _StepClock(cache), replace(plan, device=resolve(plan.device))
    with clock.step("loading"):
        clean = held(open_dataset(plan.source))
        test = prepare(open_dataset(plan.source, "test"), parse_trigger(plan.trigger), plan.target)
    poisoned = _poisoned(plan, clean, clock, cache, on_progress)
    with clock.step("training and measuring victims"):
        victims, judge = _victims(plan, clean, poisoned, test, cache, on_progress)
    with clock.step("checking labels"):
        rows = [_row(plan, clean, None, CLEAN, victims[CLEAN], judge, cache, on_progress)]
        rows += [
            _row(plan, clean, made, name, victims[name], judge, cache, on_progress) for name, made in poisoned.items()
        ]
    defence = None
    if plan.defended is not None:
        with clock.step("scanning, cleansing, training again"):
            defence = defend(
                plan.defended,
                poisoned[plan.defended],
                plan.recipe,
                plan.seeds,
                test,
                cache=cache,
                source=plan.source,
                device=plan.device,
                on_progress=_named(on_progress, plan.defended),
            )
    example = example_position(test.labels, plan.target)
    measurement = Measurement(
        source=plan.source,
        classes=clean.classes,
        target=plan.target,
        trigger=plan.trigger,
        model=plan.recipe.model,
        train_size=len(clean.labels),
        test_size=len(test.labels),
        rows=tuple(rows),
        example_label=test.classes[int(test.labels[example])],
        seconds=clock.seconds,
        cached=tuple(clock.cached),
        versions=versions(),
        machine=machine(effective_precision(plan.recipe.precision, plan.device.split(":")[0])),
        defence=defence,
    )
    return measurement, _gallery(clean, poisoned, test, example)


def _poisoned(
    plan: ExperimentPlan, clean: ImageDataset, clock: _StepClock, cache: Cache, on_progress: Progress
) -> dict[str, Poisoned]:
    poisoned = {}
    for name in plan.attacks:
        asked = {"trigger": parse_trigger(plan.trigger), "rounds": plan.rounds}
        known = {"trigger", *attack_parameters(make_attack(name))}
        with clock.step(f"poisoning: {name}"):
            poisoned[name] = poison(
                clean,
                make_attack(name, {key: value for key, value in asked.items() if key in known}),
                target=plan.target,
                count=plan.count,
                seed=plan.seed,
                cache=cache,
                device=plan.device,
                on_progress=_named(on_progress, name),
            )
    return poisoned


def _named(on_progress: Progress, name: str) -> Progress:
    """Tell which attack a step belongs to."""

    def told(step: str, done: int, total: int) -> None:
        on_progress(f"{name}: {step}", done, total)

    return told


def _victims(
    plan: ExperimentPlan,
    clean: ImageDataset,
    poisoned: dict[str, Poisoned],
    test: TestSet,
    cache: Cache,
    on_progress: Progress,
) -> tuple[dict[str, list[VictimResult]], Model]:
    shared = to_tensors(clean, plan.device)
    tensors = {CLEAN: shared}
    for name, made in poisoned.items():
        tensors[name] = overlaid(shared, made.dataset.positions, made.dataset.pixels, made.dataset.new_labels)
    digests = {CLEAN: dataset_digest(clean)} | {name: made.manifest.digest_after for name, made in poisoned.items()}

    def one(job: tuple[str, int]) -> Model | VictimResult:
        name, seed = job
        data, digest = tensors[name], digests[name]
        model = trained(data, plan.recipe, clean.classes, cache, seed=seed, digest=digest, source=plan.source)
        return model if seed == JUDGE_SEED else measure(model, test)

    jobs = [(CLEAN, JUDGE_SEED)] + [(name, seed) for name in tensors for seed in range(1, plan.seeds + 1)]
    results = run_all(one, jobs, workers=torch.get_num_threads(), step="victims", on_progress=on_progress)
    by_row: dict[str, list[VictimResult]] = {name: [] for name in tensors}
    for (name, _), result in zip(jobs, results, strict=True):
        if isinstance(result, VictimResult):
            by_row[name].append(result)
    judge = results[0]
    assert isinstance(judge, Model)  # noqa: S101 - narrows the type; it is the first job
    return by_row, judge


def _row(
    plan: ExperimentPlan,
    clean: ImageDataset,
    made: Poisoned | None,
    name: str,
    victims: list[VictimResult],
    judge: Model,
    cache: Cache,
    on_progress: Progress,
) -> Row:
    dataset: ImageDataset = made.dataset if made else clean
    positions = made.dataset.positions if made else np.empty(0, np.int64)
    flagged_poisons, flagged_clean = _flagged(dataset, positions, name, plan.seed, cache, on_progress)
    if made is None:
        return make_row(name, None, victims, flagged_clean=flagged_clean)
    originals, labels = clean.images(positions), clean.labels[positions]
    return make_row(
        name,
        made.manifest,
        victims,
        label_consistency=label_consistency(judge, made.content, dataset.labels[positions]),
        untouched=label_consistency(judge, originals, labels),
        flagged_poisons=flagged_poisons,
        flagged_clean=flagged_clean,
    )


def _flagged(
    dataset: ImageDataset, positions: IntArray, name: str, seed: int, cache: Cache, on_progress: Progress
) -> tuple[Estimate | None, Estimate]:
    """Run the label check on all poisons and on a random sample of the clean images."""
    clean = np.setdiff1d(np.arange(len(dataset.labels)), positions)
    sample = np.random.default_rng(seed).permutation(clean)[:_CHECKED]
    index = np.concatenate([positions, np.sort(sample)])
    key = {"data": dataset_digest(dataset), "index": index.tolist(), "seed": seed}

    def compute() -> Arrays:
        return {"flagged": label_check(dataset, index, seed=seed, on_progress=_named(on_progress, name))}

    flagged = cache.arrays("label-check", key, compute)["flagged"]
    of_poisons, of_clean = flagged[: len(positions)], flagged[len(positions) :]
    poisons = share("label_check.poisons", int(of_poisons.sum()), len(of_poisons)) if len(of_poisons) else None
    return poisons, share("label_check.clean", int(of_clean.sum()), len(of_clean))


def _gallery(clean: ImageDataset, poisoned: dict[str, Poisoned], test: TestSet, example: int) -> Gallery:
    shown = {name: made.dataset.positions[:SHOWN] for name, made in poisoned.items()}
    return Gallery(
        example=test.images[slice(example, example + 1)][0],
        triggered=test.triggered[slice(example, example + 1)][0],
        originals={name: clean.images(index) for name, index in shown.items()},
        poisons={name: poisoned[name].dataset.images(index) for name, index in shown.items()},
        poison_ids={name: tuple(clean.ids[int(i)] for i in index) for name, index in shown.items()},
    )
