"""The report's tables: what is shown in each cell, and which value of ``measurement.json`` it is."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from whitesquare.records import Estimate, Measurement, Row, Spread
from whitesquare.report.common import formats as f
from whitesquare.report.common.values import Value
from whitesquare.report.measurement.verdicts import baseline, judge, main_row

Plain = int | float | str | bool | None


@dataclass(frozen=True)
class TableCell:
    """A table cell: one value and, in small print, what belongs to it."""

    main: Value
    small: tuple[Value | str, ...] = ()


@dataclass(frozen=True)
class TableLine:
    """A line of the results table: a measure, its hint, and one cell per row of the measurement."""

    title: str
    hint: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class TableGroup:
    """Lines of the results table that answer one question."""

    question: str
    lines: tuple[TableLine, ...]


def value(text: str, raw: Plain, field: str, row: Row | None = None, **where: int | str | None) -> Value:
    """Bind a text to the value it shows."""
    return Value(text, f.as_json(raw), field, row.name if row else "", **where)  # type: ignore[arg-type]


def spread_cell(row: Row, field: str, found: Spread, of: str | None = None) -> TableCell:
    """Show a figure over victims: mean, interval, number of victims."""
    small: list[Value | str] = []
    if f.number(found.low) is not None and f.number(found.high) is not None:
        low, high = f.bound(found.low, found.mean), f.bound(found.high, found.mean)
        small += ["[", value(low, found.low, f"{field}.low", row, of=of)]
        small += [",\u00a0", value(high, found.high, f"{field}.high", row, of=of), "] "]
    if of is None:
        small.append(value(f"n\u00a0=\u00a0{found.n}", found.n, f"{field}.n", row))
    return TableCell(value(f.percent(found.mean), found.mean, f"{field}.mean", row, of=of), tuple(small))


def estimate_cell(row: Row, field: str, found: Estimate, victim: int) -> TableCell:
    """Show one victim's share with its interval."""
    low, high = f.bound(found.low, found.value), f.bound(found.high, found.value)
    small = ("[", value(low, found.low, f"{field}.low", row, victim=victim), ",\u00a0")
    main = value(f.percent(found.value), found.value, f"{field}.value", row, victim=victim)
    return TableCell(main, (*small, value(high, found.high, f"{field}.high", row, victim=victim), "]"))


def share_cell(row: Row, field: str, share: float | None) -> TableCell:
    """Show a share of the row, with its interval where ``row.estimates`` has one."""
    main, found = value(f.percent(share), share, field, row), row.estimates.get(field)
    if share is None or found is None:
        return TableCell(main)
    path = f"estimates.{field}"
    low = value(f.bound(found.low, found.value), found.low, f"{path}.low", row)
    high = value(f.bound(found.high, found.value), found.high, f"{path}.high", row)
    n = value(f"n\u00a0=\u00a0{f.count(found.n)}", found.n, f"{path}.n", row)
    return TableCell(main, ("[", low, ",\u00a0", high, "] ", n))


def _spread(field: str) -> Callable[[Row], TableCell]:
    return lambda row: spread_cell(row, field, getattr(row, field))


def _field(field: str, show: Callable[[Any], str]) -> Callable[[Row], TableCell]:
    return lambda row: TableCell(value(show(getattr(row, field)), getattr(row, field), field, row))


def _share(field: str) -> Callable[[Row], TableCell]:
    return lambda row: share_cell(row, field, getattr(row, field))


def _check(part: str) -> Callable[[Row], TableCell]:
    return lambda row: share_cell(
        row, f"label_check.{part}", getattr(row.label_check, part) if row.label_check else None
    )


def _linf(row: Row) -> TableCell:
    shown = f.number(row.linf)
    small = (f"{round(shown * 255)}/255",) if shown else ()
    return TableCell(value(f.decimal(row.linf, 3), row.linf, "linf", row), small)


def _trigger_in_use(row: Row) -> TableCell:
    """Show a trigger's spec, which may be broken after its commas."""
    shown = f.short(row.trigger, 60).replace(",", ",\u200b") if row.trigger else f.MISSING
    return TableCell(value(shown, row.trigger, "trigger", row))


def _trigger_on_poisons(row: Row) -> TableCell:
    """Show only what the trigger on the poisons has otherwise than the one in use, which stands at the top."""
    (kind, used), (other, trained) = _parts(row.trigger), _parts(row.training_trigger)
    changed = [part for part in trained if part not in used]
    shown = f.MISSING if not row.training_trigger else ", ".join(changed) if changed else "as in use"
    if other != kind and row.training_trigger:
        shown = row.training_trigger
    return TableCell(value(f.short(shown, 40).replace("=", "\u00a0"), row.training_trigger, "training_trigger", row))


def _parts(spec: str) -> tuple[str, list[str]]:
    kind, _, given = spec.partition(":")
    return kind, given.split(",")


_JOB = "Does the network still do its job?"
_BACKDOOR = "Does the backdoor work?"
_CHANGE = "What was changed in the training data?"
_NOTICE = "Would a check of the data notice?"

