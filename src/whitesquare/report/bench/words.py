"""A bench in words: what it found in one line, how far it came, and what its figures show."""

from whitesquare.report.bench.charts import AXES, by_attack
from whitesquare.report.common import formats
from whitesquare.study.bench.types import BenchResult, Curve, Line

_TOLD = 12
"""Curves, settings or attacks of a figure that its words name."""
_AXIS_OF = {
    "success-by-rate": "poison_rate",
    "success-by-epsilon": "epsilon",
    "success-by-opacity": "training_opacity",
}


def done(result: BenchResult) -> str:
    """Say how much of the plan is done."""
    return f"{formats.count(result.finished)} of {formats.plural(result.cells, 'cell')} finished"


def headline(result: BenchResult) -> str:
    """Say what was found: by the strongest attack, else by scans; else how the plan is called."""
    attacked = [line for line in result.lines if line.poison is not None]
    if attacked:
        best = max(attacked, key=_success)
        return (
            f"The strongest attack, {formats.quoted(best.attack)}, turns {formats.percent(best.asr.mean)} of triggered "
            f"images, at {formats.percent(best.ca.mean)} clean accuracy"
        )
    found = [line.figures["right_class"].mean for line in result.scans if "right_class" in line.figures]
    known = [share for share in found if share is not None]
    if known:
        mean, kinds = formats.percent(sum(known) / len(known)), formats.plural(len(known), "setting")
        return f"Scans of {kinds} raise an alarm for the poisoned class in {mean} of the runs"
    return formats.short(result.title, 120)


def lead(result: BenchResult) -> str:
    """Say how far it came, and the highest attack success with all that belongs to it."""
    attacked = [line for line in result.lines if line.poison is not None]
    if not attacked:
        return f"{done(result)}; no victim of an attack among them."
    best = max(attacked, key=_success)
    whose = f"by {formats.quoted(best.setting)} on {formats.quoted(best.victim)}"
    return (
        f"{done(result)}. Highest attack success rate: {formats.spread(best.asr)}, worst "
        f"{formats.percent(best.asr.worst)}, {whose}, at a clean accuracy of {formats.percent(best.ca.mean)}."
    )


def told(name: str, result: BenchResult) -> str:
    """Say what a figure shows, for who cannot see it; the tables have all numbers.

    Args:
        name: of the figure, as its file is called.
        result: what it was drawn of.
    """
    if name == "accuracy-against-success":
        best = [(one, max(lines, key=_success)) for one, lines in by_attack(result)]
        said = [f"{one} {formats.percent(_success(line))} at {formats.percent(line.ca.mean)}" for one, line in best]
        return f"Dots: the highest attack success rate of each, at which clean accuracy: {'; '.join(said)}."
    if name == "attack-by-victim":
        settings: dict[str, list[Line]] = {}
        for line in result.lines:
            settings.setdefault(line.setting, []).append(line)
        most = {one: max(lines, key=_success) for one, lines in list(settings.items())[:_TOLD]}
        said = [
            f"{formats.short(one)} {formats.percent(_success(line))} on {formats.short(line.victim)}"
            for one, line in most.items()
        ]
        return f"A grid of attack success rates by attack and network; the highest of each attack: {'; '.join(said)}."
    axis = _AXIS_OF[name]
    said = [_told_curve(curve) for curve in result.curves if curve.axis == axis]
    against = AXES[axis].partition(",")[0].partition(":")[0]
    return f"Curves of the attack success rate against the {against}: {'; '.join(said[:_TOLD])}."


def _told_curve(curve: Curve) -> str:
    first, last = curve.points[0], curve.points[-1]
    ends = [f"{formats.percent(one.asr.mean)} at {one.x:.3g}" for one in (first, last)]
    return f"{formats.short(curve.name, 60)} from {ends[0]} to {ends[1]}"


def _success(line: Line) -> float:
    return line.asr.mean
