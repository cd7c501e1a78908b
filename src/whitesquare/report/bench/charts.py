"""Figures of a bench: success against rate, budget and opacity; attack by victim; accuracy against success."""

import math

import numpy as np

from whitesquare.report.common import style
from whitesquare.report.common.drawing import Figure
from whitesquare.report.measurement.charts import heat
from whitesquare.report.measurement.verdicts import ASR_WORKS
from whitesquare.study.bench.types import BASELINE, BenchResult, Curve, Line

AXES = {
    "poison_rate": "poison rate, in per cent of the training set",
    "epsilon": "epsilon: largest change of the content, 1 is from black to white",
    "training_opacity": "opacity of the trigger on the poisons; in use it is 1",
}
"""What the figures of curves are drawn against, and how the axis is called."""

_ROWS = 40
_CLEAN, _MARKERS, _TOLD_APART = "clean training", "osD^vP*X", 6
_WIDE = 7.5


def curves(result: BenchResult, axis: str) -> Figure | None:
    """Draw attack success against ``axis``: mean, 95 % interval, worst victim as a cross; ``None`` if nothing varies.

    At most as many curves as there are colours are drawn, the first of the plan.
    """
    found = [curve for curve in result.curves if curve.axis == axis]
    shown = found[: len(style.SERIES)]
    if not shown:
        return None
    with style.sheet():
        figure = style.new_figure(3.4 + 0.2 * len(shown))
        axes = figure.subplots()
        axes.axhline(ASR_WORKS, color=style.GREY, lw=1, ls=(0, (3, 3)))
        scale = 100 if axis == "poison_rate" else 1
        for number, (curve, colour) in enumerate(zip(shown, style.SERIES, strict=False)):
            x = [point.x * scale for point in curve.points]
            low, high = _ends(curve)
            axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(x, [point.asr.mean for point in curve.points], "o-", ms=4, lw=1.6, color=colour,
                      label=style.label(curve.name, number + 1, 60))  # fmt: skip
            axes.plot(x, [point.asr.worst for point in curve.points], "x", ms=5, color=colour)
        axes.set(ylim=(-0.03, 1.03), xlabel=AXES[axis])
        if axis == "poison_rate":
            axes.set_xscale("log")
            ticks = sorted({point.x * scale for curve in shown for point in curve.points})
            axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
            axes.set_xticks([], minor=True)
        style.in_per_cent(axes.yaxis)
        axes.grid(color=style.LINE, lw=0.6)
        title = f"Attack success rate, in per cent{'' if shown == found else f' ({len(shown)} of {len(found)} curves)'}"
        style.title(figure, title)
        figure.legend(loc="outside lower left", fontsize=8, frameon=False)
        return figure


def _ends(curve: Curve) -> tuple[list[float], list[float]]:
    """Give the ends of the intervals; a single victim's are its value."""
    low = [point.asr.mean if point.asr.low is None else point.asr.low for point in curve.points]
    high = [point.asr.mean if point.asr.high is None else point.asr.high for point in curve.points]
    return low, high


def attack_by_victim(result: BenchResult) -> Figure | None:
    """Draw the mean attack success of every setting on every victim family; ``None`` if there is no line."""
    settings = list(dict.fromkeys(line.setting for line in result.lines))[:_ROWS]
    victims = list(dict.fromkeys(line.victim for line in result.lines))
    if not settings:
        return None
    shares = np.full((len(settings), len(victims)), math.nan)
    for line in result.lines:
        if line.setting in settings:
            shares[settings.index(line.setting), victims.index(line.victim)] = line.asr.mean
    with style.sheet():
        figure = style.new_figure(1.7 + 0.3 * len(settings), _WIDE)
        axes = figure.subplots()
        heat(axes, shares, text=lambda value: f"{value * 100:.0f}", annotated=20)
        axes.set_yticks(range(len(settings)), [style.label(name, i + 1, 44) for i, name in enumerate(settings)])
        axes.set_xticks(range(len(victims)), [style.label(name, i + 1) for i, name in enumerate(victims)])
        axes.tick_params(axis="x", labelrotation=90, labelcolor=style.INK)
        axes.tick_params(axis="y", labelsize=8)
        style.title(figure, "Attack success rate by victim, in per cent")
        return figure


def by_attack(result: BenchResult) -> list[tuple[str, list[Line]]]:
    """Return the lines of clean training and of each attack; of more than can be told apart, those of all others."""
    named: dict[str, list[Line]] = {}
    names = list(dict.fromkeys(line.attack for line in result.lines if line.attack != BASELINE))
    for line in result.lines:
        place = names.index(line.attack) if line.attack in names else -1
        name = style.label(line.attack, place + 1) if place < _TOLD_APART else "other attacks"
        named.setdefault(_CLEAN if line.attack == BASELINE else name, []).append(line)
    return sorted(named.items(), key=lambda item: item[0] != _CLEAN)


def accuracy_against_success(result: BenchResult) -> Figure | None:
    """Draw clean accuracy against attack success: one point per line, by its attack, clean training as rings."""
    if not result.lines:
        return None
    with style.sheet():
        figure = style.new_figure(3.6)
        axes = figure.subplots()
        for number, (name, lines) in enumerate(by_attack(result)):
            points = [line.asr.mean for line in lines], [line.ca.mean for line in lines]
            colour, marker = style.SERIES[number % len(style.SERIES)], _MARKERS[number % len(_MARKERS)]
            face = "white" if name == _CLEAN else colour
            axes.plot(*points, marker, ms=6, mfc=face, mec=colour, alpha=0.8, label=name, clip_on=False)
        axes.set(xlim=(-0.02, 1.02), xlabel="attack success rate, in per cent")
        axes.set_ylabel("clean accuracy, in per cent")
        for one in (axes.xaxis, axes.yaxis):
            style.in_per_cent(one, 4)
        axes.grid(color=style.LINE, lw=0.6)
        style.title(figure, "Clean accuracy against attack success")
        figure.legend(loc="outside lower left", fontsize=8, frameon=False, ncols=2)
        return figure
