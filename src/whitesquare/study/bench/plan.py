"""Plans: which cells to run, read from TOML; every mistake is found before anything runs."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from whitesquare.data.layouts import EMBEDDED
from whitesquare.errors import DataError, UsageError, WhitesquareError, unknown_name
from whitesquare.learning.recipes import FIRST_SURROGATE_SEED, VICTIMS, Recipe
from whitesquare.records import Parameter
from whitesquare.triggers import parse_trigger

Values = tuple[Parameter, ...]


@dataclass(frozen=True)
class Grid:
    """The product of its fields, each a tuple of values to try.

    Attributes:
        attack: names of attacks.
        data: data sets, as :func:`whitesquare.data.open_dataset` takes them.
        target: target classes (labels).
        count: numbers of poisons; or ``rate``.
        rate: shares of the whole training set to poison.
        epsilon: budgets of the attack; empty leaves its default.
        opacity: strengths of the trigger on the poisons, the attack's ``training_opacity``; empty leaves its default.
        trigger: specs of triggers in use; empty leaves each attack its own.
        victim: names of victim families.
        victim_seeds: seeds of victims; in the file a number ``n`` stands for 1 to n.
        attack_seeds: seeds of the choice of samples and the crafting.
        parameters: values to try of other attack parameters, by name.
    """

    attack: tuple[str, ...]
    data: tuple[str, ...] = (EMBEDDED,)
    target: tuple[int, ...] = (0,)
    count: tuple[int, ...] = ()
    rate: tuple[float, ...] = ()
    epsilon: tuple[float, ...] = ()
    opacity: tuple[float, ...] = ()
    trigger: tuple[str, ...] = ()
    victim: tuple[str, ...] = ("default",)
    victim_seeds: tuple[int, ...] = (1, 2, 3)
    attack_seeds: tuple[int, ...] = (0,)
    parameters: dict[str, Values] = field(default_factory=dict)


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


_AXES: dict[str, type] = {
    "attack": str,
    "data": str,
    "target": int,
    "count": int,
    "rate": float,
    "epsilon": float,
    "opacity": float,
    "trigger": str,
    "victim": str,
    "attack_seeds": int,
}


def read_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        UsageError: there is no such file, or see :func:`parse_plan`.
        DataError: it is not TOML.
    """
    if not path.is_file():
        raise UsageError(f"There is no plan file {str(path)!r}; write one as docs/bench.md shows.")
    return parse_plan(path.read_text(encoding="utf-8"), where=path.name)


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
    _known(table, ("title", "baseline", "victims", "grid"), where)
    tables = table.get("grid", [])
    if not isinstance(tables, list) or not all(isinstance(item, dict) for item in tables):
        raise UsageError(f"{where}: a grid is written as [[grid]], with two brackets; got {tables!r:.60}.")
    if not tables:
        raise UsageError(f"{where}: the plan has no cells; add a [[grid]] with an attack and a count or rate.")
    own = _expect(table.get("victims", {}), dict, f"{where}: [victims]")
    victims = {name: _recipe(recipe, f"{where}: [victims.{name}]") for name, recipe in own.items()}
    grids = tuple(_grid(item, f"{where}: grid {number}") for number, item in enumerate(tables, start=1))
    title = _expect(table.get("title", where), str, f"{where}: 'title'")
    plan = Plan(title, grids, _expect(table.get("baseline", True), bool, f"{where}: 'baseline'"), victims)
    for number, grid in enumerate(grids, start=1):
        _check_names(grid, plan, f"{where}: grid {number}")
    return plan


def _grid(table: dict[str, Any], where: str) -> Grid:
    _known(table, [item.name for item in fields(Grid)], where)
    values: dict[str, Any] = {key: _values(table[key], kind, key, where) for key, kind in _AXES.items() if key in table}
    if "attack" not in values:
        raise UsageError(f'{where} names no attack; write attack = "stamp", or a list of them.')
    if ("count" in values) == ("rate" in values):
        raise UsageError(f"{where} needs either a count of poisons or a rate, not both and not neither.")
    if "victim_seeds" in table:
        values["victim_seeds"] = _seeds(table["victim_seeds"], where)
    others = _expect(table.get("parameters", {}), dict, f"{where}: [grid.parameters]")
    values["parameters"] = {name: _values(value, None, name, where) for name, value in others.items()}
    return Grid(**values)


def _seeds(value: Any, where: str) -> tuple[int, ...]:
    if type(value) is int:
        if value < 1:
            raise UsageError(f"{where}: 'victim_seeds' must be at least 1, or a list of seeds; got {value}.")
        return tuple(range(1, value + 1))
    return _values(value, int, "victim_seeds", where)


def _values(value: Any, kind: type | None, key: str, where: str) -> tuple[Any, ...]:
    """Read one value or a list of them."""
    found = value if isinstance(value, list) else [value]
    if not found:
        raise UsageError(f"{where}: {key!r} is an empty list, which leaves no cells; give it a value or remove it.")
    for item in found:
        if kind is None and not isinstance(item, int | float | str | bool):
            raise UsageError(f"{where}: {key!r} must be a number, a text, true or false; got {item!r}.")
        if kind is not None and type(item) is not kind and not (kind is float and type(item) is int):
            raise UsageError(f"{where}: {key!r} must be of type {kind.__name__}, or a list of such; got {item!r}.")
    return tuple(float(item) for item in found) if kind is float else tuple(found)


def _check_names(grid: Grid, plan: Plan, where: str) -> None:
    for name in grid.victim:
        if name not in plan.families:
            raise _located(unknown_name("victim", name, plan.families), where)
    for spec in grid.trigger:
        try:
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


def _recipe(table: Any, where: str) -> Recipe:
    known = {item.name: type(item.default) for item in fields(Recipe)}
    _known(_expect(table, dict, where), known, where)
    values = {name: _values(value, known[name], name, where)[0] for name, value in table.items()}
    try:
        return Recipe(**values)
    except WhitesquareError as error:
        raise _located(error, where) from error


def _known(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            raise _located(unknown_name("key", key, names), where)


def _located(error: WhitesquareError, where: str) -> UsageError:
    return UsageError(f"{where}: {error}")


def _expect(value: Any, kind: type, where: str) -> Any:
    if type(value) is not kind:
        raise UsageError(f"{where} must be of type {kind.__name__}; got {value!r:.60}.")
    return value
