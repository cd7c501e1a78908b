"""A trained network as the scan uses it: logits and penultimate activations, streamed in batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident

import numpy as np
import torch
from torch import Tensor, nn

from whitesquare.errors import DataError
from whitesquare.learning.models import Model
from whitesquare.learning.train import to_float
from whitesquare.records import Progress, silent
from whitesquare.types import FloatArray, UInt8Array

_BATCH = 1000


def last_linear(network: nn.Module) -> nn.Linear:
    """Return the layer whose input is the penultimate activation.

    Raises:
        DataError: if the network has no linear layer.
    """
    found = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not found:
        raise DataError("The network has no linear layer, so it has no penultimate activations to scan.")
    return found[-1]


@contextmanager
def catching(layer: nn.Module, catch: Callable[[Tensor], None], *, inputs: bool = False) -> Iterator[None]:
    """Hand what a layer gives, or is given, to ``catch``, for calls of the network by this thread only.

    Detectors run side by side on one network: without that, each would catch the others' batches as well.
    """
    own = get_ident()

    def hook(_: nn.Module, given: tuple[Tensor, ...], *output: Tensor) -> None:
        if get_ident() == own:
            catch(given[0] if inputs else output[0])

    handle = layer.register_forward_pre_hook(hook) if inputs else layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@dataclass(frozen=True)
class ScanModel:
    """A network in evaluation mode with what the detectors ask of it.

    Attributes:
        model: the network and its card.
        head: its last linear layer.
    """

    model: Model
    head: nn.Linear = field(init=False)

    def __post_init__(self) -> None:
        """Find the last linear layer."""
        object.__setattr__(self, "head", last_linear(self.model.network))

    @property
    def network(self) -> nn.Module:
        """The network: float images in [0, 1], ``(B, C, H, W)``, to logits ``(B, K)``."""
        return self.model.network

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return penultimate activations ``(B, D)`` and logits ``(B, K)`` of float images; differentiable."""
        caught: list[Tensor] = []
        with catching(self.head, caught.append, inputs=True):
            logits = self.network(images)
        return caught[0], logits

    def batches(self, images: UInt8Array) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Yield position, penultimate activations and logits, batch by batch, without gradients.

        Raises:
            DataError: an output is not a finite number: it would count as an answer.
        """
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                part = slice(start, min(start + _BATCH, len(images)))
                activations, logits = self.run(to_float(torch.from_numpy(np.array(images[part]))))
                if not (torch.isfinite(logits).all() and torch.isfinite(activations).all()):
                    raise DataError(
                        "The model's outputs are not finite numbers (NaN or infinity); expected a trained model, so "
                        "train it again, or scan without --model."
                    )
                yield part, activations.flatten(1).numpy(), logits.numpy()

    def logits(self, images: UInt8Array) -> FloatArray:
        """Return the logits ``(N, K)``, float32, of uint8 images ``(N, C, H, W)``."""
        found = [logits for _, _, logits in self.batches(images)]
        return np.concatenate(found) if found else np.empty((0, len(self.model.card.classes)), np.float32)

    def evaluate(
        self, images: UInt8Array, folder: Path, on_progress: Progress = silent
    ) -> tuple[FloatArray, FloatArray]:
        """Return features ``(N, D)`` in a memory-mapped file below ``folder``, and logits ``(N, K)``.

        Raises:
            DataError: if an output is not a finite number.
        """
        size, classes = len(images), len(self.model.card.classes)
        features = np.lib.format.open_memmap(
            folder / "features.npy", mode="w+", dtype=np.float32, shape=(size, self.head.in_features)
        )
        logits = np.empty((size, classes), np.float32)
        for part, activations, outputs in self.batches(images):
            features[part], logits[part] = activations, outputs
            on_progress("reading features", part.stop, size)
        return features, logits
