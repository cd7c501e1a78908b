"""What the scans of a bench found, as rows that a page and a terminal show."""

from whitesquare.report.common import formats
from whitesquare.report.common.values import Value
from whitesquare.study.bench.scans.types import ScanLine

FIGURES = {
    "AUROC": "fused.auroc",
    "first 50": "fused.top_50",
    "right class": "right_class",
    "confirmed": "confirmed",
    "elimination": "flagged.elimination",
    "sacrifice": "flagged.sacrifice",
    "falsely confirmed": "false_confirmed",
    "falsely suspicious": "false_suspicious",
}
"""What is shown, and the name of its figure."""


def scan_row(number: int, line: ScanLine, *, worst: bool = True) -> list[Value]:
    """Return the number of seeds, and the mean, with the worst if asked for, of each of :data:`FIGURES`."""
    seeds = Value(formats.count(len(line.seeds)), str(list(line.seeds)), f"scans.{number}.seeds")
    return [seeds, *(_value(line, name, f"scans.{number}.figures.{name}.mean", worst) for name in FIGURES.values())]


def _value(line: ScanLine, name: str, field: str, worst: bool) -> Value:
    found = line.figures.get(name)
    if found is None or found.mean is None:
        return Value(formats.percent(None), formats.as_json(None), field)
    beside = f" ({formats.percent(found.worst)})" if worst else ""
    return Value(f"{formats.percent(found.mean)}{beside}", formats.as_json(found.mean), field)
