"""A callback for Lightning (``lightning`` or ``pytorch-lightning``) that records per-sample losses."""

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from whitesquare.errors import UsageError
from whitesquare.loops.losses import LossRecorder
from whitesquare.loops.positions import POSITION

LOSSES = "losses"
"""The key under which a ``training_step`` returns its losses."""


def lightning_losses(recorder: LossRecorder) -> Any:
    """Return a Lightning ``Callback`` that records what ``training_step`` returns, and finishes with the training.

    The step returns ``{"loss": losses.mean(), "losses": losses, "position": position}``: the losses ``(B,)`` before
    their mean, and the positions ``(B,)`` that :func:`~whitesquare.loops.with_positions` put into the batch.

    Args:
        recorder: of the data that are trained on.

    Raises:
        UsageError: in the first step, where it returns something else.
    """

    def after_batch(trainer: Any, module: Any, outputs: Any, batch: Any, step: int) -> None:
        if not isinstance(outputs, Mapping) or LOSSES not in outputs or POSITION not in outputs:
            found = sorted(map(str, outputs)) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise UsageError(
                f"training_step of {type(module).__name__} returned {found}, and the losses of its samples are to be "
                f"recorded; let it return {{'loss': losses.mean(), '{LOSSES}': losses, '{POSITION}': position}}."
            )
        recorder.record(outputs[POSITION], outputs[LOSSES])

    def after_epoch(trainer: Any, module: Any) -> None:
        recorder.end_epoch(trainer.current_epoch)

    def after_training(trainer: Any, module: Any) -> None:
        recorder.finish()

    package = "pytorch_lightning" if "pytorch_lightning" in sys.modules else "lightning.pytorch"
    return importlib.import_module(f"{package}.callbacks").LambdaCallback(
        on_train_batch_end=after_batch, on_train_epoch_end=after_epoch, on_train_end=after_training
    )
