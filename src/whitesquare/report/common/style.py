"""One look for all figures: fonts, colours, and files that are the same bytes for the same numbers."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from whitesquare.report.common.drawing import (
    Axes,
    Axis,
    Figure,
    FuncFormatter,
    LinearSegmentedColormap,
    findfont,
    get_font,
    mpl,
)
from whitesquare.report.common.formats import short

INK = "#1b2330"
MUTED = "#5f6b7a"
LINE = "#d5dae1"
WASH = "#eef1f5"
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREY = "#9aa4b1"

SERIES = (BLUE, ORANGE, "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", INK, GREY)
"""Colours of curves, told apart by readers who confuse red and green as well (after Okabe and Ito 2008)."""

HEAT = LinearSegmentedColormap.from_list(
    "whitesquare-heat", ["#f7f8fa", "#fbd9bd", "#ee9a5c", ORANGE, "#9c4300"]
).with_extremes(bad="#e3e7ec")


def readable_on(colour: tuple[float, float, float, float]) -> str:
    """Return the colour of text, black or white, that is told better from what lies below it; never below 4.5 : 1.

    Args:
        colour: red, green, blue in [0, 1], and how much it covers, which is taken to be all.
    """
    light = sum(
        weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
        for weight, part in zip((0.2126, 0.7152, 0.0722), colour, strict=False)
    )
    return "black" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "white"


WIDTH = 5.0
"""Inches of every figure: narrow enough that its print can still be read on a phone."""

_FONT = "DejaVu Sans"
_SETTINGS: dict[str, Any] = {
    "font.family": [_FONT],
    "font.size": 10.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 10.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "whitesquare",
    "image.composite_image": False,
}


@contextmanager
def sheet() -> Iterator[None]:
    """Draw with this module's settings, whatever the user's own are; theirs are back afterwards."""
    parameters: Any = mpl.rcParams
    with mpl.rc_context():
        mpl.rcdefaults()
        parameters.update(_SETTINGS)
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Make a figure that many inches high that arranges its own parts."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, kind: str) -> bytes:
    """Encode a figure as ``"svg"`` or ``"png"``, without dates or version marks."""
    nothing = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    buffer = io.BytesIO()
    with sheet():
        figure.savefig(buffer, format=kind, dpi=160, metadata=nothing)
    return buffer.getvalue()


def label(name: str, position: int, limit: int = 20) -> str:
    """Shorten an untrusted name for a figure; one that the font cannot draw becomes its number, ``#3``."""
    known = get_font(findfont(_FONT)).get_charmap()
    shown = short(name, limit)
    drawn = "".join(sign if ord(sign) in known else "?" for sign in shown)
    return f"#{position}" if drawn.count("?") - shown.count("?") > len(shown) / 2 else drawn


def title(figure: Figure, text: str) -> None:
    """Put a title over the whole figure, from its left edge."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=10.5, weight="bold")


def bare(axes: Axes) -> None:
    """Leave only the labels of an axis: no ticks, no frame."""
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def in_per_cent(axis: Axis, digits: int = 3) -> None:
    """Write the shares along an axis in per cent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.{digits}g}"))


def frame(axes: Axes) -> None:
    """Leave only a thin frame, for a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.8)
