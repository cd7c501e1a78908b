"""What a drill found, in sentences that can be said aloud: each says no more than its runs tell."""

from collections.abc import Sequence
from pathlib import Path

from whitesquare.scanning.types import ScanResult
from whitesquare.study.drill_types import ENOUGH_RUNS, BaseLine, DrillRow, Smallest


def smallest(attack: str, rows: Sequence[DrillRow]) -> Smallest:
    """Find the smallest rate from which on every tested rate is caught in nine runs of ten, or in all of fewer runs.

    Args:
        attack: its name.
        rows: its rows, one per rate, in any order; at least one.
    """
    found: float | None = None
    for row in sorted(rows, key=lambda row: -row.rate):
        if not row.nine_in_ten:
            break
        found = row.rate
    runs = min(len(row.runs) for row in rows)
    if found is None:
        largest = max(rows, key=lambda row: row.rate)
        missed = f"caught in {largest.caught} of {len(largest.runs)} runs at {_share(largest.rate)}, the largest rate"
        return Smallest(attack, found, runs, f"{attack}: {missed}{_more(runs)}.")
    below = [row.rate for row in rows if row.rate < found]
    beside = f"not at {_share(max(below))}" if below else "no smaller rate was tested"
    return Smallest(
        attack, found, runs, f"{attack}: caught {_how_often(runs)} from {_share(found)} on; {beside}{_more(runs)}."
    )


def conclusion(rows: Sequence[DrillRow], found: Sequence[Smallest]) -> str:
    """Say in one sentence what would have been caught, and what not, with what that would have done.

    Args:
        rows: of all attacks; at least one.
        found: the smallest rate of each attack.
    """
    caught = [one for one in found if one.rate is not None]
    missed = [one for one in found if one.rate is None]
    parts = []
    if caught:
        least = max(one.rate for one in caught if one.rate is not None)
        runs = min(one.runs for one in caught)
        parts.append(
            f"{_names(caught)} would have been caught {_how_often(runs)} wherever {_share(least)} of the images were "
            "poisoned"
        )
    if missed:
        largest = max(row.rate for row in rows)
        often = "nine times in ten" if min(one.runs for one in missed) >= ENOUGH_RUNS else "every time"
        names = _names(missed)
        said = f"{names} would not have been caught {often}, even at {_share(largest)}"
        parts.append(f"{said}{_harm(rows, {one.attack for one in missed})}")
    return f"In short: {'; '.join(parts)}."


def base_line(found: ScanResult) -> BaseLine:
    """Say what a scan makes of the data as they are."""
    names = tuple(dict.fromkeys(alarm.class_name for alarm in found.alarms))
    flagged = sum(flag.tier != "review" for flag in found.flagged)
    sentence = "Your data as it is: nothing found."
    if names:
        sentence = (
            f"Your data as it is: ALARM ({found.verdict}), {len(names)} class{'es' * (len(names) > 1)}, {flagged} "
            "samples; look at that first, for the numbers below were measured on top of it."
        )
    return BaseLine(found.verdict, names, flagged, len(found.flagged) - flagged, sentence)


def notices_of(plain: ScanResult, *, tested: bool) -> tuple[str, ...]:
    """Say what the scans could not do, by that of the data as they are, and what no test split leaves unmeasured."""
    notices = [f"{one.name} crashed on the data as it is: {one.reason}" for one in plain.runs if one.crashed]
    if plain.mode == "model-free":
        why = next((one.reason for one in plain.runs if "no model could be trained" in one.reason), "")
        notices.append(f"The scans trained no model, so none could confirm anything: {why or plain.mode}")
    if not tested:
        notices.append("The data set has no test split, so no attack's success could be measured.")
    return tuple(notices)


def announcement(seconds: float, runs: int, taken: int = 0) -> str:
    """Say how long a drill will take, by the seconds of a run, and what would take less.

    Args:
        seconds: of the first run that was made.
        runs: that there are with it.
        taken: that were there already.
    """
    whole, those = seconds * runs / 60, f"the {runs} that are left" if taken else f"all {runs}"
    said = f"about {whole:.0f} minutes" if whole >= 1.5 else "about a minute or two"
    return (
        f"One run took {seconds:.0f} s, so {those} take {said}, less where other attacks are quicker to make. For "
        "less, stop it and name fewer: --seeds 1, --rates 0.05, --attacks label-flip."
    )


def taken_up(taken: int, total: int, folder: Path | None) -> str:
    """Say how many scans of a drill were there already."""
    return (
        f"Taken up from a drill before: {taken} of {total} scans, of the same data, settings and versions (kept in "
        f"{folder}); the others were made now."
    )


def _how_often(runs: int) -> str:
    if runs >= ENOUGH_RUNS:
        return "nine times in ten"
    return "in the one run of each rate" if runs == 1 else f"in all {runs} runs of each rate"


def _more(runs: int) -> str:
    return "" if runs >= ENOUGH_RUNS else f" (--seeds {ENOUGH_RUNS} tells whether that is so nine times in ten)"


def _harm(rows: Sequence[DrillRow], attacks: set[str]) -> str:
    """Say whether what was missed would have worked on a model; nothing where that was not measured."""
    success = [row.attack_success.value for row in rows if row.attack in attacks and row.attack_success]
    if not success:
        return ""
    return f", and its trigger works on up to {100 * max(success):.0f} % of images"


def _names(found: Sequence[Smallest]) -> str:
    names = [one.attack for one in found]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _share(rate: float) -> str:
    return f"{100 * rate:g} %"
