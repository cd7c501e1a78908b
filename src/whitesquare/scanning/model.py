"""The scan's own models: trained on the samples under suspicion, with the losses recorded as they go."""

from pathlib import Path

import numpy as np
import torch

from whitesquare.errors import UsageError
from whitesquare.executor import run_all
from whitesquare.learning.features import ScanModel
from whitesquare.learning.models import Model, load_model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import TensorData, borrowed, make_card, train_tensors
from whitesquare.records import WEIGHTS, Progress
from whitesquare.types import FloatArray, IntArray, UInt8Array

SEEDS = 2
"""One model finds, another with a different seed must agree before anything is called confirmed."""


def train_scan_models(
    images: UInt8Array,
    labels: IntArray,
    classes: tuple[str, ...],
    *,
    seed: int,
    recipe: Recipe,
    on_progress: Progress,
    models: int = SEEDS,
) -> tuple[list[ScanModel], FloatArray]:
    """Train models side by side.

    Returns:
        The models, and the losses ``(E, N)`` of every sample when the first one visited it in each of its E epochs.

    Raises:
        UsageError: images too small for the network.
        TrainingError: the training diverged.
    """
    recipe = recipe.for_size(len(labels))
    data = TensorData(borrowed(images), torch.from_numpy(labels.copy()))
    losses = np.zeros((recipe.epochs, len(labels)), np.float32)
    seen = np.zeros(len(labels), np.int64)

    def record(index: torch.Tensor, values: torch.Tensor) -> None:
        at = index.numpy()
        losses[seen[at], at] = values.numpy()
        seen[at] += 1

    def one(number: int) -> Model:
        card = make_card(data, recipe, classes, seed=seed + number, source="scan")
        return train_tensors(data, recipe, card, on_losses=record if number == 0 else None)

    workers = torch.get_num_threads()
    trained = run_all(one, range(models), workers=workers, step="training scan models", on_progress=on_progress)
    return [ScanModel(model) for model in trained], losses


def load_scan_model(path: Path, shape: tuple[int, ...], classes: tuple[str, ...]) -> ScanModel:
    """Load a user's model: a ``.safetensors`` file with its ``.json`` (or ``model.json``) beside it, or their folder.

    Args:
        path: file or folder.
        shape: ``(C, H, W)`` of the images to scan.
        classes: class names of the data set. Only their number and order must fit: a form may hold no names.

    Raises:
        UsageError: a pickle, another kind of file, or a model of other classes or image size.
        DataError: a damaged model.
    """
    if path.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib"):
        raise UsageError(
            f"{path} is a pickle or may be one, which can run code when it is read; expected {WEIGHTS}: save the "
            "weights with safetensors.torch.save_file, or train with `whitesquare train`."
        )
    if not path.exists():
        raise UsageError(f"There is no model {path}; give {WEIGHTS} or the folder that `whitesquare train` wrote.")
    if path.is_file() and path.suffix != Path(WEIGHTS).suffix:
        raise UsageError(f"{path} is not a model: expected {WEIGHTS} with model.json beside it, or their folder.")
    model = load_model(path.parent, path.name) if path.is_file() else load_model(path)
    a = model.card.architecture
    if (a.channels, a.height, a.width) != tuple(shape):
        raise UsageError(
            f"The model {path} reads images of {a.channels} x {a.height} x {a.width} and these are "
            f"{' x '.join(map(str, shape))}; give the model that was trained on this data set."
        )
    if a.classes != len(classes):
        raise UsageError(
            f"The model {path} knows {a.classes} classes and the data set has {len(classes)}; give the model that was "
            "trained on it."
        )
    if model.card.classes != classes and sorted(model.card.classes) == sorted(classes):
        raise UsageError(
            f"The model {path} knows the classes in another order ({', '.join(model.card.classes)}) than the data set "
            f"({', '.join(classes)}), so its answers would be misread; give the model that was trained on it."
        )
    return ScanModel(model)
