"""Victims and what was done to their data, for the terminal: tables that fit 80 columns."""

from collections.abc import Sequence

from whitesquare._base.safe_text import printable
from whitesquare.records import Measurement, Row, VictimResult
from whitesquare.report.common import formats as f
from whitesquare.report.common.shown import BLIND, Shown, ShownTable
from whitesquare.report.measurement import defence


def shown(measurement: Measurement) -> list[Shown]:
    """Show the results of an experiment: what the victims do, and what was done to their data."""
    victims = max(row.ca.n for row in measurement.rows)
    target = measurement.classes[measurement.target]
    asked = f"does the trigger make a {printable(measurement.model)} answer {target!r}?"
    return [
        ShownTable(
            f"{printable(measurement.source)}: {asked}\nIn per cent: mean over {victims} victim seeds, 95 % interval",
            ("data set", "clean accuracy", "attack success", "worst", "relabelled"),
            [
                (row.name, f.shares(row.ca), f.shares(row.asr), f.share(row.asr.worst), str(row.labels_changed))
                for row in measurement.rows
            ],
            numbers=True,
        ),
        "",
        ShownTable(
            "In per cent: poisons among all images and in their class; poisons still readable;\n"
            "poisons and clean images that a label check flags",
            ("data set", "poisons", "all", "class", "L-inf", "readable", "flagged", "clean"),
            [_data_row(row) for row in measurement.rows],
            numbers=True,
        ),
        *(f"{printable(row.name)}: {BLIND}" for row in measurement.rows if row.visibility == 0),
        *defence.shown(measurement),
    ]


def _data_row(row: Row) -> tuple[str, ...]:
    check = row.label_check
    shares = (row.poison_rate, row.target_rate, row.linf, row.label_consistency)
    flagged = (check.poisons, check.clean) if check else (None, None)
    return (row.name, str(row.count), *map(f.share, shares + flagged))


def class_told(label: int, classes: Sequence[str]) -> str:
    """Name a class: its name, with the number that data and files know it by, where that is another."""
    if label >= len(classes):  # files of a victim hold no names
        return str(label)
    name = f.visible(classes[label])
    return name if name == str(label) else f"{f.short(name)} ({label})"


def shown_victim(victim: VictimResult, classes: Sequence[str] = ()) -> list[Shown]:
    """Show what one victim does.

    Args:
        victim: what was measured.
        classes: names of the classes, by label; without them, classes are numbers.
    """
    rows = [
        ("clean accuracy", f.estimate(victim.ca)),
        ("attack success", f.estimate(victim.asr)),
        ("reaction to the trigger", f"{f.decimal(victim.visibility)} (mean largest change of a logit)"),
        ("trigger", f.short(victim.trigger, 120)),
        ("target class", class_told(victim.target, classes)),
        *((f"attack success on {f.short(name)}", f.estimate(found)) for name, found in victim.asr_by_class.items()),
    ]
    parts: list[Shown] = [ShownTable(f"{printable(victim.model)}, seed {victim.seed}", ("figure", "value"), rows)]
    return [*parts, BLIND] if victim.visibility == 0 else parts
