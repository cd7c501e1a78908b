"""What a model is brought for, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from whitesquare.learning.asked import Prepare
from whitesquare.learning.models import Model
from whitesquare.types import Classifier


@dataclass(frozen=True)
class Wanted:
    """What a model is to be asked about, and what the user says of it.

    Attributes:
        classes: names of the K classes of the data.
        shape: ``(C, H, W)`` of their images.
        weights: file of weights; ``None`` where none was named.
        preprocess: what the model expects of its input; ``None`` where nothing was said.
        layer: whose output the features are; ``None`` for what the last linear layer is given.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    weights: Path | None = None
    preprocess: Prepare | None = None
    layer: str | None = None


@dataclass(frozen=True)
class BroughtModel:
    """A model, and what was found beside it.

    Attributes:
        model: one of ours, a network, or a classifier.
        digest: SHA-256, hexadecimal, of the files of weights that were read; empty if none were.
        classes: names of its classes in the order of its outputs; empty where nobody says.
        preprocess: what it expects of its input, by its own files; ``None`` where they do not say.
        notes: what is to be told, a sentence each.
    """

    model: Model | nn.Module | Classifier
    digest: str = ""
    classes: tuple[str, ...] = ()
    preprocess: Prepare | None = None
    notes: tuple[str, ...] = ()


Bring = Callable[[str, Wanted], BroughtModel]
"""From what follows the prefix, or a path, to a model; refuses with an error of :mod:`whitesquare.errors`."""
