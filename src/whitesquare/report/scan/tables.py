"""The tables of a scan's page: classes with their statistics, samples to review."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whitesquare.records import TIERS
from whitesquare.report.common import formats as f
from whitesquare.report.common.values import Value
from whitesquare.scanning.criteria import CRITERIA, Criterion, stands_out
from whitesquare.scanning.types import ClassRow, ScanResult

STANDS_OUT = 3.5
"""Robust standard deviations above the median class from which a statistic is marked (Iglewicz and Hoaglin 1993)."""

_FEWEST = 4
_MAD = 1.4826
_MEAN = 1.2533


@dataclass(frozen=True)
class Statistic:
    """A value, and whether it stands out among the classes."""

    value: Value
    stands_out: bool


@dataclass(frozen=True)
class ClassLine:
    """One class in the table."""

    row: ClassRow
    tier: str
    size: Value
    flags: tuple[Value, ...]
    statistics: tuple[Statistic, ...]


@dataclass(frozen=True)
class Column:
    """What one detector measured of every class; ``criterion`` is by what it raises alarms, ``None`` if it does not."""

    name: str
    criterion: Criterion | None

    @property
    def bound(self) -> str:
        """By how much a class must exceed the others to be noticed; empty where nothing comes of it but a rank."""
        if self.criterion is None:
            return ""
        return f"{self.criterion.rule_id}, from +{self.criterion.above:g}"


def columns(result: ScanResult) -> list[Column]:
    """Return the detectors that gave a class a statistic: those that raise alarms, then the others as they ran."""
    given = {name for row in result.classes for name, found in row.statistics.items() if f.number(found) is not None}
    order = [run.name for run in result.runs if run.name in given]
    rules = {run.rule_id: run.name for run in result.runs if run.name in given}
    raising = {rules[one.rule_id]: one for one in CRITERIA if one.rule_id in rules}
    names = [*raising, *(name for name in order if name not in raising), *sorted(given - set(order))]
    return [Column(name, raising.get(name)) for name in names]


def _marked(column: Column, result: ScanResult) -> set[int]:
    """Return the positions of the classes that stand out: by the rule where there is one, else for the eye."""
    found = [row.statistics.get(column.name) for row in result.classes]
    if (rule := column.criterion) is None:
        return standing_out(found)
    values = np.array([np.nan if f.number(one) is None else one for one in found], np.float32)
    if len(result.classes) < rule.classes:
        return set()
    sizes = np.array([row.size for row in result.classes])
    able = np.flatnonzero(sizes >= rule.samples).tolist()
    return {i for i in able if stands_out(rule, values, sizes, i)}


def classes(result: ScanResult) -> list[ClassLine]:
    """Build the table of classes: those with an alarm first, then those that stand out, then the rest, by label."""
    shown = columns(result)
    marked = {column.name: _marked(column, result) for column in shown}
    tiers = {alarm.label: alarm.tier for alarm in reversed(result.alarms)}
    lines = []
    for i, row in enumerate(result.classes):
        flags = tuple(_value(f.count(getattr(row, tier)), getattr(row, tier), f"classes.{i}.{tier}") for tier in TIERS)
        marks = tuple(
            Statistic(_value(f.decimal(found), found, f"classes.{i}.statistics.{name}"), i in marked[name])
            for name in marked
            for found in (row.statistics.get(name),)
        )
        size = _value(f.count(row.size), row.size, f"classes.{i}.size")
        lines.append(ClassLine(row, tiers.get(row.label, ""), size, flags, marks))
    telling = sum(column.criterion is not None for column in shown) or len(shown)
    return sorted(lines, key=lambda line: _order(line, telling))


def _order(line: ClassLine, telling: int) -> tuple[int, bool, int]:
    tier = TIERS.index(line.tier) if line.tier in TIERS else len(TIERS)
    return tier, not any(mark.stands_out for mark in line.statistics[:telling]), line.row.label


def standing_out(values: Sequence[float | None]) -> set[int]:
    """Return the positions of values far above the median of all; empty with fewer than four values."""
    known = {i: value for i, value in enumerate(map(f.number, values)) if value is not None}
    if len(known) < _FEWEST:
        return set()
    middle = statistics.median(known.values())
    apart = [abs(value - middle) for value in known.values()]
    scale = _MAD * statistics.median(apart) or _MEAN * statistics.fmean(apart)
    return {i for i, value in known.items() if scale > 0 and (value - middle) / scale >= STANDS_OUT}


def review(result: ScanResult, limit: int) -> list[tuple[str, tuple[Value | str, ...]]]:
    """Return the first flagged samples: the id, and as cells class, tier, rule, fused score, p-value."""
    names: Mapping[int, str] = {row.label: row.name for row in result.classes}
    return [
        (
            f.short(flag.id, 60),
            (
                f.short(names.get(flag.label, str(flag.label))),
                flag.tier,
                f.short(flag.rule_id, 12),
                _value(f.decimal(flag.fused, 3), flag.fused, f"flagged.{i}.fused"),
                _value(f.p_value(flag.p_value), flag.p_value, f"flagged.{i}.p_value"),
            ),
        )
        for i, flag in enumerate(result.flagged[:limit])
    ]


def _value(text: str, raw: float | None, field: str) -> Value:
    return Value(text, f.as_json(raw), field)
