"""The figure of a causal test: how often the trigger turns images, beside its controls."""

from whitesquare.report.common import formats, style
from whitesquare.report.common.drawing import Figure
from whitesquare.scanning.types import Transplant


def flip_rates(test: Transplant) -> Figure:
    """Draw the flip rate with its interval, the worst and the mean control, and the rate with nothing pasted."""
    rate = test.flip_rate
    bars = (
        ("reconstructed trigger", rate.value, style.ORANGE),
        (f"worst of {formats.plural(test.controls, 'control')}", test.control_worst, style.GREY),
        ("mean of the controls", test.control_mean, style.GREY),
        ("nothing pasted", test.untouched_rate, style.GREY),
    )
    with style.sheet():
        figure = style.new_figure(2.3)
        axes = figure.subplots()
        for y, (_, value, colour) in enumerate(bars):
            axes.barh(y, 1.0, height=0.5, color=style.WASH)
            axes.barh(y, formats.number(value) or 0.0, height=0.5, color=colour)
            shown = formats.percent(value)
            axes.text(1.03, y, shown, transform=axes.get_yaxis_transform(), va="center", weight="bold")
        low, high = formats.number(rate.low), formats.number(rate.high)
        if low is not None and high is not None:
            axes.plot([low, high], [0, 0], color=style.INK, lw=1.4, marker="|", ms=9)
        axes.set(xlim=(0, 1), ylim=(len(bars) - 0.5, -0.5), xticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_xlabel("in per cent; black: 95 % interval", loc="left")
        style.in_per_cent(axes.xaxis)
        axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
        style.bare(axes)
        return figure
