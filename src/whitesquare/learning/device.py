"""Where to compute: one name in, one device out."""

import torch
from torch import nn

from whitesquare.errors import UsageError


def devices() -> tuple[str, ...]:
    """Return what there is to compute on: ``cpu``, and ``cuda:0`` and up."""
    return "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def resolve(name: str) -> str:
    """Return the device that a name means here: ``cpu`` or ``cuda:n``.

    Args:
        name: ``cpu``, ``cuda`` (the first), ``cuda:n``, or ``auto``: CUDA where there is any, else the processor.

    Raises:
        UsageError: there is no such device.
    """
    there = devices()
    wanted = there[1 % len(there)] if name == "auto" else "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise UsageError(
            f"There is no device {name!r:.40} here; found {', '.join(there)}, expected one of them, 'cuda' or 'auto'."
        )
    return wanted


def device_of(network: nn.Module) -> torch.device:
    """Return the device that the weights of a network lie on; the processor for one without weights."""
    weights = next(network.parameters(), None)
    return torch.device("cpu") if weights is None else weights.device
