"""Figures of numbers: accuracy and success, success by class, confusion."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from whitesquare.records import Measurement, Row, Spread
from whitesquare.records import VictimResult as Victim
from whitesquare.report.common import formats, style
from whitesquare.report.common.drawing import Axes, Figure, MaxNLocator, shapes
from whitesquare.report.measurement.verdicts import ASR_WORKS, CA_KEPT, baseline, main_row

_ANNOTATED = 12
_TICKS = 20
_VECTOR = 40


def accuracy_and_success(measurement: Measurement) -> Figure:
    """Draw CA and ASR of each row: mean, 95 % interval, and every victim as a small ring."""
    with style.sheet():
        rows = measurement.rows
        figure = style.new_figure(2.0 + 0.72 * len(rows))
        figure.set_layout_engine("constrained", hspace=0.08)
        upper, lower = figure.subplots(2, 1)
        clean = baseline(measurement)
        usual = formats.number(clean.ca.mean) if clean else None
        low, high = _zoom(rows, usual)
        if usual is not None:
            upper.axvspan(usual - CA_KEPT, usual + CA_KEPT, color=style.WASH, lw=0, zorder=0)
        lower.axvline(ASR_WORKS, color=style.GREY, lw=1, ls=(0, (3, 3)))
        _dots(upper, rows, lambda row: row.ca, lambda victim: victim.ca.value, style.BLUE)
        _dots(lower, rows, lambda row: row.asr, lambda victim: victim.asr.value, style.ORANGE)
        upper.set(xlim=(low, high), title="Clean accuracy, in per cent")
        lower.set(xlim=(-0.02, 1.02), xticks=[0, 0.25, 0.5, 0.75, 1])
        lower.set_title("Attack success rate, in per cent")
        upper.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        start = f"the axis starts at {low * 100:.3g}" if low > 0 else ""
        band = "shaded: within 0.5 point of clean" if usual is not None else ""
        upper.set_xlabel("; ".join(part for part in (start, band) if part))
        lower.set_xlabel("dashed: the 90 % mark")
        return figure


def _zoom(rows: Sequence[Row], usual: float | None) -> tuple[float, float]:
    """Choose the accuracy axis: all values, their intervals and the shaded band, with a little air."""
    found = [end for row in rows for end in (row.ca.mean, row.ca.low, row.ca.high)]
    found += [victim.ca.value for row in rows for victim in row.victims]
    values = [value for value in map(formats.number, found) if value is not None]
    if usual is not None:
        values += [usual - CA_KEPT, usual + CA_KEPT]
    if not values:
        return -0.02, 1.02
    air = 0.06 * max(max(values) - min(values), 2 * CA_KEPT)
    low = math.floor((min(values) - air) * 1000) / 1000
    return max(0.0, low), min(1.0, max(values)) + air


def _dots(
    axes: Axes, rows: Sequence[Row], of: Callable[[Row], Spread], one: Callable[[Victim], float], colour: str
) -> None:
    for y, row in enumerate(rows):
        each = [value for value in (formats.number(one(victim)) for victim in row.victims) if value is not None]
        if each:
            heights = [y + 0.24] * len(each)
            axes.plot(each, heights, "o", ms=4, mfc="white", mec=colour, mew=0.9, alpha=0.8, clip_on=False)
        found = of(row)
        mean, low, high = (formats.number(value) for value in (found.mean, found.low, found.high))
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=colour, lw=2.2, alpha=0.45, solid_capstyle="round")
        if mean is not None:
            axes.plot([mean], [y], "o", ms=8, color=colour, clip_on=False)
        beside = axes.get_yaxis_transform()
        axes.text(1.03, y, formats.percent(mean), transform=beside, va="center", weight="bold")
    style.in_per_cent(axes.xaxis)
    axes.set_yticks(range(len(rows)), [style.label(row.name, i + 1) for i, row in enumerate(rows)])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color=style.LINE, lw=0.6)
    style.bare(axes)


def success_by_class(measurement: Measurement) -> Figure | None:
    """Draw the ASR of each row for each true class; ``None`` where there is no class but the target."""
    classes = [(i, name) for i, name in enumerate(measurement.classes) if i != measurement.target]
    if not classes:
        return None
    rows = measurement.rows
    found = [[_by_class(row, name) for _, name in classes] for row in rows]
    with style.sheet():
        figure = style.new_figure(1.2 + 0.36 * len(rows) + (0.9 if _steep(classes) else 0))
        axes = figure.subplots()
        heat(axes, np.array(found), text=lambda value: formats.percent(value).replace(formats.SPACE + "%", ""))
        axes.set_yticks(range(len(rows)), [style.label(row.name, i + 1) for i, row in enumerate(rows)])
        _class_ticks(axes, classes)
        style.title(figure, "Attack success rate by true class, in per cent")
        axes.set_xlabel("true class of the triggered image")
        return figure


def _by_class(row: Row, name: str) -> float:
    found = formats.number(row.asr_by_class[name].mean) if name in row.asr_by_class else None
    return math.nan if found is None else found


def confusion(measurement: Measurement) -> Figure | None:
    """Draw where the triggered images of each class end up in the main row; ``None`` if it has no matrix."""
    row = main_row(measurement)
    if not row.confusion:
        return None
    counts = np.array(row.confusion, dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    with style.sheet():
        figure = style.new_figure(4.6)
        axes = figure.subplots()
        heat(axes, shares, text=lambda value: f"{value * 100:.0f}" if value >= 0.005 else "")
        classes = list(enumerate(measurement.classes))
        _class_ticks(axes, classes)
        shown = _thinned(classes)
        axes.set_yticks([at for at, _, _ in shown], [style.label(name, i, 14) for _, i, name in shown])
        outline = shapes.Rectangle(
            (measurement.target - 0.5, -0.5),
            1,
            len(classes),
            fill=False,
            ec=style.BLUE,
            lw=2 if len(classes) <= _VECTOR else 1,
            clip_on=False,
        )
        axes.add_patch(outline)
        style.title(figure, f"Answers with the trigger on, in per cent: {style.label(row.name, 1, 16)}")
        axes.set_xlabel("answer of the network (blue frame: the target class)")
        axes.set_ylabel("true class")
        return figure


def heat(
    axes: Axes,
    shares: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    text: Callable[[float], str],
    *,
    annotated: int = _ANNOTATED,
) -> None:
    """Draw shares as colours, 0 pale and 1 dark, with their numbers where there are at most ``annotated`` columns."""
    rows, columns = shares.shape
    edges = (np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5)
    many = max(rows, columns) > _VECTOR
    axes.pcolormesh(
        *edges, np.ma.masked_invalid(shares), cmap=style.HEAT, vmin=0, vmax=1,
        edgecolors="none" if many else "white", linewidth=0 if many else 1.2, rasterized=many,
    )  # fmt: skip
    axes.set_ylim(rows - 0.5, -0.5)
    style.bare(axes)
    if columns > annotated:
        return
    for (y, x), value in np.ndenumerate(shares):
        colour = style.INK if math.isnan(value) else style.readable_on(style.HEAT(float(value)))
        shown = formats.MISSING if math.isnan(value) else text(float(value))
        axes.text(x, y, shown, ha="center", va="center", fontsize=8, color=colour)


def _thinned(classes: list[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """Choose the classes that get a tick: position on the axis, label, name."""
    step = -(-len(classes) // _TICKS)
    return [(at, i, name) for at, (i, name) in enumerate(classes) if at % step == 0]


def _steep(classes: list[tuple[int, str]]) -> bool:
    """Tell whether the class names are too long to stand side by side."""
    shown = _thinned(classes)
    return max(len(style.label(name, i, 14)) for _, i, name in shown) * len(shown) > 42


def _class_ticks(axes: Axes, classes: list[tuple[int, str]]) -> None:
    shown = _thinned(classes)
    names = [style.label(name, i, 14) for _, i, name in shown]
    axes.set_xticks([at for at, _, _ in shown], names)
    axes.tick_params(axis="x", labelrotation=90 if _steep(classes) else 0, labelcolor=style.INK)
