"""The scan's own models: trained on the samples under suspicion, with the losses recorded as they go."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from whitesquare.data.pixels import Pixels
from whitesquare.executor import run_all
from whitesquare.learning.classifier import OwnClassifier, own_classifier
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.shrunk import training_data
from whitesquare.learning.tensors import TensorData
from whitesquare.learning.train import OnLosses, make_card, train_tensors
from whitesquare.records import Progress
from whitesquare.scanning.running import as_step, torch_threads
from whitesquare.types import Classifier, FloatArray, IntArray, UInt8Array


@dataclass(frozen=True)
class Lesson:
    """What the scan's models are trained on, and how.

    Attributes:
        images: ``(N, C, H, W)``.
        labels: ``(N,)``.
        classes: their names.
        recipe: as it is for any number of samples.
        device: where.
        on_progress: told the number of finished steps.
    """

    images: Pixels
    labels: IntArray
    classes: tuple[str, ...]
    recipe: Recipe
    device: str
    on_progress: Progress

    @property
    def sized(self) -> Recipe:
        """The recipe for as many samples as there are."""
        return self.recipe.for_size(len(self.labels))

    def data(self) -> TensorData:
        """Return the samples on the device."""
        return training_data(self.images, self.labels, self.recipe, self.device)

    def learned(
        self, data: TensorData, seed: int, on_progress: Progress, on_losses: OnLosses | None = None
    ) -> OwnClassifier:
        """Train a model.

        Raises:
            UsageError: images too small for the network.
            TrainingError: the training diverged.
        """
        card = make_card(data, self.sized, self.classes, seed=seed, source="scan")
        model = train_tensors(data, self.sized, card, on_losses=on_losses, on_progress=on_progress)
        return own_classifier(model, recipe=self.recipe)


@dataclass(frozen=True, eq=False)
class Witness:
    """The model that must agree before anything is confirmed; it is trained when it is first asked, which is seldom.

    Attributes:
        lesson: what it learns.
        seed: of its training.
        first: the model that finds, and is of the same kind.
        threads: on which it is trained.
    """

    lesson: Lesson
    seed: int
    first: OwnClassifier
    threads: int

    @cached_property
    def model(self) -> OwnClassifier:
        """The model, trained now if it was not before.

        Raises:
            TrainingError: the training diverged.
        """
        with torch_threads(self.threads):
            told = as_step(self.lesson.on_progress, "training a second scan model")
            return self.lesson.learned(self.lesson.data(), self.seed, told)

    @property
    def classes(self) -> tuple[str, ...]:
        """See :class:`~whitesquare.types.Classifier`."""
        return self.first.classes

    @property
    def device(self) -> str:
        """See :class:`~whitesquare.types.Classifier`."""
        return self.first.device

    @property
    def feature_layer(self) -> str:
        """See :class:`~whitesquare.types.Classifier`."""
        return self.first.feature_layer

    def logits(self, images: UInt8Array) -> FloatArray:
        """See :class:`~whitesquare.types.Classifier`."""
        return self.model.logits(images)

    def features(self, images: UInt8Array) -> FloatArray:
        """See :class:`~whitesquare.types.Classifier`."""
        return self.model.features(images)


@dataclass(frozen=True)
class TrainedModels:
    """Models of the scan's own.

    Attributes:
        first: the one that finds.
        witnesses: those that must agree before anything is called confirmed.
        losses: ``(E, N)`` of every sample when the first visited it in each of its E epochs.
    """

    first: OwnClassifier
    witnesses: tuple[Classifier, ...]
    losses: FloatArray


def train_scan_models(
    images: Pixels,
    labels: IntArray,
    classes: tuple[str, ...],
    *,
    seed: int,
    recipe: Recipe,
    on_progress: Progress,
    witness: bool = True,
    device: str = "cpu",
) -> TrainedModels:
    """Train a model on a device, and a witness with another seed.

    Where a step is one pass, both are trained side by side; where it is several, one keeps the cores busy, and the
    witness is trained when it is asked.

    Raises:
        UsageError: images too small for the network.
        TrainingError: the training diverged.
    """
    lesson = Lesson(images, labels, classes, recipe, device, on_progress)
    data, losses = lesson.data(), np.zeros((lesson.sized.epochs, len(labels)), np.float32)
    record = _recorder(losses)
    if lesson.sized.accumulate > 1:
        first = lesson.learned(data, seed, as_step(on_progress, "training a scan model"), record)
        late = Witness(lesson, seed + 1, first, torch.get_num_threads())
        return TrainedModels(first, (late,) if witness else (), losses)
    steps = [0] * (1 + witness)

    def one(number: int) -> OwnClassifier:
        def told(_: str, done: int, total: int) -> None:
            steps[number] = done
            on_progress("training scan models", sum(steps), len(steps) * total)

        return lesson.learned(data, seed + number, told, record if number == 0 else None)

    first, *others = run_all(one, range(len(steps)), workers=torch.get_num_threads())
    return TrainedModels(first, tuple(others), losses)


def _recorder(losses: FloatArray) -> OnLosses:
    seen = np.zeros(losses.shape[1], np.int64)

    def record(index: torch.Tensor, values: torch.Tensor, right: torch.Tensor) -> None:
        at = index.cpu().numpy()
        losses[seen[at], at] = values.cpu().numpy()
        seen[at] += 1

    return record
