"""Small reference networks, built from a seed, and the bounds of what is built.

Every network takes float images in [0, 1], shape ``(N, C, H, W)``, of any size from 8 x 8 (``cnn-unpadded``: from
12 x 12), and returns logits ``(N, K)``. Activations follow the pooling, which gives the same function as the usual
order for a quarter of the work.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from whitesquare.errors import UsageError, unknown_name
from whitesquare.learning.whitened import Whitened

MAX_PARAMETERS = 100_000_000
"""Largest network that is built; the reference sizes have well below a million."""
_SMALLEST, _LARGEST = 8, 8192
_UNPADDED = 12
"""Pixels of a side of which the unpadded network leaves one."""
_MAX_CHANNELS, _MAX_CLASSES, _MAX_SCALE = 16, 65_536, 64.0
_building = threading.Lock()


@dataclass(frozen=True)
class Architecture:
    """What it takes to build a network.

    Attributes:
        name: a key of :data:`MODELS`.
        channels: image channels.
        height: image height in pixels.
        width: image width in pixels.
        classes: number of classes K.
        scale: multiplies the number of channels and hidden units; 1.0 is the reference size.
    """

    name: str
    channels: int
    height: int
    width: int
    classes: int
    scale: float = 1.0

    def wide(self, size: int) -> int:
        """Scale a number of channels or units, at least 1."""
        return max(1, round(size * self.scale))


def _head(features: int, a: Architecture) -> list[nn.Module]:
    hidden = a.wide(128)
    return [nn.Flatten(), nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, a.classes)]


def _halved(size: int) -> int:
    return (size + 1) // 2


def cnn(a: Architecture) -> nn.Module:
    """Build the default simple CNN: padded 5x5 and 3x3 convolutions of stride 2, one hidden layer."""
    area = _halved(_halved(a.height)) * _halved(_halved(a.width))
    return nn.Sequential(
        nn.Conv2d(a.channels, a.wide(16), 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(a.wide(16), a.wide(32), 3, stride=2, padding=1),
        nn.ReLU(),
        *_head(a.wide(32) * area, a),
    )


def _pooled(a: Architecture, first: nn.Module, second: nn.Module, features: int, last: int = 2) -> nn.Module:
    return nn.Sequential(first, nn.MaxPool2d(2), nn.ReLU(), second, nn.MaxPool2d(last), nn.ReLU(), *_head(features, a))


def cnn_pool(a: Architecture) -> nn.Module:
    """Build the textbook CNN: two padded 5x5 convolutions, each with max-pooling, one hidden layer."""
    first = nn.Conv2d(a.channels, a.wide(16), 5, padding=2)
    second = nn.Conv2d(a.wide(16), a.wide(32), 5, padding=2)
    return _pooled(a, first, second, a.wide(32) * (a.height // 4) * (a.width // 4))


def cnn_unpadded(a: Architecture) -> nn.Module:
    """Build the blind-spot CNN: unpadded 3x3 convolutions and floor pooling (by 2, by 3) drop the edge.

    Of 28 x 28 pixels it reads the first 24 x 24: it cannot see a patch in the bottom-right corner at all.
    """
    first = nn.Conv2d(a.channels, a.wide(16), 3)
    second = nn.Conv2d(a.wide(16), a.wide(32), 3)
    area = (((a.height - 2) // 2 - 2) // 3) * (((a.width - 2) // 2 - 2) // 3)
    return _pooled(a, first, second, a.wide(32) * area, last=3)


def lenet(a: Architecture) -> nn.Module:
    """Build a padded LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling in place of its originals."""
    area = (a.height // 4) * (a.width // 4)
    return nn.Sequential(
        nn.Conv2d(a.channels, a.wide(6), 5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(a.wide(6), a.wide(16), 5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(a.wide(16) * area, a.wide(120)),
        nn.ReLU(),
        nn.Linear(a.wide(120), a.wide(84)),
        nn.ReLU(),
        nn.Linear(a.wide(84), a.classes),
    )


def cnn_bn(a: Architecture) -> nn.Module:
    """Build a padded 3x3 CNN with batch normalisation after every convolution."""
    layers: list[nn.Module] = []
    channels = a.channels
    for width, stride in ((16, 1), (32, 2), (32, 1), (64, 2)):
        layers += [
            nn.Conv2d(channels, a.wide(width), 3, stride, 1, bias=False),
            nn.BatchNorm2d(a.wide(width)),
            nn.ReLU(),
        ]
        channels = a.wide(width)
    area = _halved(_halved(a.height)) * _halved(_halved(a.width))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * area, a.classes))


class _Residual(nn.Module):
    """A pre-activation residual block of two 3x3 convolutions (He et al. 2016, arXiv:1603.05027)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch to a 1x1 projection of the input."""
        total: Tensor = self.shortcut(x) + self.branch(x)
        return total


def resnet(a: Architecture) -> nn.Module:
    """Build a small residual network: a strided stem, three blocks, global average pooling."""
    w = a.wide
    return nn.Sequential(
        nn.Conv2d(a.channels, w(16), 3, stride=2, padding=1, bias=False),
        _Residual(w(16), w(16), 1),
        _Residual(w(16), w(32), 2),
        _Residual(w(32), w(64), 2),
        nn.BatchNorm2d(w(64)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(w(64), a.classes),
    )


def whitened(a: Architecture) -> nn.Module:
    """Build the reference network for colour; see :mod:`whitesquare.learning.whitened`."""
    return Whitened(a.channels, max(a.height, a.width), a.classes, a.scale)


def patched(a: Architecture) -> nn.Module:
    """Build the same for larger images, whose patches do not overlap."""
    return Whitened(a.channels, max(a.height, a.width), a.classes, a.scale, patched=True)


MODELS: dict[str, Callable[[Architecture], nn.Module]] = {
    "cnn": cnn,
    "cnn-pool": cnn_pool,
    "cnn-unpadded": cnn_unpadded,
    "lenet": lenet,
    "cnn-bn": cnn_bn,
    "resnet": resnet,
    "whitened": whitened,
    "patched": patched,
}


def check_architecture(a: Architecture) -> None:
    """Refuse an unknown name (nearest one named), and sizes that no network here can have, before anything is built.

    Raises:
        UsageError: naming what was found and expected.
    """
    if a.name not in MODELS:
        raise unknown_name("model", a.name, MODELS)
    least = _UNPADDED if a.name == "cnn-unpadded" else _SMALLEST
    if min(a.height, a.width) < least:
        raise UsageError(
            f"The model {a.name!r} needs images of at least {least} x {least} pixels; these are {a.height} x {a.width}."
        )
    if max(a.height, a.width) > _LARGEST:
        raise UsageError(
            f"The models read images of at most {_LARGEST} x {_LARGEST} pixels; these are {a.height} x {a.width}."
        )
    for what, value, most in (("channels", a.channels, _MAX_CHANNELS), ("classes", a.classes, _MAX_CLASSES)):
        if not 1 <= value <= most:
            raise UsageError(f"The model {a.name!r} must have 1 to {most} {what}; got {value}.")
    if not a.scale > 0:
        raise UsageError(f"The scale of the model {a.name!r} must be above 0; got {a.scale}.")
    if a.scale > _MAX_SCALE:
        raise UsageError(f"The scale of the model {a.name!r} must be at most {_MAX_SCALE:g}; got {a.scale}.")


def outline(a: Architecture) -> dict[str, Tensor]:
    """Return names, shapes and types of all weights of a network, without memory for one of them.

    Raises:
        UsageError: see :func:`check_architecture`; or it would have more than :data:`MAX_PARAMETERS`.
    """
    check_architecture(a)
    try:
        with torch.device("meta"):
            state: dict[str, Tensor] = MODELS[a.name](a).state_dict()
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"The model {a.name!r} cannot be built for images of {a.height} x {a.width} pixels: {error}."
        ) from error
    if (count := sum(tensor.numel() for tensor in state.values())) > MAX_PARAMETERS:
        raise UsageError(
            f"The model {a.name!r} would have {count} weights at the scale {a.scale:g} for {a.classes} classes and "
            f"images of {a.height} x {a.width} pixels, expected at most {MAX_PARAMETERS}; choose a smaller scale or "
            "smaller images."
        )
    return state


def build(architecture: Architecture, seed: int) -> nn.Module:
    """Build an untrained network, in channels-last layout; the same seed gives the same weights.

    Raises:
        UsageError: see :func:`outline`.
    """
    outline(architecture)
    # PyTorch initialises from its global generator: borrow it under a lock, and give it back as it was.
    with _building, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MODELS[architecture.name](architecture)
    channels_last: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return channels_last
