"""Small reference networks, built from a seed, and their files (safetensors plus JSON, nothing executable).

Every network takes float images in [0, 1], shape ``(N, C, H, W)``, of any size from 12 x 12, and returns logits
``(N, K)``. Activations follow the pooling, which gives the same function as the usual order for a quarter of the work.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from whitesquare.errors import DataError, UsageError, unknown_name
from whitesquare.jsonio import decode, encode, whole_file, write_text
from whitesquare.types import Parameter

WEIGHTS = "model.safetensors"
CARD = "model.json"
_SMALLEST = 12
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


@dataclass(frozen=True)
class ModelCard:
    """The JSON beside the weights: what the network is and how it came about.

    Attributes:
        architecture: what to build.
        classes: class names; a prediction is a position in this tuple.
        seed: seed of the training.
        recipe: the resolved training recipe, as written by ``train``.
        trained_on: SHA-256 digest of the training set.
        source: name or path of the training set, as it was opened; where ``measure`` looks for test images.
        version: version of whitesquare.
    """

    architecture: Architecture
    classes: tuple[str, ...]
    seed: int
    recipe: dict[str, Parameter]
    trained_on: str
    source: str
    version: str


@dataclass(frozen=True)
class Model:
    """A trained network and its card.

    Attributes:
        network: ready to evaluate.
        card: what it is.
        digest: SHA-256, hexadecimal, of the file of weights it was read from; empty if it was read from none.
        card_digest: the same of the file of its card.
    """

    network: nn.Module
    card: ModelCard
    digest: str = ""
    card_digest: str = ""


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


MODELS: dict[str, Callable[[Architecture], nn.Module]] = {
    "cnn": cnn,
    "cnn-pool": cnn_pool,
    "cnn-unpadded": cnn_unpadded,
    "lenet": lenet,
    "cnn-bn": cnn_bn,
    "resnet": resnet,
}


def check_architecture(a: Architecture) -> None:
    """Refuse an unknown name (nearest one named), images below 12 x 12, and a scale that is not positive.

    Raises:
        UsageError: naming what was found and expected.
    """
    if a.name not in MODELS:
        raise unknown_name("model", a.name, MODELS)
    if min(a.height, a.width) < _SMALLEST:
        raise UsageError(
            f"The models need images of at least {_SMALLEST} x {_SMALLEST} pixels; these are {a.height} x {a.width}."
        )
    if not a.scale > 0:
        raise UsageError(f"The scale of the model {a.name!r} must be above 0; got {a.scale}.")


def build(architecture: Architecture, seed: int) -> nn.Module:
    """Build an untrained network, in channels-last layout; the same seed gives the same weights.

    Raises:
        UsageError: see :func:`check_architecture`.
    """
    check_architecture(architecture)
    # PyTorch initialises from its global generator: borrow it under a lock, and give it back as it was.
    with _building, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MODELS[architecture.name](architecture)
    channels_last: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return channels_last


def restore(card: ModelCard, state: dict[str, NDArray[Any]]) -> Model:
    """Put a network together from its card and its weights."""
    network = build(card.architecture, seed=0)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return Model(network.eval(), card)


def save_model(model: Model, folder: Path) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}
    with whole_file(folder / WEIGHTS) as part:
        save_file(state, part)
    write_text(folder / CARD, encode(model.card))


def load_model(folder: Path, weights: str = WEIGHTS) -> Model:
    """Read a model folder written by :func:`save_model`.

    Args:
        folder: where the model lies.
        weights: name of the file of weights, if it was renamed; its card may be renamed with it.

    Raises:
        DataError: if a file is missing, unreadable, or does not fit the architecture.
    """
    renamed = (folder / weights).with_suffix(".json")
    paths = folder / weights, renamed if renamed.is_file() else folder / CARD
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"{folder} is not a model folder: {path.name} is missing; make one with `whitesquare train`."
            )
    said = paths[1].read_bytes()
    card = decode(ModelCard, said.decode("utf-8", errors="replace"), where=str(paths[1]))
    network = build(card.architecture, seed=0)
    content = paths[0].read_bytes()
    try:
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{paths[0]} cannot be loaded as {card.architecture.name!r}: {error}.") from error
    return Model(network.eval(), card, sha256(content).hexdigest(), sha256(said).hexdigest())
