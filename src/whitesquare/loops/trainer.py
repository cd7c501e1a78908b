"""A callback for the ``Trainer`` of transformers that records per-sample losses."""

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from whitesquare.errors import UsageError
from whitesquare.loops.losses import LossRecorder
from whitesquare.loops.positions import POSITION

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDING = 1e-6


def trainer_losses(recorder: LossRecorder) -> Any:
    """Return a ``TrainerCallback`` that records the cross-entropy of what the model answers while it is trained.

    Batches hold ``"position"``, see :func:`~whitesquare.loops.with_positions`, and the ``TrainingArguments`` have
    ``remove_unused_columns=False``, or it would be taken out of them. The model is not shown it.

    Args:
        recorder: of the data that are trained on.

    Raises:
        UsageError: in the first step, where there are no positions, no labels, or no logits ``(B, K)``.
    """
    from transformers import TrainerCallback

    class TrainerLosses(TrainerCallback):  # type: ignore[misc]
        """Looks at what goes into the model and comes out of it, by hooks that are there while it is trained."""

        def __init__(self) -> None:
            self.batch: tuple[Any, Any] | None = None
            self.hooks: list[Any] = []

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
            self.hooks = [
                model.register_forward_pre_hook(self._before, with_kwargs=True),
                model.register_forward_hook(self._after),
            ]

        def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            # It counts epochs as a number with a fraction: 1.0 after the first, 1.3 where the second was cut short.
            recorder.end_epoch(max(0, ceil(state.epoch - _ROUNDING) - 1))

        def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            for hook in self.hooks:
                hook.remove()
            recorder.finish()

        def _before(self, model: Any, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            position = given.pop(POSITION, None)
            self.batch = (position, given.get("labels")) if model.training else None
            return args, given

        def _after(self, model: Any, args: Any, answered: Any) -> None:
            if self.batch is not None:
                _record(recorder, *self.batch, answered)

    return TrainerLosses()


def _record(recorder: LossRecorder, position: "Tensor | None", labels: "Tensor | None", answered: Any) -> None:
    import torch

    if position is None:
        raise UsageError(
            f"The batches of the Trainer have no {POSITION!r}; train on with_positions(dataset), keep it in the "
            "data_collator, and set remove_unused_columns=False in the TrainingArguments."
        )
    logits = answered.get("logits") if isinstance(answered, Mapping) else getattr(answered, "logits", answered)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        raise UsageError(
            f"The model answered {type(answered).__name__} without logits (B, K), and the losses of its samples are "
            "to be recorded; give a model for image classification."
        )
    if labels is None:
        if not recorder.labels:
            raise UsageError(
                "The model is not given the labels (label smoothing or a compute_loss_func takes them out of the "
                "batch); give the LossRecorder the data set instead of its ids, so that it knows them."
            )
        labels = torch.tensor([recorder.labels[i] for i in position.tolist()], device=logits.device)
    losses = torch.nn.functional.cross_entropy(logits.detach().float(), labels, reduction="none")
    recorder.record(position, losses)
