"""``whitesquare measure``: what a victim does."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare import terminal
from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs
from whitesquare.errors import require_extra


def measure(
    model: Annotated[Path, typer.Argument(help="Model folder written by `train`.")],
    trigger: Annotated[str | None, typer.Option(help="Trigger in use; default: the run's.")] = None,
    target: Annotated[int | None, typer.Option(help="Target class; default: the run's.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set with the test images; default: the model's own.")] = None,
    output: Outputs = None,
) -> None:
    """Measure a model's clean accuracy and attack success rate on the test images."""
    with exit_codes():
        require_extra("torch", "train", "`whitesquare measure`")
        from whitesquare.jsonio import encode
        from whitesquare.victims import measure_victim

        outputs = read_outputs(output, "table", "json")
        victim = measure_victim(model, trigger=trigger, target=target, data=data)
        emit(outputs, {"table": lambda: terminal.show_victim(victim), "json": lambda: encode(victim)})
