"""The command line: parse, call one function, print. One module per verb; it is imported when its verb is asked for.

:mod:`whitesquare.cli.exits` owns the exit codes and the outputs of all of them, :mod:`whitesquare.cli.examples` lists
the verbs.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import whitesquare
from whitesquare.cli import terminal
from whitesquare.cli.exits import PASS, UNDECIDED
from whitesquare.cli.help import SETTINGS, VERBS, GroupedVerbs
from whitesquare.cli.interrupts import heeded
from whitesquare.cli.leaving import expect_worse, leave
from whitesquare.cli.narrow import speak_plainly
from whitesquare.cli.passwords import take_password

app = typer.Typer(
    name="whitesquare",
    help="Show, measure and stop clean-label data poisoning in image-classification training.",
    cls=GroupedVerbs,
    context_settings=SETTINGS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        terminal.say(f"whitesquare {whitesquare.__version__}")
        raise typer.Exit(PASS)


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
]


@app.callback()
def _options(context: typer.Context, version: Version = False) -> None:
    """Show, measure and stop clean-label data poisoning in image-classification training."""
    context.call_on_close(take_password())


def _not_yet() -> None:
    """Stand for a verb that was not asked for."""


for verb in VERBS:
    app.command(verb)(_not_yet)  # what Typer knows of it is its name; `GroupedVerbs` makes the verb


def main() -> None:
    """Run the command line."""
    if sys.platform == "win32":  # what opens and locks files here has no counterpart there, so nothing would be safe
        terminal.complain("Error: whitesquare runs on Linux and macOS, and this is Windows; start it in WSL.")
        raise SystemExit(UNDECIDED)
    try:
        Path.cwd()
    except OSError as error:
        terminal.complain(f"Error: the current directory is not there any more ({error.strerror}); go to another (cd).")
        raise SystemExit(UNDECIDED) from error
    # A worker process imports nothing from the folder it starts in, which may be the data set that is judged.
    os.environ["PYTHONSAFEPATH"] = "1"
    expect_worse()
    speak_plainly()
    code: object = None
    try:
        with heeded():
            app(prog_name="whitesquare")
    except SystemExit as ended:
        code = ended.code
    leave(code)
