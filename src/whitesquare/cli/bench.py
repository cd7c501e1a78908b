"""``whitesquare bench``: a grid of attacks, rates, and victims or scans."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import UNDECIDED, exit_codes
from whitesquare.cli.options import Device
from whitesquare.cli.progress import progress
from whitesquare.errors import require_extra

_SHOWN = 5


def bench(
    plan: Annotated[Path, typer.Argument(help="Plan in TOML; docs/bench.md shows how to write one.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the results; one that a bench left is taken up there.")
    ],
    workers: Annotated[int | None, typer.Option(help="Cells at a time; default: one per usable core.")] = None,
    executor: Annotated[str, typer.Option(help="local (threads), processes, or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a running Ray cluster; default: start one here.")] = None,
    device: Device = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the plan, count its cells, and stop.")] = False,
) -> None:
    """Run a plan: every attack against every victim, or scan; tables, JSON, Parquet and one HTML page."""
    with exit_codes():
        require_extra("torch", "train", "`whitesquare bench`")
        from whitesquare._base.cache import default_cache
        from whitesquare._base.machine import usable_cores
        from whitesquare.executor import make_executor
        from whitesquare.report.bench.page import write_bench_report
        from whitesquare.report.bench.text import shown
        from whitesquare.study.bench.plan import read_plan
        from whitesquare.study.bench.run import count_cells, run_bench
        from whitesquare.study.bench.store import REPORT

        asked = read_plan(plan)
        place = make_executor(executor, workers=usable_cores() if workers is None else workers, address=address)
        if dry_run:
            terminal.say(count_cells(asked, output, device))
            return
        with progress() as on_progress:
            result = run_bench(
                asked,
                plan.read_text(encoding="utf-8-sig"),
                output,
                place,
                cache=default_cache(),
                device=device,
                on_progress=on_progress,
            )
        terminal.show(shown(result))
        if result.failures:
            for failure in result.failures[:_SHOWN]:
                terminal.complain(f"Failed: {failure.cell.label}: {failure.reason}")
            terminal.complain(f"{len(result.failures)} cells failed; run the same command again to try only those.")
        # last: if the disk has no room for the page, everything else was told
        write_bench_report(result, output)
        terminal.say(f"\n{result.finished} of {result.cells} cells finished.")
        terminal.suggest(f"Open {terminal.printable(str(output / REPORT))} in a browser.\n")
        if result.failures:
            raise typer.Exit(UNDECIDED)
