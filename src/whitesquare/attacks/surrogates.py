"""The attacker's own models: trained on what the attacker has, with seeds no victim can have."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from whitesquare.executor import run_all
from whitesquare.learning.augment import augment
from whitesquare.learning.choice import recipe_for
from whitesquare.learning.probe import probe
from whitesquare.learning.recipes import FIRST_SURROGATE_SEED, Recipe
from whitesquare.learning.tensors import TensorData, overlaid, to_tensors
from whitesquare.learning.train import make_card, train_tensors
from whitesquare.records import Progress, silent
from whitesquare.types import CraftContext, UInt8Array


def surrogate_seed(seed: int, number: int) -> int:
    """Derive the seed of the attacker's model ``number``, at or above :data:`FIRST_SURROGATE_SEED`."""
    drawn = np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)[0]
    return FIRST_SURROGATE_SEED + int(drawn) % FIRST_SURROGATE_SEED


class Moved(nn.Module):
    """A network that trained with augmentation, behind one of the views it was trained on.

    Content crafted through it has to hold where the victim will see it: moved and turned (expectation over
    transformation, Athalye et al. 2018, arXiv:1707.07397). Every such surrogate draws its own moves, the same at every
    call: so the result depends neither on the order of calls nor on the number of workers.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.network, self.recipe, self.seed = network, recipe, seed

    def move(self, x: Tensor) -> Tensor:
        """Mirror, shift and turn each image by its own amount."""
        generator = torch.Generator().manual_seed(self.seed)
        mirror = (torch.rand(len(x), generator=generator) < 0.5).to(x.device) if self.recipe.flip else None
        return augment(x, generator, shift=self.recipe.shift, rotate=self.recipe.rotate, mirror=mirror)

    def forward(self, x: Tensor) -> Tensor:
        """Move each image, then ask the network."""
        logits: Tensor = self.network(self.move(x))
        return logits


def reference_recipe(context: CraftContext, epochs: int) -> Recipe:
    """Return how the attacker's model of these data is trained: as a scan would choose, for at least so many epochs.

    Small grey images take exactly ``epochs``; the network for colour needs some to be of any use.
    """
    dataset = context.dataset
    recipe = recipe_for(dataset.shape, None)
    if not recipe.moves:
        return replace(recipe, epochs=epochs)
    recipe = recipe_for(dataset.shape, probe(dataset.images(slice(None)), dataset.labels, context.seed))
    return replace(recipe, epochs=max(epochs, recipe.epochs))


@dataclass(frozen=True)
class SurrogateFactory:
    """Trains surrogates on the attacker's copy of the training set.

    Attributes:
        context: the crafting it serves.
        data: the clean training set.
        recipes: how they are trained, used in turn.
        workers: trainings at a time.
    """

    context: CraftContext
    data: TensorData
    recipes: tuple[Recipe, ...]
    workers: int

    @classmethod
    def of_epochs(cls, context: CraftContext, epochs: int) -> "SurrogateFactory":
        """Set up a factory whose surrogates are all trained by :func:`reference_recipe`."""
        return cls.for_context(context, (reference_recipe(context, epochs),))

    @classmethod
    def for_context(cls, context: CraftContext, recipes: tuple[Recipe, ...]) -> "SurrogateFactory":
        """Set up the factory for one crafting; it decodes the data set once."""
        data = to_tensors(context.dataset, context.device)
        return cls(context, data, recipes, torch.get_num_threads())

    def train(
        self, count: int, *, first: int = 0, poisons: UInt8Array | None = None, on_progress: Progress = silent
    ) -> list[nn.Module]:
        """Train surrogates ``first`` to ``first + count - 1``, each with its own seed.

        Args:
            count: how many.
            first: number of the first one.
            poisons: stamped images ``(B, C, H, W)`` in place of the chosen samples; ``None`` trains on clean data.
            on_progress: told the number of finished trainings.
        """
        classes, data = self.context.dataset.classes, self.data
        if poisons is not None:
            data = overlaid(data, self.context.index, poisons, np.full(len(poisons), self.context.target))

        def one(number: int) -> nn.Module:
            seed = surrogate_seed(self.context.seed, number + 1)
            recipe = self.recipes[number % len(self.recipes)]
            network = train_tensors(data, recipe, make_card(data, recipe, classes, seed=seed)).network
            return Moved(network, recipe, seed).eval() if recipe.moves else network

        numbers = range(first, first + count)
        networks = run_all(one, numbers, workers=self.workers, step="training surrogates", on_progress=on_progress)
        for network in networks:
            network.requires_grad_(False)
        return networks
