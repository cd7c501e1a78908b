"""``whitesquare train``: a victim."""

import shlex
from dataclasses import replace
from typing import Annotated, Any

import typer

from whitesquare.cli import terminal
from whitesquare.cli.attested import Bundle, Key, Roles, Threshold, Trust, open_attested, open_signer
from whitesquare.cli.completion import recipe_names
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.options import Device, Fit, OutputFolder, Seed, Size, check_device, same_size
from whitesquare.cli.progress import progress
from whitesquare.errors import UsageError, require_extra, unknown_name
from whitesquare.learning.recipes import VICTIMS


def train(
    data: Annotated[str, typer.Argument(help="'mnist', a run folder, or any data set `poison` takes.")],
    output: OutputFolder,
    seed: Seed = 0,
    recipe: Annotated[
        str,
        typer.Option(
            help="How to train: a victim of `whitesquare list`; what is given below changes it.",
            autocompletion=recipe_names,
        ),
    ] = "default",
    model: Annotated[str | None, typer.Option(help="Name of the model; see `whitesquare list`.")] = None,
    scale: Annotated[float | None, typer.Option(help="Multiplies the model's channels.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adam, sgd or lookahead.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of the schedule.")] = None,
    schedule: Annotated[str | None, typer.Option(help="one-cycle, triangular or constant.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="L2 penalty.")] = None,
    sharpness: Annotated[
        float | None, typer.Option(help="Radius of sharpness-aware minimisation, e.g. 0.05; twice the time.")
    ] = None,
    flip: Annotated[bool | None, typer.Option(help="Augmentation: mirror left and right; not for digits.")] = None,
    shift: Annotated[int | None, typer.Option(help="Augmentation: shift by up to that many pixels.")] = None,
    rotate: Annotated[float | None, typer.Option(help="Augmentation: turn by up to that many degrees.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    device: Device = "cpu",
    size: Size = None,
    fit: Fit = None,
    attested: Bundle = None,
    trust: Trust = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
    key: Key = None,
) -> None:
    """Train a model on a data set, poisoned or not, and write it as safetensors and JSON."""
    with exit_codes():
        if key is not None and attested is None:
            raise UsageError(
                "--key signs which attested data the model is made of, and without --attested there is none; give "
                "--attested and --trust, or leave --key out."
            )
        require_extra("torch", "train", "`whitesquare train`")
        from whitesquare._base.folders import check_output
        from whitesquare.jobs.train import train as job

        check_output(output)
        check_device(device)
        if recipe not in VICTIMS:
            raise unknown_name("recipe", recipe, VICTIMS)
        asked: dict[str, Any] = {
            "model": model,
            "scale": scale,
            "epochs": epochs,
            "batch_size": batch_size,
            "optimiser": optimiser,
            "learning_rate": learning_rate,
            "schedule": schedule,
            "weight_decay": weight_decay,
            "sharpness": sharpness,
            "flip": flip,
            "shift": shift,
            "rotate": rotate,
            "precision": precision,
        }
        how = replace(VICTIMS[recipe].recipe, **{name: value for name, value in asked.items() if value is not None})
        allowed, signer = open_attested(attested, trust, threshold, signatures), open_signer(key)
        told: list[str] = []
        with progress() as on_progress:
            job(
                data,
                how,
                seed=seed,
                folder=output,
                device=device,
                size=size,
                fit=fit,
                attested=allowed,
                signer=signer,
                on_note=told.append,
                on_progress=on_progress,
            )
        for note in told:
            terminal.complain(note)
        terminal.say(f"Trained {how.model}, seed {seed}.")
        terminal.suggest(f"Next: whitesquare measure {shlex.quote(str(output))}{same_size(size, fit)}\n")
