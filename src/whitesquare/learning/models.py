"""Trained networks and their files: safetensors plus JSON, nothing executable, and bounded before they are read."""

from copy import deepcopy
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from whitesquare._base.files import whole_file, write_text
from whitesquare._base.schema import decode, encode
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.device import device_of
from whitesquare.learning.networks import MODELS, Architecture, build, check_architecture, outline
from whitesquare.learning.weights import read_small, read_weights
from whitesquare.records import CARD, WEIGHTS, Parameter

__all__ = [
    "MODELS",
    "Architecture",
    "Model",
    "ModelCard",
    "build",
    "check_architecture",
    "load_model",
    "restore",
    "save_model",
]

_MAX_CARD = 2**24
"""Bytes of a card: 65,536 class names fit."""


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

    def on(self, device: str) -> "Model":
        """Return the model on a device: itself where it lies there, else a copy."""
        if str(device_of(self.network)) == device:
            return self
        return replace(self, network=deepcopy(self.network).to(device))


def restore(card: ModelCard, state: dict[str, NDArray[Any]], device: str = "cpu") -> Model:
    """Put a network together from its card and its weights, on a device."""
    network = build(card.architecture, seed=0)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return Model(network.eval().to(device), card)


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
    said = read_small(paths[1], _MAX_CARD)
    card = _read_card(said, paths[1])
    size = sum(tensor.nbytes for tensor in outline(card.architecture).values())
    content = read_weights(paths[0], size, card.architecture.name)
    network = build(card.architecture, seed=0)
    try:
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{paths[0]} cannot be loaded as {card.architecture.name!r}: {error}.") from error
    return Model(network.eval(), card, sha256(content).hexdigest(), sha256(said).hexdigest())


def _read_card(said: bytes, path: Path) -> ModelCard:
    """Read a card, and refuse one that describes no model before anything is made of it."""
    card = decode(ModelCard, said.decode("utf-8", "replace"), where=str(path))
    try:
        outline(card.architecture)
    except UsageError as error:
        raise DataError(f"{path} describes no model that can be used: {error}") from error
    if len(card.classes) != card.architecture.classes:
        raise DataError(
            f"{path} names {len(card.classes)} classes and its network has {card.architecture.classes}; expected a "
            "name for each, so take the card that was written with the weights."
        )
    return card
