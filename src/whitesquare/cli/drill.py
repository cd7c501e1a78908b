"""``whitesquare drill``: what would have been caught, on the user's own data."""

from dataclasses import replace
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.completion import attack_lists, class_names
from whitesquare.cli.exits import FINDINGS, UNDECIDED, exit_codes
from whitesquare.cli.keys import open_key
from whitesquare.cli.made import made_now
from whitesquare.cli.options import TARGET_HELP, DataSource, Device, Fit, OutputFolder, Seed, Size, TriggerSpec
from whitesquare.cli.progress import progress
from whitesquare.errors import UsageError, require_extra


def drill(
    data: DataSource,
    output: OutputFolder,
    attacks: Annotated[
        str,
        typer.Option(
            help="Names of attacks, by commas; see `whitesquare list`. none: with --clean, false alarms alone.",
            autocompletion=attack_lists,
        ),
    ] = "adaptive,sinusoidal,stamp,label-flip",
    rates: Annotated[
        str | None,
        typer.Option(
            help="Shares of the whole training set to poison, by commas; default: a tenth, a fifth and a half of the "
            "target class."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help=f"{TARGET_HELP} [default: class 0]", autocompletion=class_names)
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each attack at each rate; ten tell nine in ten.")] = 3,
    clean: Annotated[
        int, typer.Option(help="Clean resamples of your data to scan, too, so that false alarms are counted.")
    ] = 0,
    trigger: TriggerSpec = None,
    key: Annotated[str | None, typer.Option(help="Private key, or a URI: sign what the drill found.")] = None,
    size: Size = None,
    fit: Fit = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Poison copies of your data, scan each, and tell what would have been caught.

    What is finished is kept in the cache, so that the same command, after it was stopped, goes on where it was.

    Exit code 1 if the data as it is raises an alarm, 2 if a run could not be made or no clean one came to a verdict,
    else 0.
    """
    with exit_codes():
        require_extra("torch", "train", "`whitesquare drill`")
        from whitesquare._base.cache import default_cache
        from whitesquare._base.folders import check_output
        from whitesquare.data import has_test, notes, open_dataset
        from whitesquare.data.apart import check_outside
        from whitesquare.data.classes import class_label
        from whitesquare.report.common import formats
        from whitesquare.report.drill import text as drill_text
        from whitesquare.report.drill.page import PAGE, write_drill
        from whitesquare.study import drill as job

        check_output(output)
        check_outside(data, output)
        names = tuple(part.strip() for part in attacks.split(",") if part.strip())
        if "none" in names and names != ("none",):
            raise UsageError(
                "--attacks none stands alone: with --clean it counts false alarms; leave it out, or all else."
            )
        names = () if names == ("none",) else names
        settings = job.DrillSettings(
            names, None if rates is None else _rates(rates), 0, seeds, seed, trigger, device=device, clean=clean
        )
        signer = open_key(key) if key else None
        train = open_dataset(data, size=size, fit=fit)
        if target is not None:
            settings = replace(settings, target=class_label(target, train.classes))
        test = open_dataset(data, "test", size=size, fit=fit) if has_test(data) else None
        with progress() as on_progress:
            result = job.drill(
                train,
                settings,
                test=test,
                source=data,
                cache=default_cache(),
                on_progress=on_progress,
                on_note=terminal.complain,
            )
            result = replace(result, made=made_now())
            write_drill(result, output, signer)
        for note in notes(train):
            terminal.complain(note)
        terminal.show(drill_text.shown(result))
        for failure in result.failures:
            terminal.complain(formats.plain(f"Failed: {drill_text.failure(failure)}"))
        terminal.suggest(f"\nOpen {terminal.printable(str(output / PAGE))} in a browser.\n")
        if result.base_line.alarmed:
            raise typer.Exit(FINDINGS)
        if result.failures or (result.clean is not None and result.clean.alarmed is None):
            raise typer.Exit(UNDECIDED)


def _rates(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"The rates must be numbers by commas, such as 0.01,0.05; got {text!r:.80}.") from error
