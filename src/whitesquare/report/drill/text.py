"""A drill in words and cells, for the terminal and the page."""

from whitesquare.report.common import formats as f
from whitesquare.report.common.shown import Shown, ShownTable
from whitesquare.study.drill_types import DrillFailure, DrillResult, DrillRow

TITLES = (
    *("attack", "poison rate", "poisons", "alarm", "runs with alarm", "poisons found", "found or queued"),
    *("clean flagged", "attack works"),
)
"""Columns of the table, in order; all but the first are numbers."""

LEGEND = (
    "In per cent but for counts. Poison rate: poisons among all images. Alarm: its tier, for the class that was "
    "poisoned. Poisons found: those behind an alarm; found or queued: with those in the review queue. Clean flagged: "
    "clean images behind an alarm, mean over runs. Attack works: share of other images that the trigger turns, on a "
    "model trained on the copy; where it is low, what was missed did little harm."
)


def cells(row: DrillRow) -> tuple[str, ...]:
    """Write a row for the terminal."""
    return (
        row.attack,
        f"{100 * row.rate:g}",
        str(row.poisons),
        tiers(row),
        f"{row.right_class}/{len(row.runs)}",
        f.share(row.recall.value),
        f.share(row.recall_with_review.value),
        f"{row.false_flags:.1f}" if row.false_flags else "0",
        f.share(row.attack_success.value if row.attack_success else None),
    )


def tiers(row: DrillRow) -> str:
    """Write the tiers of the target class over the runs, the most frequent first."""
    ordered = sorted(row.tiers.items(), key=lambda item: -item[1])
    return ordered[0][0] if len(ordered) == 1 else ", ".join(f"{number} {tier}" for tier, number in ordered)


def headline(result: DrillResult) -> str:
    """Say what was drilled."""
    name = f.quoted(result.target_name)
    return f"Drill on {f.short(result.source, 60)}: {f.plural(result.size, 'sample')}, target class {name}"


def verdict(result: DrillResult) -> str:
    """Say in one line how many of the attacks would have been caught."""
    caught = sum(one.rate is not None for one in result.smallest)
    if not result.smallest:
        alone = result.clean is not None and not result.failures
        return "How often the scan raises a false alarm" if alone else "Nothing could be rehearsed on these data"
    return f"The scan would have caught {caught} of {f.plural(len(result.smallest), 'attack')}"


def failure(found: DrillFailure) -> str:
    """Write a run that could not be made."""
    return f"{f.short(found.attack)} at {100 * found.rate:g} %, seed {found.seed}: {f.short(found.reason, 400)}"


def shown(result: DrillResult) -> list[Shown]:
    """Show what a drill would have caught: the base line, the table, a sentence per attack; failures are told apart."""
    parts: list[Shown] = [f"{headline(result)}\n{result.base_line.sentence}\n"]
    if result.rows:
        rows = [cells(row) for row in result.rows]
        parts += [ShownTable("What the scan would have caught", TITLES, rows, numbers=True), f"\n{LEGEND}\n"]
    parts += [found.sentence for found in result.smallest]
    parts += [result.clean.sentence] if result.clean else []
    parts += [f.short(notice, 400) for notice in result.notices]
    return [*parts, f"\n{f.short(result.conclusion, 400)}"] if result.conclusion else parts
