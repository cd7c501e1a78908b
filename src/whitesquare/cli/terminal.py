"""What the command line shows: tables and sentences on stdout, complaints on stderr. Used by this room only."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whitesquare._base.safe_text import printable as printable  # one name for all that verbs print with
from whitesquare._base.safe_text import safe_json, safe_lines, safe_xml, unordering
from whitesquare.cli.narrow import all_json, all_xml
from whitesquare.report.common.shown import Shown, ShownLines, ShownNext, ShownTable


@dataclass
class _Manner:
    """How much is said; set anew by each command."""

    quiet: bool = False


_MANNER = _Manner()


def be_quiet(asked: bool) -> None:
    """Leave out from now on what was not asked for, progress and next steps; or say it again."""
    _MANNER.quiet = asked


def is_quiet() -> bool:
    """Tell whether progress and next steps are to be left out."""
    return _MANNER.quiet


_STDERR = 2
_NARROWEST, _USUAL = 20, 80
"""Columns below which no terminal is meant, as by ``COLUMNS=0``, and how many are taken then."""


def show(parts: Iterable[Shown]) -> None:
    """Print what a result has to show on stdout, part by part."""
    for part in parts:
        if isinstance(part, str):
            say(part)
        elif isinstance(part, ShownNext):
            suggest(part.text)
        elif isinstance(part, ShownLines):
            say_lines(part.text)
        else:
            _show(Text(safe_lines(part.title), style="bold"), _grid(part))


def say(text: str) -> None:
    """Print a sentence on stdout, wrapped to the terminal, without markup."""
    _show(Text(safe_lines(text)))


def say_lines(text: str) -> None:
    """Print lines on stdout that are laid out already, each with its line break."""
    _write(unordering(safe_lines(text)))


def suggest(text: str) -> None:
    """Print on stdout what to do next, laid out already; with ``--quiet`` nothing."""
    if not is_quiet():
        say_lines(text)


def say_json(text: str) -> None:
    """Print JSON on stdout, or a part of it."""
    _write(all_json(safe_json(text)))


def say_xml(text: str) -> None:
    """Print XML on stdout."""
    _write(all_xml(safe_xml(text)))


def complain(text: str) -> None:
    """Print a sentence on stderr, without markup; line breaks in names are shown, not obeyed."""
    _show(Text(printable(text)), stderr=True)


def remark(text: str) -> None:
    """Print on stderr a sentence that is good to know; with ``--quiet`` nothing."""
    if not is_quiet():
        complain(text)


def last_words(text: str) -> None:
    """Print a sentence on stderr past all that may be drawing there, and show the cursor again; for any thread."""
    shown = "\x1b[?25h" if os.isatty(_STDERR) else ""
    with suppress(OSError):
        os.write(_STDERR, f"{shown}\n{printable(text)}\n".encode())


def beside() -> Console:
    """Return what draws on stderr, beside the answer."""
    return Console(stderr=True)


def _write(text: str) -> None:
    print(text, end="")  # noqa: T201 - with `_show` all that the library ever prints


def _show(*parts: Text | Table, stderr: bool = False) -> None:
    """Lay out first, print then: only finished lines show what stands at the start of one."""
    console = Console(stderr=stderr, soft_wrap=stderr)
    if console.width < _NARROWEST:
        console = Console(stderr=stderr, soft_wrap=stderr, width=_USUAL)
    with console.capture() as capture:
        console.print(*parts, sep="\n")
    console.out(unordering(capture.get()), end="", highlight=False)


def _grid(shown: ShownTable) -> Table:
    grid = Table(header_style="bold", box=None, pad_edge=False)
    for position, column in enumerate(shown.columns):
        right = shown.numbers and position > 0
        grid.add_column(
            Text(_cell(column)), justify="right" if right else "left", no_wrap=not position, overflow="fold"
        )
    for row in shown.rows:
        grid.add_row(*(Text(_cell(cell)) for cell in row))
    return grid


def _cell(text: str) -> str:
    return safe_lines(text).replace("\n", "\\n")
