"""The page: one HTML file with its style and pictures inside, no script, and nothing loaded from anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whitesquare._base.files import whole_file, write_text
from whitesquare.records import Measurement, Row
from whitesquare.report.common import formats, html, images
from whitesquare.report.measurement import defence, tables, text, verdicts
from whitesquare.report.measurement.alternatives import alternatives
from whitesquare.report.measurement.figures import figure_files
from whitesquare.report.measurement.glossary import glossary
from whitesquare.types import Gallery

_IN_PAGE = ("accuracy-and-success", "success-by-class", "confusion", "trigger")
_LARGEST_TABLE = 20
_BESIDE = 3
"""Poisons shown of each row that is not the main one."""


@dataclass(frozen=True)
class PictureStrip:
    """The poisons of one row, as data URIs."""

    row: Row
    note: str
    samples: tuple[tuple[str, ...], ...]


def render_html(measurement: Measurement, gallery: Gallery, *, figures: Mapping[str, bytes] | None = None) -> str:
    """Render the report as one HTML page.

    Args:
        measurement: the numbers.
        gallery: the pictures.
        figures: what :func:`figure_files` returned for the same input, if at hand; saves drawing them again.

    Raises:
        DataError: if the pictures or the numbers do not fit together.
        NothingToDoError: if the measurement has no rows.
    """
    verdicts.check(measurement)
    images.check(gallery)
    if figures is None:
        figures = figure_files(measurement, gallery, names=_IN_PAGE, kinds=("svg",))
    page = html.environment().get_template("measurement/page.html.j2")
    context = {**_numbers(measurement), **_pictures(measurement, gallery, figures), **_words(measurement)}
    text_of_page = page.render(**html.style(), m=measurement, **context)
    return html.clean(text_of_page)


def write_report(
    measurement: Measurement, gallery: Gallery, path: Path, figures_dir: Path | None = None
) -> tuple[Path, ...]:
    """Write the report, and with ``figures_dir`` also every figure as SVG and PNG.

    Each file is written whole or not at all; folders are made where they are missing.

    Returns:
        The files written, the page first.

    Raises:
        DataError: if the pictures or the numbers do not fit together.
        NothingToDoError: if the measurement has no rows.
    """
    figures = figure_files(measurement, gallery) if figures_dir is not None else None
    write_text(path, render_html(measurement, gallery, figures=figures))
    if figures is None or figures_dir is None:
        return (path,)
    return (path, *_write_figures(figures, figures_dir))


def write_figures(measurement: Measurement, gallery: Gallery, folder: Path) -> tuple[Path, ...]:
    """Write every figure as SVG and PNG into ``folder``, each whole or not at all, and return the files."""
    return _write_figures(figure_files(measurement, gallery), folder)


def _write_figures(figures: Mapping[str, bytes], folder: Path) -> tuple[Path, ...]:
    for name, content in figures.items():
        with whole_file(folder / name) as part:
            part.write_bytes(content)
    return tuple(folder / name for name in figures)


def _numbers(measurement: Measurement) -> dict[str, Any]:
    row = verdicts.main_row(measurement)
    small = len(measurement.classes) <= _LARGEST_TABLE
    return {
        "main": row,
        "clean": verdicts.baseline(measurement),
        "groups": tables.results(measurement),
        "words": tables.words(measurement),
        "victims": tables.victims(measurement),
        "by_class": tables.by_class(measurement),
        "confusion": tables.confusion(row, measurement.classes) if small else [],
        "tiles": tables.tiles(measurement),
        "defence_tiles": defence.tiles(measurement),
    }


def _pictures(measurement: Measurement, gallery: Gallery, figures: Mapping[str, bytes]) -> dict[str, Any]:
    strips, main = [], verdicts.main_row(measurement)
    for row in measurement.rows:
        if found := images.samples(row, gallery):
            found = found if row is main else found[:_BESIDE]
            scale = images.limit(row, gallery.originals[row.name], gallery.poisons[row.name]) / 255
            shown = tuple(
                (
                    one.id,
                    *(html.uri("image/png", images.png(p)) for p in (one.original, one.poison, one.difference)),
                )
                for one in found
            )
            strips.append(PictureStrip(row, formats.decimal(scale), shown))
    return {
        "example": html.uri("image/png", images.png(images.picture(gallery.example))),
        "triggered": html.uri("image/png", images.png(images.picture(gallery.triggered))),
        "strips": strips,
        "figures": {
            name: html.uri("image/svg+xml", figures[f"{name}.svg"]) for name in _IN_PAGE if f"{name}.svg" in figures
        },
    }


def _words(measurement: Measurement) -> dict[str, Any]:
    row = verdicts.main_row(measurement)
    return {
        "told": alternatives(measurement),
        "state": defence.state(measurement, verdicts.judge(row, verdicts.baseline(measurement)).effect),
        "headline": text.headline(measurement),
        "verdict": text.verdict(measurement),
        "target": measurement.classes[measurement.target],
        "stories": [(row, text.story(row, measurement)) for row in measurement.rows],
        "conclusion": text.conclusion(measurement),
        "limits": text.limits(measurement),
        "defence": defence.sentences(measurement),
        "glossary": glossary(measurement),
    }
