"""The report: one self-contained HTML page and its figures, from a measurement and a gallery.

::

    Measurement, Gallery --charts, pictures--> figures --+
                         --verdicts--> text -------------+--> page --> report.html
                         --tables (value + its path) ----+

The names below load NumPy and Matplotlib (about a second) when they are first used, not before: the renderers of the
gate lie in this package and need neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whitesquare.report.figures import figure_files
    from whitesquare.report.page import render_html, write_figures, write_report
    from whitesquare.report.text import conclusion, headline, limits, verdict

__all__ = [
    "conclusion",
    "figure_files",
    "headline",
    "limits",
    "render_html",
    "verdict",
    "write_figures",
    "write_report",
]

_HOMES = {
    "figures": ("figure_files",),
    "page": ("render_html", "write_figures", "write_report"),
    "text": ("conclusion", "headline", "limits", "verdict"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
