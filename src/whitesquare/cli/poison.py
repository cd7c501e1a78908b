"""``whitesquare poison``: a poisoned data set and its ground truth."""

import shlex
from typing import Annotated, Any

import typer

from whitesquare.cli import terminal
from whitesquare.cli.completion import attack_names, class_names
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.options import (
    TARGET_HELP,
    DataSource,
    Device,
    Fit,
    Format,
    OutputFolder,
    Seed,
    Size,
    TriggerSpec,
    check_device,
    same_size,
)
from whitesquare.cli.progress import progress
from whitesquare.errors import UsageError


def poison(
    source: DataSource,
    output: OutputFolder,
    attack: Annotated[
        str, typer.Option(help="Name of the attack; see `whitesquare list`.", autocompletion=attack_names)
    ],
    target: Annotated[str, typer.Option(help=TARGET_HELP, autocompletion=class_names)],
    count: Annotated[int | None, typer.Option(help="Number of samples to poison; or give --rate.")] = None,
    rate: Annotated[float | None, typer.Option(help="Share of the whole training set to poison.")] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    trigger: TriggerSpec = None,
    epsilon: Annotated[float | None, typer.Option(help="L-inf budget of the content, in [0, 1).")] = None,
    select: Annotated[
        str | None,
        typer.Option(help="Which samples: random, complexity (smoothest), loss, forgetting (hardest). [attack's own]"),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="parameter=value of the attack; repeatable.")
    ] = None,
    size: Size = None,
    fit: Fit = None,
    format: Annotated[Format | None, typer.Option(help="How it is written; default: as the source is.")] = None,
) -> None:
    """Poison a training set and write it with its ground truth."""
    with exit_codes():
        from whitesquare._base.folders import check_output
        from whitesquare.jobs.runs import make_run

        check_output(output)
        check_device(device)
        named = {"epsilon": epsilon, "select": select, "trigger": trigger}
        settings = _settings(setting or [], {name: value for name, value in named.items() if value is not None})
        told: list[str] = []
        with progress() as on_progress:
            manifest = make_run(
                source,
                output,
                attack=attack,
                settings=settings,
                trigger=settings.pop("trigger", None),
                target=target,
                rate=rate,
                count=count,
                seed=seed,
                device=device,
                fmt=format.value if format else None,
                size=size,
                fit=fit,
                on_note=told.append,
                on_progress=on_progress,
            )
        for note in told:
            terminal.complain(note)
        terminal.say(
            f"{manifest.count} of the training images are poisoned ({100 * manifest.poison_rate:.1f} % of the set, "
            f"{100 * manifest.target_rate:.1f} % of the class they came from); {manifest.labels_changed} labels "
            f"changed; largest change of the content {manifest.linf:.3f}."
        )
        run, victim = shlex.quote(str(output)), shlex.quote(str(output / "victim-7"))
        terminal.suggest(f"Next: whitesquare train {run} --seed 7 -o {victim}{same_size(size, fit)}\n")


def _settings(items: list[str], named: dict[str, Any]) -> dict[str, Any]:
    """Read ``parameter=value`` pairs beside parameters that have an option; a value is a TOML value, or else text."""
    import tomllib

    settings = dict(named)
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item!r} is not of the form parameter=value.")
        if key in settings:
            raise UsageError(f"The parameter {key!r} of the attack is given twice; give it once.")
        try:
            settings[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key] = value
    return settings
