"""One loop: ``train(dataset, recipe, seed=...)`` gives a model.

A batch becomes float only when it is used (see :mod:`whitesquare.learning.tensors`). The same code runs on a GPU (see
:mod:`whitesquare.learning.device`).
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import whitesquare
from whitesquare.data import held, require_classes
from whitesquare.data.cache_size import usual_size
from whitesquare.data.digest import dataset_digest
from whitesquare.errors import TrainingError, UsageError
from whitesquare.learning.augment import augment, mirrored
from whitesquare.learning.bfloat16 import bfloat16_is_right
from whitesquare.learning.device import resolve
from whitesquare.learning.models import Architecture, Model, ModelCard, build, check_architecture
from whitesquare.learning.optimisers import Lookahead, make_optimiser, uphill
from whitesquare.learning.passes import Passes
from whitesquare.learning.recipes import FIRST_SURROGATE_SEED, Recipe
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.learning.tensors import TensorData, to_tensors
from whitesquare.learning.whitened import Whitened
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset

_TICK = 10
_MOVES = 2**32
_SAMPLE = 2000
_REFERENCE = Recipe()

OnLosses = Callable[[Tensor, Tensor, Tensor], None]
"""``on_losses(index, losses, right)``: positions of a batch, and before the step the cross-entropy of each sample and
whether it is read as its label."""


def has_fast_bfloat16(device: str = "cpu") -> bool:
    """Tell whether the device multiplies bfloat16 in hardware (AVX512-BF16 or AMX on a CPU), and does it right."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if device == "cpu":
        there = any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)
    else:
        there = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return there and bfloat16_is_right(device)


def effective_precision(precision: str, device: str = "cpu") -> str:
    """Resolve ``auto`` to what it means on this device: ``bfloat16`` or ``float32``."""
    if precision == "auto":
        return "bfloat16" if has_fast_bfloat16(device) else "float32"
    return precision


def autocast_for(precision: str, device: str = "cpu") -> torch.autocast:
    """Return the context in which a forward pass runs at ``precision`` (see :class:`Recipe`)."""
    half = effective_precision(precision, device) == "bfloat16"
    # The cache of casts is shared by all threads: with it, one training would change the rounding of another.
    return torch.autocast(device, torch.bfloat16, enabled=half, cache_enabled=False)


@own_surroundings()
def train(
    dataset: ImageDataset,
    recipe: Recipe = _REFERENCE,
    *,
    seed: int,
    source: str = "",
    device: str = "cpu",
    on_progress: Progress = silent,
) -> Model:
    """Train a model; the same data, recipe, seed, machine and number of threads give the same weights.

    Args:
        dataset: training images and labels.
        recipe: what to train and how.
        seed: of the initial weights, the order of the samples and the augmentation.
        source: name or path of the data set, for the model's card.
        device: see :func:`whitesquare.learning.device.resolve`.
        on_progress: told the number of finished steps.

    Raises:
        DataError: no images, or fewer than two classes.
        UsageError: an unknown model, images too small for it, or a seed out of range.
        TrainingError: the loss is no longer a finite number.
    """
    require_classes(dataset)
    if not 0 <= seed < FIRST_SURROGATE_SEED:
        raise UsageError(f"The seed of a training must be in 0..{FIRST_SURROGATE_SEED - 1}; got {seed}.")
    dataset = held(dataset, on_progress, cache=usual_size())
    data = to_tensors(dataset, resolve(device))
    card = make_card(
        data, recipe, dataset.classes, seed=seed, digest=dataset_digest(dataset, on_progress), source=source
    )
    return train_tensors(data, recipe, card, on_progress=on_progress)


def make_card(
    data: TensorData,
    recipe: Recipe,
    classes: tuple[str, ...],
    *,
    seed: int,
    digest: str = "",
    source: str = "",
) -> ModelCard:
    """Describe the model that training with these arguments gives; see :class:`~whitesquare.learning.models.ModelCard`.

    Raises:
        UsageError: an unknown model, or images too small for it.
    """
    channels, height, width = data.shape or data.images.shape[1:]
    architecture = Architecture(recipe.model, channels, height, width, len(classes), recipe.scale)
    check_architecture(architecture)
    return ModelCard(architecture, classes, seed, asdict(recipe), digest, source, whitesquare.__version__)


