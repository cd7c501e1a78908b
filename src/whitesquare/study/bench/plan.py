"""Plans: which cells to run, read from TOML; every mistake is found before anything runs."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from whitesquare._base.schema import build
from whitesquare.data.layouts import EMBEDDED
from whitesquare.detectors.registry import DETECTORS, KNOWN_DETECTORS
from whitesquare.errors import DataError, UsageError, WhitesquareError, unknown_name
from whitesquare.learning.recipes import FIRST_SURROGATE_SEED, VICTIMS, Recipe
from whitesquare.records import Parameter
from whitesquare.scanning.settings import DEFAULT
from whitesquare.study.bench.scans.sets import AS_IT_IS
from whitesquare.study.bench.types import BASELINE
from whitesquare.triggers import parse_trigger

Values = tuple[Parameter, ...]


@dataclass(frozen=True)
class Grid:
    """The product of its fields, each a tuple of values to try.

    Attributes:
        attack: names of attacks; ``none`` scans clean data.
        data: data sets, as :func:`whitesquare.data.open_dataset` takes them.
        target: target classes, labels or names; see :func:`whitesquare.data.classes.class_label`.
        count: numbers of poisons; or ``rate``.
        rate: shares of the whole training set to poison.
        epsilon: budgets of the attack; empty leaves its default.
        opacity: strengths of the trigger on the poisons, the attack's ``training_opacity``; empty leaves its default.
        trigger: specs of triggers in use; empty leaves each attack its own.
        victim: names of victim families.
        victim_seeds: seeds of victims; in the file a number ``n`` stands for 1 to n.
        attack_seeds: seeds of the choice of samples and the crafting.
        parameters: values to try of other attack parameters, by name.
        detectors: scan with these instead of training victims; in the file ``default`` and ``all`` stand for several.
        kind: what is made of the data before a scan: see :mod:`whitesquare.study.bench.scans.sets`.
        retrain: after a scan, train victims without what was found, one for each attack seed.
        model_free: scan without a model: faster, and nothing can be confirmed.
        paired: the first target goes with the first attack seed, the second with the second, and so on, instead of each
            with each.
    """

    attack: tuple[str, ...]
    data: tuple[str, ...] = (EMBEDDED,)
    target: tuple[int | str, ...] = (0,)
    count: tuple[int, ...] = ()
    rate: tuple[float, ...] = ()
    epsilon: tuple[float, ...] = ()
    opacity: tuple[float, ...] = ()
    trigger: tuple[str, ...] = ()
    victim: tuple[str, ...] = ("default",)
    victim_seeds: tuple[int, ...] = (1, 2, 3)
    attack_seeds: tuple[int, ...] = (0,)
    parameters: dict[str, Values] = field(default_factory=dict)
    detectors: tuple[str, ...] = ()
    kind: tuple[str, ...] = (AS_IT_IS,)
    retrain: bool = False
    model_free: bool = False
    paired: bool = False


@dataclass(frozen=True)
class Plan:
    """What a bench does.

    Attributes:
        title: of its report.
        grids: the cells are the sum of their products; one found twice is an error.
        baseline: also train every victim of the plan on clean data.
        victims: the plan's own victim families beside :data:`whitesquare.learning.recipes.VICTIMS`.
    """

    title: str
    grids: tuple[Grid, ...]
    baseline: bool = True
    victims: dict[str, Recipe] = field(default_factory=dict)

    @property
    def families(self) -> dict[str, Recipe]:
        """All victim families a cell may name."""
        return {name: family.recipe for name, family in VICTIMS.items()} | self.victims


_TOP = ("title", "baseline", "victims", "grid")
_SINGLE = ("retrain", "model_free", "paired")
"""Keys of a grid that say yes or no, of which there is no list."""


def read_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        UsageError: there is no such file, or see :func:`parse_plan`.
        DataError: it is not TOML.
    """
    if not path.is_file():
        raise UsageError(f"There is no plan file {str(path)!r}; write one as docs/bench.md shows.")
    return parse_plan(path.read_text(encoding="utf-8-sig"), where=path.name)


