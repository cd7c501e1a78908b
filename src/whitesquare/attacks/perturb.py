"""Projected gradient descent on pictures, against an ensemble: the tool of the attacks that perturb content."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from whitesquare.executor import run_all
from whitesquare.learning.device import device_of
from whitesquare.learning.train import autocast_for
from whitesquare.records import Progress, silent
from whitesquare.types import UInt8Array

_CHUNK = 500


@dataclass(frozen=True)
class Box:
    """The set a perturbed picture must stay in: ``low <= x <= high`` per pixel, grey levels as float32."""

    low: Tensor
    high: Tensor

    def clamp(self, x: Tensor) -> Tensor:
        """Project pictures into the box."""
        return torch.minimum(torch.maximum(x, self.low), self.high)

    def at(self, chosen: Tensor | slice, device: torch.device | str = "cpu") -> "Box":
        """Return the box of the pictures at the positions ``chosen``, on a device."""
        return Box(self.low[chosen].to(device), self.high[chosen].to(device))


def budget_box(images: UInt8Array, epsilon: float, *, keep_sides: bool = False) -> Box:
    """Return the box of an L-inf budget, with whole grey levels as its borders, so rounding never leaves it.

    Args:
        images: originals ``(B, C, H, W)``.
        epsilon: budget as a fraction of 255.
        keep_sides: also keep every pixel on its side of half of the value range (up to 127, or from 128), so that the
            picture thresholded there is exactly the original's.
    """
    original = torch.from_numpy(images.astype(np.float32))
    low = (original - epsilon * 255).clamp(min=0).ceil()
    high = (original + epsilon * 255).clamp(max=255).floor()
    if keep_sides:
        bright = original >= 128
        low = torch.where(bright, low.clamp(min=128), low)
        high = torch.where(bright, high, high.clamp(max=127))
    return Box(low, high)


def random_start(box: Box, generator: torch.Generator) -> Tensor:
    """Draw pictures uniformly from the box."""
    return box.low + torch.rand(box.low.shape, generator=generator) * (box.high - box.low)


def away_from(logits: Tensor, target: int) -> Tensor:
    """Sum over the batch of (largest other logit - target logit): large where the picture looks wrong."""
    others = logits.index_fill(1, torch.tensor([target], device=logits.device), float("-inf"))
    return (others.amax(1) - logits[:, target]).sum()


def perturb(
    start: Tensor,
    box: Box,
    networks: Sequence[Sequence[nn.Module]],
    target: int,
    *,
    step_size: float,
    precision: str = "auto",
    workers: int = 1,
    on_progress: Progress = silent,
) -> Tensor:
    """Ascend :func:`away_from` by sign gradients (Madry et al. 2018, arXiv:1706.06083), projected into the box.

    The last three in ten steps are of 0.4 times the size, which settles pixels that jump between two borders.

    Args:
        start: pictures ``(B, C, H, W)``, grey levels as float32.
        box: where they must stay.
        networks: for every step the networks whose margins are summed, all on one device; its length is the number of
            steps.
        target: the class to look unlike.
        step_size: in grey levels.
        precision: see :class:`whitesquare.learning.recipes.Recipe`.
        workers: parts of the batch worked on at a time; the result does not depend on it.
        on_progress: told the number of finished parts.

    Returns:
        The pictures with whole grey levels, float32.
    """
    fine, device = int(len(networks) * 0.7), device_of(networks[0][0])

    def ascend(part: slice) -> Tensor:
        x, own = start[part].to(device), box.at(part, device)
        for number, chosen in enumerate(networks):
            gradient = _gradient(x, chosen, target, precision)
            x = own.clamp(x + step_size * (1.0 if number < fine else 0.4) * gradient.sign())
        return x.round().cpu()

    parts = [slice(first, first + _CHUNK) for first in range(0, len(start), _CHUNK)]
    return torch.cat(run_all(ascend, parts, workers=workers, step="perturbing", on_progress=on_progress))


def _gradient(x: Tensor, networks: Sequence[nn.Module], target: int, precision: str) -> Tensor:
    inputs = (x / 255).contiguous(memory_format=torch.channels_last).requires_grad_()
    with autocast_for(precision, x.device.type):
        logits = [network(inputs) for network in networks]
    objective = torch.stack([away_from(each.float(), target) for each in logits]).sum()
    (gradient,) = torch.autograd.grad(objective, inputs)
    return gradient