_MEASURES: tuple[tuple[str, str, str, Callable[[Row], TableCell]], ...] = (
    (_JOB, "Clean accuracy (CA)", "higher is better for everybody", _spread("ca")),
    (_BACKDOOR, "Attack success rate (ASR)", "90 % and more: it works", _spread("asr")),
    (_BACKDOOR, "Trigger visibility", "0: the network cannot see it", _field("visibility", f.decimal)),
    (_CHANGE, "Poisons", "images changed", _field("count", f.count)),
    (_CHANGE, "Poison rate", "of all training images", _field("poison_rate", f.percent)),
    (_CHANGE, "Target rate", "of the class they come from", _field("target_rate", f.percent)),
    (_CHANGE, "Labels changed", "0: every label is true", _field("labels_changed", f.count)),
    (_CHANGE, "L-inf", "largest change before the trigger", _linf),
    (_CHANGE, "Trigger on the poisons", "beside the one in use", _trigger_on_poisons),
    (_CHANGE, "Trigger in use", "", _trigger_in_use),
    (_NOTICE, "Label consistency", "poisons that still show their label", _share("label_consistency")),
    (_NOTICE, "Label check, poisons", "flagged as mislabelled", _check("poisons")),
    (_NOTICE, "Label check, clean images", "flagged as mislabelled", _check("clean")),
)


def results(measurement: Measurement) -> list[TableGroup]:
    """Build the results table: measures down, rows of the measurement across, grouped by question.

    The trigger in use stands at the top of the page; here it has a line only where rows differ in it.
    """
    used = {row.trigger for row in measurement.rows if row.trigger}
    measures = [one for one in _MEASURES if one[3] is not _trigger_in_use or len(used) > 1]
    return [
        TableGroup(
            question,
            tuple(TableLine(title, hint, tuple(map(cell, measurement.rows))) for _, title, hint, cell in group),
        )
        for question, group in groupby(measures, key=itemgetter(0))
    ]


def victims(measurement: Measurement) -> list[tuple[Row, list[tuple[Value | TableCell, ...]]]]:
    """Build the table of single victims: per row, each victim's seed, network, CA, ASR and visibility."""
    return [
        (
            row,
            [
                (
                    TableCell(value(str(one.seed), one.seed, "seed", row, victim=i)),
                    TableCell(value(f.short(one.model), one.model, "model", row, victim=i)),
                    estimate_cell(row, "ca", one.ca, i),
                    estimate_cell(row, "asr", one.asr, i),
                    TableCell(value(f.decimal(one.visibility), one.visibility, "visibility", row, victim=i)),
                )
                for i, one in enumerate(row.victims)
            ],
        )
        for row in measurement.rows
    ]


def by_class(measurement: Measurement) -> list[tuple[str, list[TableCell | None]]]:
    """Build the table of ASR per true class: one line per class, one cell per row."""
    names = [name for i, name in enumerate(measurement.classes) if i != measurement.target]
    return [
        (
            name,
            [
                spread_cell(row, "asr_by_class", row.asr_by_class[name], name) if name in row.asr_by_class else None
                for row in measurement.rows
            ],
        )
        for name in names
    ]


def confusion(row: Row, classes: tuple[str, ...]) -> list[tuple[str, list[TableCell]]]:
    """Build the table of counts behind the confusion figure; empty if the row has none."""
    return (
        [
            (
                true,
                [
                    TableCell(value(f.count(n), n, "confusion", row, of=true, answer=answer))
                    for answer, n in zip(classes, counts, strict=True)
                ],
            )
            for true, counts in zip(classes, row.confusion, strict=True)
        ]
        if row.confusion
        else []
    )


def words(measurement: Measurement) -> list[tuple[Row, str, str]]:
    """Return each row with the word for its effect and a key for its colour."""
    clean = baseline(measurement)
    return [(row, judge(row, clean).effect.value, judge(row, clean).effect.name.lower()) for row in measurement.rows]


def tiles(measurement: Measurement) -> list[tuple[str, TableCell, str]]:
    """Build the three key figures at the top: title, value, and what to compare it with."""
    row, clean = main_row(measurement), baseline(measurement)
    attacked = clean is not None and row is not clean
    usual_ca = f"{f.percent(clean.ca.mean)} after clean training" if attacked and clean else "on untouched images"
    usual_asr = f"{f.percent(clean.asr.mean)} after clean training" if attacked and clean else "with the trigger on"
    relabelled = f.plural(row.labels_changed, "label") if row.labels_changed else "no label"
    changed = f"{f.percent(row.poison_rate)} of the training set, {relabelled} changed"
    return [
        ("Clean accuracy", spread_cell(row, "ca", row.ca), usual_ca),
        ("Attack success rate", spread_cell(row, "asr", row.asr), usual_asr),
        ("Training images changed", TableCell(value(f.count(row.count), row.count, "count", row)), changed),
    ]
