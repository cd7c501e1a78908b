"""The command line: parse, call one function, print. One module per verb; heavy parts are imported when it runs.

:mod:`whitesquare.cli.exits` owns the exit codes and the outputs of all of them.
"""

import os
import sys
from typing import Annotated

import typer

import whitesquare
from whitesquare.cli import terminal
from whitesquare.cli.attest import attest
from whitesquare.cli.bench import bench
from whitesquare.cli.cleanse import cleanse
from whitesquare.cli.countersign import countersign
from whitesquare.cli.demo import demo
from whitesquare.cli.drill import drill
from whitesquare.cli.exits import PASS, UNDECIDED
from whitesquare.cli.explain import explain
from whitesquare.cli.gate import gate
from whitesquare.cli.interrupts import heeded
from whitesquare.cli.inventory import inventory
from whitesquare.cli.keygen import keygen
from whitesquare.cli.list import list_
from whitesquare.cli.measure import measure
from whitesquare.cli.passwords import take_password
from whitesquare.cli.poison import poison
from whitesquare.cli.prove import prove
from whitesquare.cli.release import release
from whitesquare.cli.report import report
from whitesquare.cli.scan import scan
from whitesquare.cli.train import train
from whitesquare.cli.verify import verify

app = typer.Typer(
    name="whitesquare",
    help="Show, measure and stop clean-label data poisoning in image-classification training.",
    no_args_is_help=True,
    add_completion=False,
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


VERBS = (
    *(demo, poison, train, measure, scan, cleanse, drill, report, bench, explain),
    *(keygen, attest, countersign, verify, prove, inventory, gate, release),
)
for verb in VERBS:
    app.command()(verb)
app.command("list")(list_)


def main() -> None:
    """Run the command line."""
    if sys.platform == "win32":  # what opens and locks files here has no counterpart there, so nothing would be safe
        terminal.complain("Error: whitesquare runs on Linux and macOS, and this is Windows; start it in WSL.")
        raise SystemExit(UNDECIDED)
    # A worker process imports nothing from the folder it starts in, which may be the data set that is judged.
    os.environ["PYTHONSAFEPATH"] = "1"
    with heeded():
        app(prog_name="whitesquare")
