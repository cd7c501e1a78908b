"""The defence in words and tiles: what a scan found in one data set, and what is left of the attack without it."""

from dataclasses import replace

from whitesquare.records import Defence, Measurement, Row
from whitesquare.report.common import formats as f
from whitesquare.report.common.shown import Shown, ShownTable
from whitesquare.report.measurement.tables import TableCell, value
from whitesquare.report.measurement.verdicts import Effect, baseline, judge


def defended(measurement: Measurement) -> tuple[Defence, Row] | None:
    """Return the defence with the row whose data were scanned; ``None`` where no scan was made."""
    found = measurement.defence
    row = next((row for row in measurement.rows if found is not None and row.name == found.row), None)
    return None if found is None or row is None else (found, row)


def ending(measurement: Measurement) -> str:
    """Say in half a sentence what became of the backdoor, to end the headline; empty where no scan was made."""
    both = defended(measurement)
    if both is None:
        return ""
    found, _ = both
    if found.after is None:
        return "; a scan confirms nothing, and the backdoor stays"
    return f"; after scan and cleanse, {f.percent(found.after.asr.mean)}"


def state(measurement: Measurement, effect: Effect) -> tuple[str, str]:
    """Return the sign and the word of the page's head: what became of the backdoor in the end."""
    both = defended(measurement)
    if both is not None and both[0].after is not None and effect in (Effect.WORKS, Effect.PARTLY):
        gone = _gone(both[0].after, both[1], measurement)
        return ("good", "works, and is stopped") if gone else ("bad", "works, and is not stopped")
    return {
        Effect.WORKS: ("bad", "the backdoor works"),
        Effect.PARTLY: ("bad", "works in part"),
        Effect.FAILS: ("good", "does not work"),
    }.get(effect, ("open", "nothing to judge"))


def in_short(measurement: Measurement) -> list[str]:
    """Say in one sentence what a scan made of it; none where no scan was made."""
    both = defended(measurement)
    if both is None or both[0].after is None:
        return sentences(measurement)
    found, row, after = *both, both[0].after
    stopped = "It can be stopped" if _gone(after, row, measurement) else "A scan does not stop it"
    return [
        f"{stopped}: a scan raises an alarm for class {', '.join(map(f.quoted, found.alarmed))}, cleansing removes "
        f"{f.count(found.poisons_removed)} of the {f.count(found.poisons)} poisons, and networks trained on the rest "
        f"give the attacker {f.percent(after.asr.mean)} instead of {f.percent(row.asr.mean)}."
    ]


def sentences(measurement: Measurement) -> list[str]:
    """Say what was found, what was removed, and what is left of the attack, one paragraph each."""
    both = defended(measurement)
    if both is None:
        return []
    found, row = both
    name = f.quoted(row.name)
    if found.after is None:
        return [
            f"A scan of {name} that knows neither rate nor truth confirms no sample (its verdict: {found.verdict})."
        ]
    classes = ", ".join(map(f.quoted, found.alarmed))
    rebuilt = ""
    if found.flip_rate is not None:
        rebuilt = f" and rebuilds a trigger that turns {f.percent(found.flip_rate.value)} of other images to it"
    others = found.removed - found.poisons_removed
    return [
        f"A scan of {name}, which knows neither rate nor truth, raises an alarm for class {classes}{rebuilt}.",
        f"Cleansing removes {f.count(found.removed)} confirmed samples: {f.count(found.poisons_removed)} of the "
        f"{f.count(found.poisons)} poisons, and {f.plural(others, 'clean image')}.",
        _left(found.after, row, measurement),
    ]


def _left(after: Row, row: Row, measurement: Measurement) -> str:
    clean = baseline(measurement)
    level = f", where clean training has {f.percent(clean.asr.mean)}" if clean else ""
    verdict = "The backdoor is gone" if _gone(after, row, measurement) else "The backdoor is not gone"
    return (
        f"{verdict}: networks trained on the rest give the attacker {f.percent(after.asr.mean)} instead of "
        f"{f.percent(row.asr.mean)} ({f.evidence(after.asr)}){level}, and read {f.percent(after.ca.mean)} of the test "
        "images correctly."
    )


def _gone(after: Row, row: Row, measurement: Measurement) -> bool:
    """Tell by the marks of an attack whether what is left is none."""
    left = replace(row, asr=after.asr, ca=after.ca, visibility=after.visibility)
    return judge(left, baseline(measurement)).effect is Effect.FAILS


def tiles(measurement: Measurement) -> list[tuple[str, TableCell, str]]:
    """Build the key figures of the defence: title, value, and what to compare it with."""
    both = defended(measurement)
    if both is None or both[0].after is None:
        return []
    found, row, after = *both, both[0].after
    others = f.count(found.removed - found.poisons_removed)
    removed = TableCell(value(f.count(found.poisons_removed), found.poisons_removed, "defence.poisons_removed"))
    success = TableCell(value(f.percent(after.asr.mean), after.asr.mean, "defence.after.asr.mean"))
    accuracy = TableCell(value(f.percent(after.ca.mean), after.ca.mean, "defence.after.ca.mean"))
    return [
        ("Poisons removed", removed, f"of {f.count(found.poisons)}; and {others} clean images"),
        ("Attack success, trained again", success, f"{f.percent(row.asr.mean)} before; n = {after.asr.n} victims"),
        ("Clean accuracy, trained again", accuracy, f"{f.percent(row.ca.mean)} before"),
    ]


def shown(measurement: Measurement) -> list[Shown]:
    """Show the defence on the terminal: before, after."""
    both = defended(measurement)
    if both is None:
        return []
    found, row = both
    rows = [(one.name, f.shares(one.ca), f.shares(one.asr)) for one in (row, found.after) if one is not None]
    title = "Scanned, cleansed, trained again (in per cent)"
    table = ShownTable(title, ("data set", "clean accuracy", "attack success"), rows, numbers=True)
    return ["", table, f"\n{' '.join(sentences(measurement))}"]
