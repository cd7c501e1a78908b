"""Whether bfloat16 is right and fast on this device: tried out once per process, not believed.

Right decides, with what the processor says of itself: that is the same on every run. A timing is not, on a machine that
others use too, so it is only told (see ``whitesquare doctor``): it would change what a seed gives.
"""

import time
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = 0.02
"""Largest distance from float32, relative: 8 bits of mantissa give 0.004 a rounding, and a pass rounds a few times."""
_TIMED = 5


@lru_cache
def bfloat16_error(device: str = "cpu") -> float:
    """Return how far convolutions and their gradients in bfloat16 lie from float32 at most, as a share of their norm.

    The shapes are those of the networks: 5 x 5, 3 x 3 with and without a step of two, 1 x 1, and a linear layer,
    channels last. It is infinite where they cannot be computed, or are no finite numbers.

    Args:
        device: ``cpu`` or ``cuda``, with or without a number.
    """
    try:
        exact, rounded = (_pass(device, half=half) for half in (False, True))
    except RuntimeError:  # what PyTorch raises where a kernel is missing or refused
        return float("inf")
    errors = [
        float((low.float() - high).norm() / high.norm()) if torch.isfinite(low).all() else float("inf")
        for high, low in zip(exact, rounded, strict=True)
    ]
    return max(errors)


def bfloat16_is_right(device: str = "cpu") -> bool:
    """Tell whether bfloat16 gives what float32 gives, up to its rounding."""
    return bfloat16_error(device) <= TOLERANCE


def bfloat16_speed(device: str = "cpu") -> float:
    """Return how many times as fast as in float32 a training step's work is, by the best of a few tries."""
    best = {}
    for half in (False, True):
        _pass(device, half=half, batch=256)
        taken = []
        for _ in range(_TIMED):
            started = time.perf_counter()
            _pass(device, half=half, batch=256)
            if device != "cpu":
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - started)
        best[half] = min(taken)
    return best[False] / best[True]


def _pass(device: str, *, half: bool, batch: int = 8) -> list[Tensor]:
    """Return the outputs of layers in a row, and the gradients of their weights.

    Without anything that bends between them: a rounding that turns a sign would look like an error.
    """
    drawn = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=drawn).to(device)

    images = random(batch, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    shapes = ((16, 1, 5, 5), (32, 16, 3, 3), (32, 32, 3, 3), (32, 32, 1, 1), (10, 32 * 14 * 14))
    weights = [(random(*shape) / shape[1:].numel() ** 0.5).requires_grad_() for shape in map(torch.Size, shapes)]
    with torch.enable_grad(), torch.autocast(torch.device(device).type, torch.bfloat16, half, cache_enabled=False):
        found = F.conv2d(images, weights[0], padding=2)
        found = F.conv2d(found, weights[1], stride=2, padding=1)
        found = F.conv2d(found, weights[2], padding=1) + F.conv2d(found, weights[3])
        out = F.linear(found.flatten(1), weights[4])
    return [out.detach(), *torch.autograd.grad(out.float().square().sum(), weights)]