def train_tensors(
    data: TensorData,
    recipe: Recipe,
    card: ModelCard,
    *,
    on_losses: OnLosses | None = None,
    on_progress: Progress = silent,
) -> Model:
    """Train on tensors already in place, for callers that train many models on one data set; see :func:`train`."""
    network = build(card.architecture, card.seed).to(data.images.device)
    if isinstance(network, Whitened):
        data = data.mapped(network.averaged) if data.shape is None else data
        # From all over: in folders the classes stand one after the other.
        spread = torch.linspace(0, len(data.labels) - 1, min(_SAMPLE, len(data.labels)), device=data.labels.device)
        network.prepare(data.batch(spread.long())[0])
    with network.given_averaged() if isinstance(network, Whitened) else nullcontext():
        _fit(network, data, recipe, card.seed, on_losses, on_progress)
    return Model(network.eval(), card)


def _fit(
    network: nn.Module,
    data: TensorData,
    recipe: Recipe,
    seed: int,
    on_losses: OnLosses | None,
    on_progress: Progress,
) -> None:
    size, device = len(data.labels), data.labels.device
    passes = len(_batches(torch.arange(size), recipe.batch_size))
    per_epoch = -(-passes // recipe.accumulate)
    total = per_epoch * recipe.epochs
    optimiser, scheduler = make_optimiser(network, recipe, total)
    lookahead = Lookahead(network, total) if recipe.optimiser == "lookahead" else None
    order = torch.Generator().manual_seed(seed)
    # A generator of its own: switching augmentation on leaves the order of the samples as it was.
    moves = torch.Generator().manual_seed(_MOVES + seed)
    sides = torch.rand(size, generator=moves) < 0.5 if recipe.flip else None
    pull = partial(_pull, recipe)
    network.train()
    step = 0
    with Passes(network, min(passes, recipe.accumulate)) as side_by_side:
        for epoch in range(recipe.epochs):
            batches = _batches(torch.randperm(size, generator=order).to(device), recipe.batch_size)
            for first in range(0, passes, recipe.accumulate):
                together = batches[first : first + recipe.accumulate]
                images = sum(map(len, together))
                shown = [_shown(data, recipe, index, epoch, sides, moves, len(index) / images) for index in together]
                optimiser.zero_grad(set_to_none=True)
                said = side_by_side.run(pull, shown)
                if on_losses is not None:
                    for index, batch, (logits, _) in zip(together, shown, said, strict=True):
                        losses = F.cross_entropy(logits, batch.labels, reduction="none")
                        on_losses(index, losses, logits.argmax(1) == batch.labels)
                if recipe.sharpness:
                    with uphill(network, recipe.sharpness):
                        side_by_side.run(pull, shown)
                optimiser.step()
                scheduler.step()
                step += 1
                if lookahead is not None:
                    lookahead.after(step)
                if step % _TICK == 0 or step == total:
                    _check_finite(said[-1][1], recipe, step, total)
                    on_progress("training", step, total)


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Split samples; a last one by itself goes with those before it, for nothing can be normalised by one image."""
    parts = list(torch.split(order, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


@dataclass(frozen=True)
class _Batch:
    """Images of a pass as they are shown, their labels, and what share they are of the images of the step."""

    images: Tensor
    labels: Tensor
    share: float


def _shown(
    data: TensorData,
    recipe: Recipe,
    index: Tensor,
    epoch: int,
    sides: Tensor | None,
    moves: torch.Generator,
    share: float,
) -> _Batch:
    images, labels = data.batch(index)
    mirror = mirrored(sides.to(index.device), index, epoch) if sides is not None else None
    return _Batch(augment(images, moves, shift=recipe.shift, rotate=recipe.rotate, mirror=mirror), labels, share)


def _pull(recipe: Recipe, network: nn.Module, batch: _Batch) -> tuple[Tensor, Tensor]:
    """Add a pass to the gradients of the weights; return its logits, float32, and its loss."""
    with autocast_for(recipe.precision, batch.images.device.type):
        logits = network(batch.images)
    loss = F.cross_entropy(logits.float(), batch.labels, label_smoothing=recipe.label_smoothing)
    (loss * batch.share).backward()  # type: ignore[no-untyped-call]
    return logits.detach().float(), loss.detach()


def _check_finite(loss: Tensor, recipe: Recipe, step: int, total: int) -> None:
    if not torch.isfinite(loss):
        raise TrainingError(
            f"Training {recipe.model!r} diverged: the loss is {loss.item()} at step {step} of {total}; lower the "
            f"learning rate (now {recipe.learning_rate})."
        )
