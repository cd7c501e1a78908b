"""From a plan and its data sets to cells: the product of every grid, checked as a whole before one of them runs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from whitesquare.attacks import ATTACKS, KNOWN_ATTACKS, attack_parameters, make_attack, poison_count
from whitesquare.data import dataset_digest, has_test, open_dataset, require_classes
from whitesquare.data.classes import class_label
from whitesquare.errors import DataError, UsageError, WhitesquareError
from whitesquare.learning.recipes import Recipe
from whitesquare.records import Parameter
from whitesquare.study.bench.plan import Grid, Plan
from whitesquare.study.bench.scans.sets import check_kind
from whitesquare.study.bench.scans.types import ScanTask
from whitesquare.study.bench.types import BASELINE, OPACITY, Cell
from whitesquare.triggers import NoTrigger, parse_trigger, trigger_spec
from whitesquare.types import Attack, ImageDataset

Way = tuple[str, dict[str, Parameter], str, int]
"""An attack, its parameters, the trigger in use, and a count of poisons."""
_CLEAN: Way = (BASELINE, {}, "none", 0)
_VICTIM_SEED = 20_000
"""Victims trained after a scan have seeds from here on: neither an attacker nor the scan trains with them."""


@dataclass(frozen=True, eq=False)
class CellSource:
    """A data set of the plan, opened.

    Attributes:
        name: as the plan names it.
        train: training split.
        test: test split; ``None`` where there is none, so that it can be scanned and nothing else.
        digest: of both.
    """

    name: str
    train: ImageDataset
    test: ImageDataset | None
    digest: str


def open_source(name: str) -> CellSource:
    """Open the splits of a data set and compute their digest.

    Raises:
        DataError: damaged, without classes, or the splits do not fit together.
    """
    train, test = open_dataset(name), open_dataset(name, "test") if has_test(name) else None
    require_classes(train)
    if test and train.classes != test.classes:
        raise DataError(
            f"The splits of {name} have different classes: {len(train.classes)} in training and {len(test.classes)} in "
            "test; a bench needs the same in both."
        )
    both = f"{dataset_digest(train)} {dataset_digest(test) if test else 'no test split'}"
    return CellSource(name, train, test, hashlib.sha256(both.encode()).hexdigest())


def make_cells(
    plan: Plan, sources: Mapping[str, CellSource], precision: Mapping[str, str], device: str = "cpu"
) -> tuple[Cell, ...]:
    """Write out every cell of a plan, the baseline first.

    Args:
        plan: what to do.
        sources: the data sets by the name the plan gives them.
        precision: what each precision a recipe may ask for means on the machines that train.
        device: where they do: ``cpu`` or ``cuda:n``.

    Raises:
        UsageError: an unknown attack or parameter, a value out of range, a trigger that does not fit, a target class
            without samples, more poisons than there are samples, or a cell found twice.
    """
    recipes = {name: replace(recipe, precision=precision[recipe.precision]) for name, recipe in plan.families.items()}
    found: dict[str, tuple[Cell, str]] = {}
    clean: dict[str, Cell] = {}
    for number, grid in enumerate(plan.grids, start=1):
        where = f"grid {number}"
        for made in _cells(grid, sources, recipes, where):
            cell = replace(made, device=device)
            # The same data scanned with other detectors would count twice among the seeds.
            same = cell.scan and ScanTask(cell.scan.kind, model_free=cell.scan.model_free)
            key = replace(cell, scan=same).key
            if key in found:
                raise UsageError(
                    f"The plan holds the same cell twice, in {found[key][1]} and in {where}: {cell.label}; "
                    "remove one of them."
                )
            found[key] = cell, where
            if not cell.scan:
                untouched = _baseline(cell)
                clean.setdefault(untouched.key, untouched)
    return (*(clean.values() if plan.baseline else ()), *(cell for cell, _ in found.values()))


def _baseline(cell: Cell) -> Cell:
    """Return the same victim trained on clean data; a trigger that is yet to be learned is asked of it as well."""
    if isinstance(parse_trigger(cell.trigger), NoTrigger):
        return replace(cell, twin=True)
    return replace(cell, attack=BASELINE, parameters={}, count=0, attack_seed=0)


def _cells(grid: Grid, sources: Mapping[str, CellSource], recipes: Mapping[str, Recipe], where: str) -> Iterator[Cell]:
    tasks = [ScanTask(kind, grid.detectors, grid.retrain, grid.model_free) for kind in grid.kind]
    targets = dict.fromkeys(grid.target)
    for data, spec, asked, name in product(grid.data, grid.trigger or (None,), targets, grid.attack):
        try:
            train = sources[data].train
            target = class_label(asked, train.classes)
            if not sources[data].test and (grid.retrain or not grid.detectors):
                raise UsageError(
                    f"The data set {data} has no test split, which victims are measured on; add one, or only scan."
                )
            for kind in grid.kind:
                check_kind(kind, name, train)
            ways = [_CLEAN] if name == BASELINE and grid.detectors else _ways(grid, train, spec, target, name)
        except WhitesquareError as error:
            raise UsageError(f"{where}: {error}") from error
        for (attack, parameters, trigger, count), seed in product(ways, _attack_seeds(grid, asked)):
            seeds = (_VICTIM_SEED + seed,) if grid.detectors else grid.victim_seeds
            for task, victim, victim_seed in product(tasks if grid.detectors else [None], grid.victim, seeds):
                yield Cell(
                    data=data,
                    digest=sources[data].digest,
                    attack=attack,
                    parameters=parameters,
                    trigger=trigger,
                    target=target,
                    count=count,
                    attack_seed=seed,
                    victim=victim,
                    recipe=recipes[victim],
                    victim_seed=victim_seed,
                    scan=task,
                )


def _attack_seeds(grid: Grid, target: int | str) -> tuple[int, ...]:
    if not grid.paired:
        return grid.attack_seeds
    return tuple(seed for seed, own in zip(grid.attack_seeds, grid.target, strict=True) if own == target)


def _ways(grid: Grid, train: ImageDataset, spec: str | None, target: int, name: str) -> list[Way]:
    """Return every attack of that name with its count."""
    given = {} if spec is None else {"trigger": parse_trigger(spec)}
    attacks = [make_attack(name, {**chosen, **given}) for chosen in _parameters(grid)]
    attacks[0].trigger(train.images(slice(0, 1)))
    counts = _counts(grid, train, target, attacks[0], name)
    return [
        (_own_name(attack, name), _resolved(attack, name), trigger_spec(attack.trigger), count)
        for attack, count in product(attacks, counts)
    ]


def _own_name(attack: Attack, asked: str) -> str:
    """Name an attack by its kind: one registered twice, with other defaults, must not give two cells that are one."""
    return attack.name if type(ATTACKS.get(attack.name)) is type(attack) else asked


def _resolved(attack: Attack, name: str) -> dict[str, Parameter]:
    """Return all parameters, whole numbers as floats where floats are meant: 1 and 1.0 must not give two cells."""
    usual = attack_parameters(KNOWN_ATTACKS[name])
    return {
        key: float(value) if type(usual[key]) is float and isinstance(value, int) else value
        for key, value in attack_parameters(attack).items()
    }


def _parameters(grid: Grid) -> Iterator[dict[str, Parameter]]:
    axes: dict[str, tuple[Parameter, ...]] = dict(grid.parameters)
    if grid.epsilon:
        axes["epsilon"] = grid.epsilon
    if grid.opacity:
        axes[OPACITY] = grid.opacity
    for chosen in product(*axes.values()):
        yield dict(zip(axes, chosen, strict=True))


def _counts(grid: Grid, train: ImageDataset, target: int, attack: Attack, name: str) -> tuple[int, ...]:
    size = len(train.labels)
    of_target = int(np.sum(train.labels == target))
    if not of_target:
        raise UsageError(f"The target class {target} ({train.classes[target]!r:.60}) has no sample; name another.")
    counts = grid.count or tuple(poison_count(rate, size) for rate in grid.rate)
    held = of_target if attack.clean_label else size - of_target
    if max(counts) > held:
        whose = f"the target class {target}" if attack.clean_label else f"the classes other than {target}"
        raise UsageError(
            f"The attack {name!r} poisons samples of {whose}: there are {held} and {max(counts)} were asked for; lower "
            "the count or rate."
        )
    return counts
