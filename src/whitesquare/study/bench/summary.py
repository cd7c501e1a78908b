"""From finished cells to figures over victims: every line with mean, spread, worst, interval and n."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from whitesquare._base.machine import code_digest, machine, versions
from whitesquare.attacks import KNOWN_ATTACKS, attack_parameters
from whitesquare.learning.estimates import over_victims
from whitesquare.records import Parameter
from whitesquare.study.bench.scans.figures import FALSE
from whitesquare.study.bench.scans.sets import AS_IT_IS
from whitesquare.study.bench.scans.types import OverSeeds, ScanLine, ScanTask
from whitesquare.study.bench.store import DECIDING
from whitesquare.study.bench.types import (
    BASELINE,
    OPACITY,
    BenchResult,
    Cell,
    Curve,
    Failure,
    Line,
    Point,
    Record,
    ScanRecord,
)
from whitesquare.triggers import trigger_spec

AXES: dict[str, Callable[[Line], Parameter]] = {
    "poison_rate": lambda line: line.poison.poison_rate if line.poison else None,
    "epsilon": lambda line: line.parameters.get("epsilon"),
    OPACITY: lambda line: line.parameters.get(OPACITY),
}
"""The quantities that attack success is drawn against."""
_LOW_IS_GOOD = ("p_value", "sacrifice", "asr", "seconds", "review_fpr", "undecided", *FALSE)


def summarise(
    title: str, cells: Sequence[Cell], records: Sequence[Record | ScanRecord], failures: Sequence[Failure]
) -> BenchResult:
    """Put the results of a bench together.

    Args:
        title: of the plan.
        cells: all of the plan.
        records: the finished ones.
        failures: the others.
    """
    lines = _lines(cells, [record for record in records if isinstance(record, Record)])
    return BenchResult(
        title=title,
        cells=len(cells),
        finished=len(records),
        lines=lines,
        curves=tuple(curve for axis in AXES for curve in _curves(axis, lines)),
        failures=tuple(failures),
        codes=tuple(sorted({record.code for record in records})),
        versions=versions(),
        machine=machine(),
        code=code_digest(DECIDING),
        scans=_scan_lines([record for record in records if isinstance(record, ScanRecord)]),
    )


def setting_of(cell: Cell, cells: Iterable[Cell] = ()) -> str:
    """Name what the attack was given: the count and the parameters that are not its defaults."""
    if cell.attack == BASELINE:
        return "clean"
    usual = attack_parameters(KNOWN_ATTACKS[cell.attack])
    # What the plan varies is told even where it has its default value: a reader compares along it.
    varied = {
        name
        for other in cells
        if other.attack == cell.attack
        for name, value in other.parameters.items()
        if value != cell.parameters.get(name)
    }
    told = [f"{name}={value}" for name, value in cell.parameters.items() if value != usual[name] or name in varied]
    return " ".join([cell.attack, f"n={cell.count}", *told])


def _lines(cells: Sequence[Cell], records: Sequence[Record]) -> tuple[Line, ...]:
    """Group by everything but the victim's seed.

    Attack seeds stay apart: victims of one poison are not as independent of each other as those of two, and an
    interval over both would claim more than it knows.
    """
    by_key = {record.cell.key: record for record in records}
    groups: dict[tuple[str, str, bool, str, int], list[Record]] = {}
    for cell in cells:
        if cell.key in by_key:
            setting = (cell.poison_key, str(cell.parameters.get(OPACITY)), cell.twin, cell.victim, cell.attack_seed)
            groups.setdefault(setting, []).append(by_key[cell.key])
    names = _settings(cells)
    return tuple(_line(group, names) for group in groups.values())


def _settings(cells: Sequence[Cell]) -> dict[tuple[str, str], str]:
    """Name every setting once; what all of them share is not told."""
    first = {(cell.poison_key, str(cell.parameters.get(OPACITY))): cell for cell in cells}
    told = {key: setting_of(cell, first.values()) for key, cell in first.items()}
    for part in ("data", "target", "attack_seed"):
        values = {vars(cell)[part] for cell in first.values() if cell.attack != BASELINE}
        if len(values) > 1:
            told = {key: f"{name} {part}={vars(first[key])[part]}" for key, name in told.items()}
    return {
        key: name if _own_trigger(first[key]) else f"{name} trigger={first[key].trigger}" for key, name in told.items()
    }


def _own_trigger(cell: Cell) -> bool:
    """Tell whether the trigger is the one the attack (for clean data, ``stamp``) has by itself: it goes unsaid."""
    return cell.trigger == trigger_spec(KNOWN_ATTACKS["stamp" if cell.attack == BASELINE else cell.attack].trigger)


def _line(group: Sequence[Record], names: dict[tuple[str, str], str]) -> Line:
    cell = group[0].cell
    setting = names[cell.poison_key, str(cell.parameters.get(OPACITY))]
    return Line(
        setting=f"clean, trigger of {setting}" if cell.twin else setting,
        data=cell.data,
        attack=BASELINE if cell.twin else cell.attack,
        parameters={} if cell.twin else cell.parameters,
        trigger=cell.trigger,
        target=cell.target,
        count=0 if cell.twin else cell.count,
        attack_seed=cell.attack_seed,
        victim=cell.victim,
        poison=group[0].poison,
        ca=over_victims([record.victim.ca.value for record in group]),
        asr=over_victims([record.victim.asr.value for record in group]),
        visibility=float(np.mean([record.victim.visibility for record in group])),
        seconds=float(np.mean([record.seconds for record in group])),
    )


def _scan_lines(records: Sequence[ScanRecord]) -> tuple[ScanLine, ...]:
    """Group by everything but the seed and the detectors."""
    groups: dict[tuple[str, str], list[ScanRecord]] = {}
    for record in records:
        task = ScanTask(_kind(record), model_free=_model_free(record))
        same = replace(record.cell, attack_seed=0, victim_seed=0, scan=task)
        groups.setdefault((same.data, same.key), []).append(record)
    return tuple(_scan_line(group, records) for group in groups.values())


def _scan_line(group: Sequence[ScanRecord], records: Sequence[ScanRecord]) -> ScanLine:
    cell, found, kind = group[0].cell, [record.found.figures for record in group], _kind(group[0])
    setting = setting_of(cell, [record.cell for record in records])
    for part in ("target", "victim", "trigger"):
        if len({vars(record.cell)[part] for record in records if record.cell.attack == cell.attack}) > 1:
            setting += f" {part}={vars(cell)[part]}"
    how = ", model-free" if _model_free(group[0]) else ""
    return ScanLine(
        setting=(kind if kind != AS_IT_IS else setting) + how,
        data=cell.data,
        attack=cell.attack,
        target=cell.target,
        count=cell.count,
        poison_rate=group[0].poison.poison_rate if group[0].poison else 0.0,
        seeds=tuple(sorted(record.cell.attack_seed for record in group)),
        figures={
            name: over_seeds(name, [one.get(name) for one in found])
            for name in dict.fromkeys(name for one in found for name in one)
        },
        false=tuple(f"seed {record.cell.attack_seed}, {text}" for record in group for text in record.found.false),
    )


def _kind(record: ScanRecord) -> str:
    return record.cell.scan.kind if record.cell.scan else AS_IT_IS


def _model_free(record: ScanRecord) -> bool:
    return record.cell.scan is not None and record.cell.scan.model_free


def over_seeds(name: str, values: Sequence[float | None]) -> OverSeeds:
    """Summarise what was measured under that name, whose last part says whether low is good."""
    found = [value for value in values if value is not None]
    if not found:
        return OverSeeds(None, None, 0)
    worst = max(found) if name.rpartition(".")[2] in _LOW_IS_GOOD else min(found)
    return OverSeeds(float(np.mean(found)), worst, len(found))


def _curves(axis: str, lines: Sequence[Line]) -> list[Curve]:
    """Join the lines that differ in one quantity only, where that quantity takes two values or more."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        if isinstance(AXES[axis](line), int | float):
            groups.setdefault(_but(axis, line), []).append(line)
    return [
        Curve(axis, name, tuple(sorted((_point(axis, line) for line in group), key=lambda point: point.x)))
        for name, group in groups.items()
        if len({AXES[axis](line) for line in group}) > 1
    ]


def _but(axis: str, line: Line) -> str:
    """Name a line without one quantity."""
    dropped = "n=" if axis == "poison_rate" else f"{axis}="
    return " ".join([*(part for part in line.setting.split() if not part.startswith(dropped)), f"on {line.victim}"])


def _point(axis: str, line: Line) -> Point:
    x = AXES[axis](line)
    return Point(float(x) if isinstance(x, int | float) else 0.0, line.asr)
