"""The lines of a bench, for the terminal."""

from whitesquare._base.safe_text import printable
from whitesquare.report.common import formats as f
from whitesquare.report.common.shown import BLIND, Shown, ShownTable
from whitesquare.study.bench.types import BenchResult, Line

_COLUMNS = ("victim", "clean accuracy", "attack success", "worst", "n")


def shown(result: BenchResult) -> list[Shown]:
    """Show a bench: for every attack setting a table of its victim families."""
    parts: list[Shown] = [f"{result.title}\nIn per cent: mean over victim seeds, 95 % interval"]
    for setting in dict.fromkeys(line.setting for line in result.lines):
        rows = [_row(line) for line in result.lines if line.setting == setting]
        parts += ["", ShownTable(printable(setting), _COLUMNS, rows, numbers=True)]
    blind = list(dict.fromkeys(line.victim for line in result.lines if line.visibility == 0))
    if blind:
        parts.append(f"{printable(', '.join(blind))}: {BLIND}")
    if len(result.codes) > 1:
        versions = len(result.codes)
        parts.append(f"These cells were computed by {versions} versions of the code; a new folder computes them anew.")
    return parts


def _row(line: Line) -> tuple[str, ...]:
    return line.victim, f.shares(line.ca), f.shares(line.asr), f.share(line.asr.worst), str(line.asr.n)
