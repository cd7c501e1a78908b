"""How weights are moved: the optimisers and schedules that a recipe names."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, OneCycleLR

from whitesquare.learning.recipes import Recipe

_BIAS_RATE = 64.0
_START, _PEAK, _END = 0.2, 0.23, 0.07
"""Of the triangular schedule: the rate at the start and at the end, as parts of the highest, and when that is."""
_EVERY, _DECAY = 5, 0.95
_LEAST = 1e-12
"""Added to the length of a gradient: where there is none, no weight is moved."""


def make_optimiser(network: nn.Module, recipe: Recipe, steps: int) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """Return the optimiser of a recipe, and its schedule over a number of steps."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "adam":
        optimiser = torch.optim.Adam(network.parameters(), rate, weight_decay=decay, fused=True)
    elif recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(network.parameters(), rate, momentum=0.9, weight_decay=decay, fused=True)
    else:
        optimiser = torch.optim.SGD(
            _by_rate(network, rate, decay), rate, momentum=0.85, nesterov=True, weight_decay=decay, fused=True
        )
    if recipe.schedule == "one-cycle":
        # One step more than is taken: the scheduler is stepped once after the last update.
        return optimiser, OneCycleLR(optimiser, rate, total_steps=steps + 1)
    if recipe.schedule == "triangular":
        return optimiser, LambdaLR(optimiser, lambda step: _triangle(step / steps))
    return optimiser, ConstantLR(optimiser, factor=1.0)


def _by_rate(network: nn.Module, rate: float, decay: float) -> list[dict[str, object]]:
    """Give shifts of a normalisation a rate of their own; their decay per step is that of the others."""
    norms = {id(p) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d) for p in layer.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    return [
        {
            "params": [p for p in trained if id(p) in norms],
            "lr": rate * _BIAS_RATE,
            "weight_decay": decay / _BIAS_RATE,
        },
        {"params": [p for p in trained if id(p) not in norms]},
    ]


def _triangle(done: float) -> float:
    if done < _PEAK:
        return _START + (1 - _START) * done / _PEAK
    return 1 + (_END - 1) * (done - _PEAK) / (1 - _PEAK)


class Lookahead:
    """Weights pulled back, every few steps, to a slow average of themselves, more so towards the end.

    Source: Zhang et al. (NeurIPS 2019, arXiv:1907.08610), with the growing pull of Jordan (arXiv:2404.00498).
    """

    def __init__(self, network: nn.Module, steps: int) -> None:
        self._steps = steps
        self._now = [value for value in network.state_dict().values() if value.is_floating_point()]
        self._slow = [value.clone() for value in self._now]

    def after(self, step: int) -> None:
        """Pull the weights, after a number of steps; after the last they are the average."""
        last = step == self._steps
        if step % _EVERY and not last:
            return
        pull = 1.0 if last else _DECAY**_EVERY * (step / self._steps) ** 3
        with torch.no_grad():
            for now, slow in zip(self._now, self._slow, strict=True):
                slow.lerp_(now, 1 - pull)
                now.copy_(slow)


@contextmanager
def uphill(network: nn.Module, radius: float) -> Iterator[None]:
    """Hold the weights where the loss is larger: ``radius`` away along their gradient, which is taken from them.

    The gradient that is computed there is that of sharpness-aware minimisation (Foret et al., ICLR 2021,
    arXiv:2010.01412); the optimiser takes it from where the weights were, for there they are put back, to the bit.
    Statistics of normalisations are not learned in the meantime: they belong to the weights that are kept.
    """
    weights = [weight for weight in network.parameters() if weight.grad is not None]
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before, momenta = [weight.detach().clone() for weight in weights], [layer.momentum for layer in norms]
    with torch.no_grad():
        slopes = [weight.grad for weight in weights if weight.grad is not None]
        length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(slope) for slope in slopes]))
        for weight, slope in zip(weights, slopes, strict=True):
            weight.add_(slope * (radius / (length + _LEAST)))
            weight.grad = None
    for layer in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        with torch.no_grad():
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)
