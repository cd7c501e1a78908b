"""The report of a bench: one self-contained page, and its figures as files."""

from collections.abc import Mapping
from pathlib import Path

from whitesquare._base.files import whole_file, write_text
from whitesquare.report.bench import charts as bench_charts
from whitesquare.report.bench.scans import FIGURES as SCAN_FIGURES
from whitesquare.report.bench.scans import scan_row
from whitesquare.report.bench.words import done, headline, lead, told
from whitesquare.report.common import formats, html, style
from whitesquare.report.common.values import Value
from whitesquare.study.bench.store import FIGURES, REPORT
from whitesquare.study.bench.types import BenchResult, Line

_TITLES = (
    *("Attack", "Victim", "Clean accuracy", "Attack success", "Worst victim", "Deviation", "Victims", "Poison rate"),
    *("L-inf", "Label consistency", "Visibility"),
)
_CAPTIONS = {
    "attack-by-victim": (
        "Which attack works on which victim",
        "Mean attack success rate. A column of a victim that cannot see the trigger stays pale whatever the attack: "
        "a blind spot of the network, not a failure of the attack.",
    ),
    "success-by-rate": (
        "How much poison it takes",
        "Dots are means over victims, bands 95 % intervals, crosses the worst victim.",
    ),
    "success-by-epsilon": ("What the budget buys", "The same, against the largest change of the content."),
    "success-by-opacity": (
        "How dim the trigger may be",
        "The same, against the strength of the trigger on the poisons.",
    ),
    "accuracy-against-success": (
        "Would an ordinary test notice?",
        "Each dot is an attack on one kind of network; colour and shape tell the attack. Far to the right and as high "
        "as clean training is where an attack is dangerous.",
    ),
}


def bench_figures(result: BenchResult) -> dict[str, bytes]:
    """Draw the figures of a bench, by file name, as SVG and PNG; one with nothing to show is left out."""
    drawn = {
        "attack-by-victim": bench_charts.attack_by_victim(result),
        "success-by-rate": bench_charts.curves(result, "poison_rate"),
        "success-by-epsilon": bench_charts.curves(result, "epsilon"),
        "success-by-opacity": bench_charts.curves(result, "training_opacity"),
        "accuracy-against-success": bench_charts.accuracy_against_success(result),
    }
    return {
        f"{name}.{kind}": style.save(figure, kind)
        for name, figure in drawn.items()
        if figure is not None
        for kind in ("svg", "png")
    }


def render_bench(result: BenchResult, figures: Mapping[str, bytes]) -> str:
    """Render the page.

    Args:
        result: the numbers.
        figures: what :func:`bench_figures` returned for them.
    """
    shown = [
        (name, title, caption, html.uri("image/svg+xml", figures[f"{name}.svg"]), told(name, result))
        for name, (title, caption) in _CAPTIONS.items()
        if f"{name}.svg" in figures
    ]
    page = html.environment().get_template("bench/page.html.j2")
    rows = [(line.setting, (formats.short(line.victim), *_cells(i, line))) for i, line in enumerate(result.lines)]
    scans = [(f"{line.data}, {line.setting}", scan_row(i, line)) for i, line in enumerate(result.scans)]
    titles = ("Data and setting", "Seeds", *(name[0].upper() + name[1:] for name in SCAN_FIGURES))
    tables = {"rows": rows, "scans": scans, "titles": _TITLES, "scan_columns": titles}
    said = {"headline": headline(result), "done": done(result), "lead": lead(result)}
    return html.clean(page.render(**html.style(), **tables, **said, result=result, figures=shown))


def write_bench_report(result: BenchResult, folder: Path) -> None:
    """Write the page and the figures into the folder of a bench, each whole or not at all."""
    figures = bench_figures(result)
    for name, content in figures.items():
        with whole_file(folder / FIGURES / name) as part:
            part.write_bytes(content)
    write_text(folder / REPORT, render_bench(result, figures))


def _cells(number: int, line: Line) -> list[Value]:
    """Show a line: each value with its path in ``results.json``."""
    ca, asr, poison = line.ca, line.asr, line.poison
    rate, linf, readable = (poison.poison_rate, poison.linf, poison.label_consistency) if poison else (None, None, None)
    shown: tuple[tuple[str, str, float | None], ...] = (
        ("ca.mean", formats.interval(ca.mean, ca.low, ca.high), ca.mean),
        ("asr.mean", formats.interval(asr.mean, asr.low, asr.high), asr.mean),
        ("asr.worst", formats.percent(asr.worst), asr.worst),
        ("asr.sd", formats.points(asr.sd), asr.sd),
        ("asr.n", formats.count(asr.n), asr.n),
        ("poison.poison_rate", formats.percent(rate), rate),
        ("poison.linf", formats.decimal(linf), linf),
        (
            "poison.label_consistency.value",
            formats.interval(readable.value, readable.low, readable.high) if readable else formats.MISSING,
            readable.value if readable else None,
        ),
        ("visibility", formats.decimal(line.visibility), line.visibility),
    )
    return [Value(text, formats.as_json(raw), f"lines.{number}.{field}") for field, text, raw in shown]
