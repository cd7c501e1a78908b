"""``whitesquare demo``: the whole line on MNIST."""

from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.options import Device, OutputFolder
from whitesquare.cli.progress import progress
from whitesquare.errors import require_extra


def demo(
    output: OutputFolder,
    seeds: Annotated[int, typer.Option(help="Victims per data set.")] = 3,
    device: Device = "cpu",
) -> None:
    """Plant, measure and show the backdoor on MNIST: four data sets, their victims, one report."""
    with exit_codes():
        require_extra("torch", "train", "`whitesquare demo`")
        from whitesquare._base.folders import check_output
        from whitesquare.jobs.demo import run_demo
        from whitesquare.report.measurement.shown import shown

        check_output(output)
        with progress() as on_progress:
            measurement = run_demo(output, seeds=seeds, device=device, on_progress=on_progress)
        terminal.show([*shown(measurement), ""])
        if measurement.cached:
            terminal.say(f"Re-used from the cache: {', '.join(measurement.cached)}.")
        terminal.say(f"{measurement.seconds['total']:.0f} s in all.")
        terminal.suggest(f"Open {terminal.printable(str(output / 'report.html'))} in a browser.\n")
