"""``whitesquare report``: a stored result again, in another form, without computing anything."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import Writers, emit, exit_codes, read_outputs
from whitesquare.errors import UsageError

if TYPE_CHECKING:  # they load NumPy, which `--help` must not wait for
    from collections.abc import Callable, Iterable

    from whitesquare.gating.types import Verdict
    from whitesquare.jobs.stored import Measured, Stored
    from whitesquare.report.common.shown import Shown
    from whitesquare.scanning.stored import StoredScan

    Views = tuple[Callable[[], Iterable[Shown]], Writers]


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT", help="Folder of a run, demo, drill or bench, or a JSON file that a verb wrote: scan.json."
        ),
    ],
    baseline: Annotated[
        Path | None, typer.Option(help="Of a run: measured model trained on clean data, to compare with.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Of a run: folder for the figures as SVG and PNG files.")] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", help="table, json, html, sarif, junit, markdown, or KIND=FILE; repeatable."),
    ] = None,
) -> None:
    """Show a stored result again: a run, a scan, a measurement, a drill or a bench, as a table, a page or SARIF."""
    with exit_codes():
        from whitesquare.jobs.stored import Measured, read_any

        outputs = read_outputs(output, "table", "json", "html", "sarif", "junit", "markdown")
        found = read_any(source, baseline)
        if figures is not None:
            if not isinstance(found, Measured) or found.gallery is None:
                raise UsageError(f"--figures needs a run folder with its pictures, and {source} is none; leave it out.")
            from whitesquare.report.measurement.page import write_figures

            write_figures(found.measurement, found.gallery, figures)
        table, writers = _views(found, source)
        for kind, _ in outputs:
            if kind != "table" and kind not in writers:
                raise UsageError(
                    f"-o {kind} cannot be made of {source}; it can be shown as: {', '.join(('table', *writers))}."
                )
        emit(outputs, table, writers)


def _views(found: "Stored", source: Path) -> "Views":
    from whitesquare._base.schema import encode
    from whitesquare.gating.types import Verdict
    from whitesquare.jobs.stored import Measured
    from whitesquare.scanning.stored import StoredScan
    from whitesquare.study.drill_types import DrillResult

    if isinstance(found, StoredScan):
        return _scan(found, str(source))
    if isinstance(found, Measured):
        return _measurement(found)
    if isinstance(found, tuple):
        from whitesquare.report.measurement.shown import shown_victim

        return (lambda: [part for one in found for part in shown_victim(one)]), {}
    if isinstance(found, Verdict):
        return _verdict(found)
    if isinstance(found, DrillResult):
        from whitesquare.report.drill.page import render_drill
        from whitesquare.report.drill.text import shown as drill_shown

        return (lambda: drill_shown(found)), {"json": lambda: encode(found), "html": lambda: render_drill(found)}
    from whitesquare.report.bench.page import bench_figures, render_bench
    from whitesquare.report.bench.text import shown as bench_shown

    return (lambda: bench_shown(found)), {
        "json": lambda: encode(found),
        "html": lambda: render_bench(found, bench_figures(found)),
    }


def _measurement(found: "Measured") -> "Views":
    from whitesquare._base.schema import encode
    from whitesquare.report.measurement.page import render_html
    from whitesquare.report.measurement.shown import shown

    measurement, gallery = found.measurement, found.gallery
    writers: Writers = {"json": lambda: encode(measurement)}
    if gallery is not None:
        writers = {**writers, "html": lambda: render_html(measurement, gallery)}
    return (lambda: shown(measurement)), writers


def _verdict(found: "Verdict") -> "Views":
    from whitesquare.report.gate.junit import gate_junit
    from whitesquare.report.gate.markdown import gate_markdown
    from whitesquare.report.gate.page import render_gate
    from whitesquare.report.gate.sarif import gate_sarif
    from whitesquare.report.gate.text import shown

    terminal.complain("This is a verdict as it was stored: nobody signed this file, and nothing is decided anew.")
    return (lambda: shown(found)), {
        "sarif": lambda: gate_sarif(found),
        "junit": lambda: gate_junit(found),
        "markdown": lambda: gate_markdown(found),
        "html": lambda: render_gate(found),
    }


def _scan(found: "StoredScan", file: str) -> "Views":
    from dataclasses import replace

    from whitesquare.report.scan.junit import scan_junit
    from whitesquare.report.scan.page import render_scan
    from whitesquare.report.scan.sarif import stored_sarif
    from whitesquare.report.scan.text import shown
    from whitesquare.scanning.stored import without_pictures

    result = found.result
    told = f"This page was made of {file}, which holds no pictures of samples; a scan with -o html=FILE shows them."
    page = replace(result, warnings=(*result.warnings, told))
    return (lambda: shown(result, file)), {
        "html": lambda: render_scan(without_pictures(page), file),
        "sarif": lambda: stored_sarif(result, found.known),
        "junit": lambda: scan_junit(result),
    }
