"""Which of several linear layers with an output for each class the answer of a network comes of: its input is asked."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from whitesquare.learning.asked import at_layer, catching
from whitesquare.learning.classifier import TorchClassifier
from whitesquare.learning.tensors import to_float
from whitesquare.types import UInt8Array


def at_its_head(model: TorchClassifier, images: UInt8Array) -> TorchClassifier:
    """Return a network whose features are what the head is given that its answer comes of.

    Auxiliary heads have an output for each class as well, and may be the last that the network names.

    Args:
        model: whose features are what the last linear layer with an output for each class is given.
        images: a few that it can be asked about, ``(B, C, H, W)``; where it cannot, it is returned as it is.
    """
    heads: dict[str, nn.Module] = {
        name.removeprefix("network."): module
        for name, module in model.network.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == len(model.classes)
    }
    if len(heads) < 2:  # there is nothing to choose
        return model
    try:
        name = _answering(model, heads, to_float(torch.from_numpy(np.array(images)).to(model.device)))
    except Exception:  # noqa: BLE001 - what it raises is told where it is asked for its answers
        return model
    return replace(model, run=at_layer(heads[name], name, inputs=True), feature_layer=f"the input of layer {name!r}")


def _answering(model: TorchClassifier, heads: dict[str, nn.Module], images: Tensor) -> str:
    """Name the head that gives what the network answers; the last that it asks, where something comes after all."""
    gave: dict[str, Tensor] = {}
    with ExitStack() as hooks, torch.inference_mode():
        for name, head in heads.items():
            hooks.enter_context(catching(head, partial(gave.__setitem__, name)))
        answer = model.network(images)
    same = [name for name, found in gave.items() if found.shape == answer.shape and torch.equal(found, answer)]
    return (same or list(gave))[-1]