def parse_plan(text: str, *, where: str) -> Plan:
    """Read a plan from TOML.

    Args:
        text: the TOML.
        where: the file it came from, for the errors.

    Raises:
        DataError: it is not TOML.
        UsageError: an unknown key or name (with the nearest one), a value of the wrong type or range, or no cell.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where} is not a TOML file: {error}.") from error
    for name in table:
        if name not in _TOP:
            raise _located(unknown_name("key", name, _TOP), where)
    tables = table.get("grid", [])
    if not isinstance(tables, list) or not all(isinstance(item, dict) for item in tables):
        raise UsageError(f"{where}: a grid is written as [[grid]], with two brackets; got {tables!r:.60}.")
    if not tables:
        raise UsageError(f"{where}: the plan has no cells; add a [[grid]] with an attack and a count or rate.")
    own = build(
        dict[str, dict[str, Parameter]], table.get("victims", {}), where=f"{where}: [victims]", refuse=UsageError
    )
    head = {name: table[name] for name in ("title", "baseline") if name in table}
    plan = replace(
        build(Plan, {"title": where, "grids": [], **head}, where=where, refuse=UsageError),
        grids=tuple(_grid(item, f"{where}: grid {number}") for number, item in enumerate(tables, start=1)),
        victims={
            name: build(Recipe, recipe, where=f"{where}: [victims.{name}]", refuse=UsageError)
            for name, recipe in own.items()
        },
    )
    for number, grid in enumerate(plan.grids, start=1):
        _check_names(grid, plan, f"{where}: grid {number}")
    return plan


def _grid(table: dict[str, Any], where: str) -> Grid:
    single = {key: value for key, value in table.items() if key in _SINGLE}
    axes = {key: _listed(value, key, where) for key, value in table.items() if key not in ("parameters", *_SINGLE)}
    if type(seeds := table.get("victim_seeds")) is int:
        if seeds < 1:
            raise UsageError(f"{where}: 'victim_seeds' must be at least 1, or a list of seeds; got {seeds}.")
        axes["victim_seeds"] = list(range(1, seeds + 1))
    if isinstance(others := table.get("parameters", {}), dict):
        others = {name: _listed(value, name, where) for name, value in others.items()}
    if (several := {"default": DEFAULT, "all": tuple(DETECTORS)}.get(str(table.get("detectors")))) is not None:
        axes["detectors"] = list(several)
    grid = build(Grid, axes | single | {"parameters": others}, where=where, refuse=UsageError)
    if bool(grid.count) + bool(grid.rate) != (grid.attack != (BASELINE,)):
        raise UsageError(
            f"{where} needs either a count of poisons or a rate, not both and not neither; for the attack "
            f"{BASELINE!r}, which scans clean data, neither."
        )
    senseless = {*others, "target", "trigger", "retrain", "paired"}
    if grid.attack == (BASELINE,) and (unused := {*others, *table} & senseless):
        raise UsageError(f"{where}: {min(unused)!r} means nothing to the attack {BASELINE!r}, which scans clean data.")
    if grid.paired and len(grid.target) != len(grid.attack_seeds):
        raise UsageError(
            f"{where}: 'paired' needs as many targets as attack seeds; found {len(grid.target)} and "
            f"{len(grid.attack_seeds)}."
        )
    if unused := set(table) & ({"victim_seeds"} if grid.detectors else {"kind", "retrain", "model_free"}):
        fits = "goes without" if grid.detectors else "needs"
        raise UsageError(f"{where}: {min(unused)!r} {fits} 'detectors'.")
    return grid


def _listed(value: Any, key: str, where: str) -> list[Any]:
    """Return one value, or a list of them, as a list."""
    if value == []:
        raise UsageError(f"{where}: {key!r} is an empty list, which leaves no cells; give it a value or remove it.")
    return value if isinstance(value, list) else [value]


def _check_names(grid: Grid, plan: Plan, where: str) -> None:
    for name in grid.victim:
        if name not in plan.families:
            raise _located(unknown_name("victim", name, plan.families), where)
    try:
        for name in grid.detectors:
            KNOWN_DETECTORS[name]
        for spec in grid.trigger:
            parse_trigger(spec)
    except WhitesquareError as error:
        raise _located(error, where) from error
    for rate in grid.rate:
        if not 0 < rate < 1:
            raise UsageError(f"{where}: 'rate' must be above 0 and below 1, a share of the training set; got {rate}.")
    for key, values, least in (("count", grid.count, 1), ("attack_seeds", grid.attack_seeds, 0)):
        for value in values:
            if value < least:
                raise UsageError(f"{where}: {key!r} must be at least {least}; got {value}.")
    for seed in grid.victim_seeds:
        # Surrogates have the seeds above: a victim with one of theirs would be a model the attacker trained on.
        if not 0 <= seed < FIRST_SURROGATE_SEED:
            raise UsageError(
                f"{where}: a victim's seed must be in 0..{FIRST_SURROGATE_SEED - 1}, below the attacker's; got {seed}."
            )


def _located(error: WhitesquareError, where: str) -> UsageError:
    return UsageError(f"{where}: {error}")
