"""The attacker's own models: trained on what the attacker has, with seeds no victim can have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from whitesquare.executor import run_all
from whitesquare.recipes import FIRST_SURROGATE_SEED, Recipe
from whitesquare.train import TensorData, make_card, to_float, to_tensors, train_tensors
from whitesquare.types import CraftContext, Progress, Trigger, silent

_ASKED = 2000


def surrogate_seed(seed: int, number: int) -> int:
    """Derive the seed of the attacker's model ``number``, at or above :data:`FIRST_SURROGATE_SEED`."""
    drawn = np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)[0]
    return FIRST_SURROGATE_SEED + int(drawn) % FIRST_SURROGATE_SEED


@dataclass(frozen=True)
class SurrogateFactory:
    """Trains surrogates on the attacker's copy of the training set.

    Attributes:
        context: the crafting it serves.
        data: the clean training set.
        recipes: how they are trained, used in turn.
        background: samples outside the target class each surrogate trains on, drawn anew for each; 0 means all. The
            whole target class is always used: that is where poison competes with the clean samples.
        workers: trainings at a time.
    """

    context: CraftContext
    data: TensorData
    recipes: tuple[Recipe, ...]
    background: int
    workers: int

    @classmethod
    def for_context(
        cls, context: CraftContext, recipes: tuple[Recipe, ...], *, background: int = 0
    ) -> "SurrogateFactory":
        """Set up the factory for one crafting; it decodes the data set once."""
        data = to_tensors(context.dataset)
        return cls(context, data, recipes, background, torch.get_num_threads())

    def train(
        self, count: int, *, first: int = 0, poisons: Tensor | None = None, on_progress: Progress = silent
    ) -> list[nn.Module]:
        """Train surrogates ``first`` to ``first + count - 1``, each with its own seed.

        Args:
            count: how many.
            first: number of the first one.
            poisons: stamped images (uint8) in place of the chosen samples; ``None`` trains on clean data.
            on_progress: told the number of finished trainings.
        """

        def one(number: int) -> nn.Module:
            seed = surrogate_seed(self.context.seed, number + 1)
            recipe = self.recipes[number % len(self.recipes)]
            classes = self.context.dataset.classes
            data = self._data(seed, poisons)
            return train_tensors(data, recipe, make_card(data, recipe, classes, seed=seed)).network

        numbers = range(first, first + count)
        networks = run_all(one, numbers, workers=self.workers, step="training surrogates", on_progress=on_progress)
        for network in networks:
            network.requires_grad_(False)
        return networks

    def success(self, networks: Sequence[nn.Module], trigger: Trigger) -> float:
        """Return the attack success of the least obedient network, on training images outside the target class."""
        others = torch.nonzero(self.data.labels != self.context.target).flatten()[:_ASKED]
        images = to_float(torch.from_numpy(trigger(self.data.images[others].numpy())))

        def one(network: nn.Module) -> float:
            with torch.inference_mode():
                return float((network(images).argmax(1) == self.context.target).float().mean())

        return min(run_all(one, networks, workers=self.workers))

    def _data(self, seed: int, poisons: Tensor | None) -> TensorData:
        labels = self.data.labels
        others = torch.nonzero(labels != self.context.target).flatten()
        if 0 < self.background < len(others):
            drawn = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[: self.background]
            others = others[drawn]
        clean = labels == self.context.target
        if poisons is not None:
            clean[torch.from_numpy(self.context.index)] = False
        kept = torch.cat([others, torch.nonzero(clean).flatten()])
        if poisons is None:
            return TensorData(self.data.images[kept], labels[kept])
        target = torch.full((len(poisons),), self.context.target)
        return TensorData(torch.cat([self.data.images[kept], poisons]), torch.cat([labels[kept], target]))
