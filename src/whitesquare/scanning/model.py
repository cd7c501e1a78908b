"""The scan's own models: trained on the samples under suspicion, with the losses recorded as they go."""

import numpy as np
import torch

from whitesquare.data.pixels import Pixels
from whitesquare.executor import run_all
from whitesquare.learning.classifier import OwnClassifier, own_classifier
from whitesquare.learning.models import Model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.shrunk import training_data
from whitesquare.learning.train import make_card, train_tensors
from whitesquare.records import Progress
from whitesquare.types import FloatArray, IntArray

SEEDS = 2
"""One model finds, another with a different seed must agree before anything is called confirmed."""


def train_scan_models(
    images: Pixels,
    labels: IntArray,
    classes: tuple[str, ...],
    *,
    seed: int,
    recipe: Recipe,
    on_progress: Progress,
    models: int = SEEDS,
    device: str = "cpu",
) -> tuple[list[OwnClassifier], FloatArray]:
    """Train models side by side on a device.

    Returns:
        The models, and the losses ``(E, N)`` of every sample when the first one visited it in each of its E epochs.

    Raises:
        UsageError: images too small for the network.
        TrainingError: the training diverged.
    """
    asked, recipe = recipe, recipe.for_size(len(labels))
    data = training_data(images, labels, recipe, device)
    losses = np.zeros((recipe.epochs, len(labels)), np.float32)
    seen = np.zeros(len(labels), np.int64)

    def record(index: torch.Tensor, values: torch.Tensor, right: torch.Tensor) -> None:
        at = index.cpu().numpy()
        losses[seen[at], at] = values.cpu().numpy()
        seen[at] += 1

    steps = [0] * models

    def one(number: int) -> Model:
        def told(_: str, done: int, total: int) -> None:
            steps[number] = done
            on_progress("training scan models", sum(steps), models * total)

        card = make_card(data, recipe, classes, seed=seed + number, source="scan")
        return train_tensors(data, recipe, card, on_losses=record if number == 0 else None, on_progress=told)

    trained = run_all(one, range(models), workers=torch.get_num_threads())
    return [own_classifier(model, recipe=asked) for model in trained], losses
