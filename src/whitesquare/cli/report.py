"""``whitesquare report``: measured victims as a table, JSON or a page."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli.exits import Writers, emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs


def report(
    folder: Annotated[Path, typer.Argument(help="Run folder with measured victims, or a folder `demo` wrote.")],
    baseline: Annotated[
        Path | None, typer.Option(help="Measured model trained on clean data, to compare with.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the figures as SVG and PNG files.")] = None,
    output: Outputs = None,
) -> None:
    """Show the measured victims of a run: a table, JSON, or one self-contained HTML page."""
    with exit_codes():
        from whitesquare._base.schema import encode
        from whitesquare.jobs.results import read_results
        from whitesquare.report.measurement.page import render_html, write_figures
        from whitesquare.report.measurement.shown import shown

        outputs = read_outputs(output, "table", "json", "html")
        measurement, gallery = read_results(folder, baseline)
        if figures is not None:
            write_figures(measurement, gallery, figures)
        writers: Writers = {"json": lambda: encode(measurement), "html": lambda: render_html(measurement, gallery)}
        emit(outputs, lambda: shown(measurement), writers)
