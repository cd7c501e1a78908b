"""The report: one self-contained HTML page and its figures, from a measurement and a gallery.

::

    Measurement, Gallery --charts, pictures--> figures --+
                         --verdicts--> text -------------+--> page --> report.html
                         --tables (value + its path) ----+

Importing this package loads Matplotlib (about a second): a command line should import it where it is used.
"""

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
