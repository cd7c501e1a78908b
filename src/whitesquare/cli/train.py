"""``whitesquare train``: a victim."""

from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.attested import Bundle, Key, Roles, Threshold, Trust, open_attested, open_signer
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.options import Device, OutputFolder, Seed
from whitesquare.cli.progress import progress
from whitesquare.errors import UsageError, require_extra
from whitesquare.learning.recipes import Recipe


def train(
    data: Annotated[str, typer.Argument(help="'mnist', a run folder, or any data set `poison` takes.")],
    output: OutputFolder,
    seed: Seed = 0,
    model: Annotated[str, typer.Option(help="Name of the model; see `whitesquare list`.")] = Recipe.model,
    scale: Annotated[float, typer.Option(help="Multiplies the model's channels.")] = Recipe.scale,
    epochs: Annotated[int, typer.Option(help="Passes over the training set.")] = Recipe.epochs,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = Recipe.batch_size,
    optimiser: Annotated[str, typer.Option(help="adam or sgd.")] = Recipe.optimiser,
    learning_rate: Annotated[float, typer.Option(help="Peak of the schedule.")] = Recipe.learning_rate,
    schedule: Annotated[str, typer.Option(help="one-cycle or constant.")] = Recipe.schedule,
    weight_decay: Annotated[float, typer.Option(help="L2 penalty.")] = Recipe.weight_decay,
    shift: Annotated[int, typer.Option(help="Augmentation: shift by up to that many pixels.")] = Recipe.shift,
    rotate: Annotated[float, typer.Option(help="Augmentation: turn by up to that many degrees.")] = Recipe.rotate,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = Recipe.precision,
    device: Device = "cpu",
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
        recipe = Recipe(
            model=model,
            scale=scale,
            epochs=epochs,
            batch_size=batch_size,
            optimiser=optimiser,
            learning_rate=learning_rate,
            schedule=schedule,
            weight_decay=weight_decay,
            shift=shift,
            rotate=rotate,
            precision=precision,
        )
        allowed, signer = open_attested(attested, trust, threshold, signatures), open_signer(key)
        with progress() as on_progress:
            job(
                data,
                recipe,
                seed=seed,
                folder=output,
                device=device,
                attested=allowed,
                signer=signer,
                on_progress=on_progress,
            )
        terminal.say(f"Trained {model}, seed {seed}. Next: whitesquare measure {output}")
