"""How a network that is none of ours is asked: what it is given, what of its answer counts, what its features are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from difflib import get_close_matches
from functools import partial
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn

from whitesquare.errors import UsageError
from whitesquare.learning.outputs import first_tensor, logits_in
from whitesquare.learning.preprocess import Preprocess

Prepare = Callable[[Tensor], Tensor]
"""From float images in [0, 1], ``(B, C, H, W)``, to what a network reads."""

Run = Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]
"""From a network and float images in [0, 1] to features, of any shape, and logits ``(B, K)``."""

AS_THEY_ARE = Preprocess()
_NAMED = 6
"""Layers that are named where one was asked for that is not there."""


class Asked(nn.Module):
    """A network with what it expects of its input, and whose answer is one tensor of logits."""

    def __init__(
        self,
        network: nn.Module,
        prepare: Prepare = AS_THEY_ARE,
        order: Sequence[int] | None = None,
        *,
        classes: int = 0,
        shares: bool = False,
    ) -> None:
        """Hold a network.

        Args:
            network: what is asked.
            prepare: what it expects of its input.
            order: which of its outputs is meant by each class; ``None`` where they go in the same order.
            classes: how many there are, by which the logits are known among several tensors; 0 where nobody knows.
            shares: whether it answers with probabilities, whose logarithms are its logits.
        """
        super().__init__()
        self.network, self.prepare, self.order = network, prepare, None if order is None else list(order)
        self.classes, self.shares = classes, shares

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits ``(B, K)`` of float images in [0, 1], ``(B, C, H, W)``."""
        logits = logits_in(self.network(self.prepare(images).to(images.dtype)), self.classes)
        logits = logits.flatten(1) if logits.ndim > 2 else logits
        logits = logits if self.order is None else logits[:, self.order]
        return logits.clamp_min(torch.finfo(logits.dtype).tiny).log() if self.shares else logits

    def changed(
        self, *, prepare: Prepare | None = None, order: Sequence[int] | None = None, shares: bool = False
    ) -> "Asked":
        """Return the same network, asked in another way; what is not said stays."""
        return Asked(
            self.network,
            prepare or self.prepare,
            self.order if order is None else order,
            classes=self.classes,
            shares=shares or self.shares,
        )


def as_vectors(features: Tensor) -> Tensor:
    """Return features ``(B, D)`` of any: places ``(B, D, H, W)`` and tokens ``(B, T, D)`` are averaged."""
    if features.ndim == 3:
        return features.mean(1)
    return features.flatten(2).mean(2) if features.ndim > 3 else features.flatten(1)


def pooled(shape: Sequence[int]) -> str:
    """Say what became of features of a shape that is none of a vector; empty where it is."""
    if len(shape) < 3:
        return ""
    what = "tokens" if len(shape) == 3 else "places"
    return f"Its features are {' x '.join(map(str, shape[1:]))}, of which the mean over {what} is taken."


@contextmanager
def catching(layer: nn.Module, catch: Callable[[Tensor], Tensor | None], *, inputs: bool = False) -> Iterator[None]:
    """Hand what a layer gives, or is given, to ``catch``, for calls of the network by this thread only.

    What ``catch`` returns takes the place of it; ``None`` leaves it as it is.

    Detectors run side by side on one network: without that, each would catch the others' batches as well.
    """
    own = get_ident()

    def hook(_: nn.Module, given: tuple[Tensor, ...], *output: Tensor) -> Tensor | None:
        return catch(given[0] if inputs else output[0]) if get_ident() == own else None

    handle = layer.register_forward_pre_hook(hook) if inputs else layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def rarest_inputs(network: nn.Module, layers: Sequence[nn.BatchNorm2d], images: Tensor) -> Tensor:
    """Return how likely the least likely input of each of some batch normalisations is ``(B, layers)``.

    Likely is the logarithm of the density of the normal distribution with the mean and variance that a layer has kept
    of its training, by channel; the least of all channels and places.
    """
    found: dict[int, Tensor] = {}

    def keep(number: int, layer: nn.BatchNorm2d, given: Tensor) -> None:
        mean, variance = (layer.get_buffer(name)[:, None, None] for name in ("running_mean", "running_var"))
        variance = variance.float() + layer.eps
        likely = -((given.float() - mean) ** 2 / variance + torch.log(2 * torch.pi * variance)) / 2
        found[number] = likely.flatten(1).amin(1)

    with ExitStack() as hooks, torch.inference_mode():
        for number, layer in enumerate(layers):
            hooks.enter_context(catching(layer, partial(keep, number, layer), inputs=True))
        network(images)
    return torch.stack([found[number] for number in sorted(found)], 1)


def at_layer(layer: nn.Module, name: str, *, inputs: bool) -> Run:
    """Return what asks a network and catches what a layer gives, or is given."""

    def run(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        caught: list[Any] = []
        with catching(layer, caught.append, inputs=inputs):
            logits = network(images)
        if not caught:
            raise UsageError(f"The layer {name!r} takes no part in the network's answer; name another layer.")
        return first_tensor(caught[0]), logits

    return run


def beside(features: Callable[[Tensor], Tensor]) -> Run:
    """Return what asks a network, and a function of the images for the features."""
    return lambda network, images: (features(images), network(images))


def still(module: nn.Module, device: str) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a copy of a network on a device, in float32 and evaluation mode, and what is to be told of that.

    Raises:
        UsageError: it cannot be copied, or not be put into evaluation mode.
    """
    module = getattr(module, "_orig_mod", module)  # of what torch.compile made, only this has layers to look into
    try:
        network: nn.Module = deepcopy(module).to(device).eval()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise UsageError(
            f"The network {type(module).__name__} cannot be copied ({error}); give one that can be, or a Classifier "
            "of your own."
        ) from error
    told = []
    if module.training:
        told.append(
            "The network was in training mode; a copy of it is asked in evaluation mode, and yours is as it was."
        )
    others = {str(one.dtype) for one in network.parameters() if one.is_floating_point() and one.dtype != torch.float32}
    if others:
        network = network.float()
        told.append(f"Its weights are {', '.join(sorted(others))}; a copy of it is asked in float32.")
    return network, tuple(told)


def layer_named(network: nn.Module, name: str) -> nn.Module:
    """Return the layer of a name, as ``named_modules`` has it.

    Raises:
        UsageError: there is none, naming the nearest one.
    """
    layers: dict[str, nn.Module] = dict(network.named_modules())
    layers.pop("", None)
    name = str(name)  # those of a Sequential are numbers
    if name in layers:
        return layers[name]
    near = get_close_matches(name, layers, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    last = ", ".join(list(layers)[-_NAMED:])
    raise UsageError(
        f"There is no layer named {name!r:.80} in the network {type(network).__name__}{hint} It has {len(layers)}, the "
        f"last of which are {last}."
    )


def head_of(network: nn.Module, classes: int) -> tuple[str, nn.Module]:
    """Return the last linear layer with an output for each class, with its name; the last at all where none has.

    Raises:
        UsageError: there is no linear layer.
    """
    found = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not found:
        raise UsageError(
            f"The network {type(network).__name__} has no linear layer whose input could be its features; name a "
            "layer (--layer), or give a function: classifier(module, classes, features=...)."
        )
    return next((one for one in reversed(found) if one[1].out_features == classes), found[-1])
