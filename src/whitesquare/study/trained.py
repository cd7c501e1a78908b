"""Victims and judges, trained once: what an experiment and a bench have in common."""

from dataclasses import asdict

from whitesquare._base.cache import Arrays, Cache
from whitesquare.learning.models import Model, restore
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.tensors import TensorData
from whitesquare.learning.train import effective_precision, make_card, train_tensors

JUDGE_SEED = 1_000_003
"""Seed of the clean model that reads the poisons' content: a victim's seed, so no surrogate's."""


def trained(
    data: TensorData, recipe: Recipe, classes: tuple[str, ...], cache: Cache, *, seed: int, digest: str, source: str
) -> Model:
    """Train a model on data of that digest and source, or take it from the cache."""
    card, device = make_card(data, recipe, classes, seed=seed, digest=digest, source=source), data.images.device
    key = {"card": asdict(card), "precision": effective_precision(recipe.precision, device.type)}
    key |= {} if device.type == "cpu" else {"device": str(device)}

    def compute() -> Arrays:
        network = train_tensors(data, recipe, card).network
        return {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}

    return restore(card, cache.arrays("victims", key, compute), str(device))
