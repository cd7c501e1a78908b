"""The lines of a bench, for the terminal."""

from whitesquare._base.safe_text import printable
from whitesquare.report.bench.scans import FIGURES, scan_row
from whitesquare.report.common import formats as f
from whitesquare.report.common.shown import BLIND, Shown, ShownTable
from whitesquare.study.bench.types import BenchResult, Line

_COLUMNS = ("victim", "clean accuracy", "attack success", "worst", "victims")


def shown(result: BenchResult) -> list[Shown]:
    """Show a bench: for every attack setting a table of its victim families."""
    unit = "\nIn per cent: mean over victim seeds, 95 % interval" if result.lines else ""
    parts: list[Shown] = [result.title + unit]
    for setting in dict.fromkeys(line.setting for line in result.lines):
        rows = [_row(line) for line in result.lines if line.setting == setting]
        parts += ["", ShownTable(printable(setting), _COLUMNS, rows, numbers=True)]
    blind = list(dict.fromkeys(line.victim for line in result.lines if line.visibility == 0))
    if blind:
        parts.append(f"{printable(', '.join(blind))}: {BLIND}")
    parts += [_scans(data, result) for data in dict.fromkeys(line.data for line in result.scans)]
    if result.outdated:
        parts.append(
            "Some of these cells were computed by another version of the code; a new folder computes them anew."
        )
    return parts


def _scans(data: str, result: BenchResult) -> ShownTable:
    """Show a line for every setting of a data set that was scanned."""
    rows = [
        (printable(line.setting), *(f.plain(cell.text) for cell in scan_row(number, line, worst=False)))
        for number, line in enumerate(result.scans)
        if line.data == data
    ]
    columns = ("setting", "seeds", *FIGURES)
    return ShownTable(f"Scans of {printable(data)}: means over seeds", columns, rows, numbers=True)


def _row(line: Line) -> tuple[str, ...]:
    return line.victim, f.shares(line.ca), f.shares(line.asr), f.share(line.asr.worst), str(line.asr.n)
