"""Projected sign descent on pictures for any objective, and what the feature-space attacks aim at."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from whitesquare.attacks.perturb import Box
from whitesquare.attacks.surrogates import Moved
from whitesquare.errors import ContractError
from whitesquare.executor import run_all
from whitesquare.learning.device import device_of
from whitesquare.learning.tensors import to_float
from whitesquare.learning.train import autocast_for
from whitesquare.records import Progress, silent
from whitesquare.types import CraftContext, Trigger, UInt8Array

CHUNK = 500
Objective = Callable[[Tensor, slice], Tensor]
"""``objective(pictures in [0, 1], their place in the batch)``: a scalar to be made small."""


def parts(count: int) -> list[slice]:
    """Split a batch into the chunks that are worked on at a time; it depends on nothing but the count."""
    return [slice(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]


def descend(
    start: Tensor,
    box: Box,
    objective: Objective,
    *,
    steps: int,
    step_size: float,
    workers: int,
    device: str = "cpu",
    on_progress: Progress = silent,
) -> Tensor:
    """Descend an objective by sign gradients, projected into a box, chunk by chunk.

    The last three in ten steps are of 0.4 times the size, which settles pixels that jump between two borders.

    Args:
        start: pictures ``(B, C, H, W)``, grey levels as float32.
        box: where they must stay.
        objective: what to make small.
        steps: gradient steps.
        step_size: in grey levels.
        workers: chunks worked on at a time; the result does not depend on it.
        device: where the objective is computed.
        on_progress: told the number of finished chunks.

    Returns:
        The pictures with whole grey levels, float32.
    """

    def one(part: slice) -> Tensor:
        x, own = start[part].to(device), box.at(part, device)
        for number in range(steps):
            inputs = (x / 255).contiguous(memory_format=torch.channels_last).requires_grad_()
            (gradient,) = torch.autograd.grad(objective(inputs, part), inputs)
            x = own.clamp(x - step_size * (1.0 if number < 0.7 * steps else 0.4) * gradient.sign())
        return x.round().cpu()

    return torch.cat(run_all(one, parts(len(start)), workers=workers, step="perturbing", on_progress=on_progress))


def features(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the input of the network's last layer, ``(B, F)`` float32, for pictures in [0, 1].

    Raises:
        ContractError: if the network is no sequence that ends in a linear layer.
    """
    if isinstance(network, Moved):
        return features(network.network, network.move(inputs))
    if not isinstance(network, nn.Sequential) or not isinstance(network[-1], nn.Linear):
        raise ContractError(
            f"The features of a {type(network).__name__} are not known; expected an nn.Sequential that ends in "
            "nn.Linear."
        )
    with autocast_for("auto", inputs.device.type):
        for layer in (*network,)[:-1]:
            inputs = layer(inputs)
    return inputs.flatten(1).float()


def features_of(network: nn.Module, images: UInt8Array, *, workers: int) -> Tensor:
    """Return :func:`features` of uint8 images, chunk by chunk, in the memory of the processor."""

    def one(part: slice) -> Tensor:
        with torch.inference_mode():
            return features(network, to_float(torch.tensor(images[part]).to(device_of(network)))).cpu()

    found = run_all(one, parts(len(images)), workers=workers)
    # An inference tensor cannot take part in a later gradient; its clone can.
    return torch.cat(found).clone()


def stamped_sources(context: CraftContext, trigger: Trigger, count: int, draw: int) -> UInt8Array:
    """Return images of other classes with the trigger on: what the backdoor is for.

    Args:
        context: the crafting; sources come from its data set.
        trigger: the trigger in use.
        count: how many; drawn with replacement only if the data set has fewer.
        draw: number of the draw; another one gives other sources.
    """
    others = np.flatnonzero(context.dataset.labels != context.target)
    rng = np.random.default_rng([context.seed, draw])
    index = np.sort(rng.choice(others, count, replace=count > len(others)))
    return trigger(context.dataset.images(rng.permutation(index)))


def misalignment(network: nn.Module, sources: UInt8Array, target: int) -> Objective:
    """Return 1 - cosine between a batch's training gradient and that of the sources, both labelled ``target``.

    Args:
        network: the surrogate, in evaluation mode.
        sources: uint8 images the aim is averaged over, at least one.
        target: the label both carry.
    """
    network = deepcopy(network).requires_grad_(True)
    weights = tuple(network.parameters())

    def gradient(inputs: Tensor, create_graph: bool) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(network(inputs), torch.full((len(inputs),), target, device=inputs.device))
        return torch.autograd.grad(loss, weights, create_graph=create_graph)

    def of_sources(chunks: list[slice]) -> tuple[list[Tensor], Tensor]:
        total = [torch.zeros_like(each) for each in weights]
        for part in chunks:
            found = gradient(to_float(torch.tensor(sources[part]).to(device_of(network))), False)
            share = (part.stop - part.start) / len(sources)
            total = [sum_ + share * each for sum_, each in zip(total, found, strict=True)]
        return total, torch.stack([layer.square().sum() for layer in total]).sum().sqrt()

    # One task, so that its sums are made on one thread whatever the number of threads is.
    ((aim, length),) = run_all(of_sources, [parts(len(sources))], workers=1)

    def objective(inputs: Tensor, part: slice) -> Tensor:
        found = gradient(inputs, True)
        along = torch.stack([(mine * theirs).sum() for mine, theirs in zip(found, aim, strict=True)]).sum()
        own = torch.stack([layer.square().sum() for layer in found]).sum().sqrt()
        return 1 - along / (own * length).clamp(min=1e-12)

    return objective
