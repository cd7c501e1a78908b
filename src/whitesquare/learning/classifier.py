"""Classifiers that are PyTorch networks: ours, and whatever ``nn.Module`` a user brings."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from whitesquare.errors import DataError
from whitesquare.learning.asked import (
    AS_THEY_ARE,
    Asked,
    Prepare,
    Run,
    as_vectors,
    at_layer,
    beside,
    catching,
    head_of,
    layer_named,
    pooled,
    rarest_inputs,
    still,
)
from whitesquare.learning.device import device_of, resolve
from whitesquare.learning.models import Model, ModelCard
from whitesquare.learning.outputs import taken_of
from whitesquare.learning.recipes import COLOUR, FEW_PASSES, WHITENED, Recipe
from whitesquare.learning.tensors import TensorData, borrowed, to_float
from whitesquare.learning.train import autocast_for, make_card, train_tensors
from whitesquare.records import Progress, silent
from whitesquare.types import FloatArray, IntArray, Slope, UInt8Array

Layer = TypeVar("Layer", bound=nn.Module)
_BATCH = 200
"""Images that a network is asked about at once: more do not fit into a processor's caches."""


@dataclass(frozen=True, eq=False)
class TorchClassifier:
    """A network in evaluation mode; see :class:`~whitesquare.types.Classifier`. :func:`classifier` makes one.

    Attributes:
        network: float images in [0, 1], ``(B, C, H, W)``, to logits ``(B, K)``.
        classes: names of the K classes.
        device: where its weights lie.
        feature_layer: what its features are.
        run: features and logits at once, of the network.
        shape: ``(C, H, W)`` of the images that it reads; ``None`` where it is not known.
        precision: of its answers; see :class:`~whitesquare.learning.recipes.Recipe`. What it returns is float32.
        told: what was done to the network so that it could be asked, a sentence each.
    """

    network: nn.Module
    classes: tuple[str, ...]
    device: str
    feature_layer: str
    run: Run
    shape: tuple[int, int, int] | None = None
    precision: str = "float32"
    told: tuple[str, ...] = ()

    def answers(self, images: UInt8Array) -> tuple[FloatArray, FloatArray]:
        """Return features ``(B, D)`` and logits ``(B, K)``, float32, of one computation.

        Raises:
            DataError: an output is not a finite number: it would count as an answer.
        """
        if not len(images):
            none = self.answers(np.zeros((1, *images.shape[1:]), np.uint8))
            return none[0][:0], none[1][:0]
        found: list[tuple[FloatArray, FloatArray]] = []
        with torch.inference_mode(), autocast_for(self.precision, torch.device(self.device).type):
            for start in range(0, len(images), _BATCH):
                features, logits = self.run(self.network, self._floats(images[start : start + _BATCH]))
                if not (torch.isfinite(logits).all() and torch.isfinite(features).all()):
                    raise DataError(
                        "The model's outputs are not finite numbers (NaN or infinity); expected a trained model, so "
                        "train it again, or scan without --model."
                    )
                found.append((as_vectors(features).float().cpu().numpy(), logits.float().cpu().numpy()))
        features_of, logits_of = zip(*found, strict=True)
        return np.concatenate(features_of), np.concatenate(logits_of)

    def logits(self, images: UInt8Array) -> FloatArray:
        """Return the logits ``(B, K)``; see :meth:`answers`."""
        return self.answers(images)[1]

    def features(self, images: UInt8Array) -> FloatArray:
        """Return the features ``(B, D)``; see :meth:`answers`."""
        return self.answers(images)[0]

    def gradients(self, pixels: FloatArray, slope: Slope, *, rough: bool = False) -> FloatArray:
        """Return the derivative of an objective by pixels; see :class:`~whitesquare.types.Differentiable`."""
        inputs = borrowed(pixels).to(self.device).contiguous(memory_format=torch.channels_last).requires_grad_()
        with autocast_for("auto" if rough else "float32", torch.device(self.device).type):
            logits = self.network(inputs).float()
        pull = torch.from_numpy(slope(logits.detach().cpu().numpy())).to(self.device)
        (found,) = torch.autograd.grad(logits, inputs, pull)
        gradient: FloatArray = found.cpu().numpy()
        return gradient

    def maps(self, images: UInt8Array) -> FloatArray | None:
        """Return what the last convolution gives, ``(B, channels, places)``; ``None`` where there is none."""
        layers = self._layers(nn.Conv2d)
        if not layers:
            return None
        caught: list[Tensor] = []
        with catching(layers[-1], caught.append), torch.inference_mode():
            self.network(self._floats(images))
        found: FloatArray = caught.pop().flatten(2).cpu().numpy()
        return found

    def channel_slopes(self, images: UInt8Array, labels: IntArray) -> tuple[FloatArray, ...]:
        """Return, for every convolution, the derivative of each image's own logit by its output: ``(B, channels)``.

        Args:
            images: ``(B, C, H, W)``; at least one.
            labels: ``(B,)``, which logit is meant.

        Returns:
            In the order in which the network names its convolutions, the mean over places, float32; empty for a network
            without one. Layers that the answer does not depend on are left out.
        """
        layers, found = self._layers(nn.Conv2d), list[dict[int, Tensor]]()
        for start in range(0, len(images), _BATCH):
            slopes: dict[int, Tensor] = {}
            inputs = self._floats(images[start : start + _BATCH]).requires_grad_()
            with ExitStack() as hooks, autocast_for(self.precision, torch.device(self.device).type):
                for number, layer in enumerate(layers):
                    hooks.enter_context(catching(layer, partial(_keep_slope, slopes, number)))
                logits = self.network(inputs).float()
            own = torch.from_numpy(labels[start : start + _BATCH].copy()).to(self.device)
            torch.autograd.grad(logits.gather(1, own[:, None]).sum(), inputs)
            found.append(slopes)
        return tuple(torch.cat([one[number] for one in found]).cpu().numpy() for number in sorted(found[0]))

    @property
    def preprocess(self) -> Prepare | None:
        """What the network expects of its input; ``None`` for one of ours, which has it inside."""
        return self.network.prepare if isinstance(self.network, Asked) else None

    def prepared(self, preprocess: Prepare) -> "TorchClassifier":
        """Return the same network, given images in another way."""
        return replace(self, network=self._asked().changed(prepare=preprocess))

    def reordered(self, order: Sequence[int], classes: tuple[str, ...]) -> "TorchClassifier":
        """Return the same network, of whose outputs ``order`` names the one for each of ``classes``."""
        return replace(self, network=self._asked().changed(order=order), classes=classes)

    def logarithmic(self) -> "TorchClassifier":
        """Return the same network, whose answers are probabilities: their logarithms are its logits."""
        return replace(self, network=self._asked().changed(shares=True))

    def notes(self, images: UInt8Array) -> tuple[str, ...]:
        """Say what was done so that the network could be asked, and what is taken of its answers to these images."""
        asked = self._asked()
        with torch.inference_mode():
            floats = self._floats(images)
            features, _ = self.run(self.network, floats)
            answer = asked.network(asked.prepare(floats).to(floats.dtype))
        return tuple(one for one in (*self.told, taken_of(answer, asked.classes), pooled(features.shape)) if one)

    def _asked(self) -> Asked:
        return self.network if isinstance(self.network, Asked) else Asked(self.network)

    @property
    def normalisations(self) -> int:
        """Number of batch normalisations in the network."""
        return len(self._layers(nn.BatchNorm2d))

    def amplified(self, images: UInt8Array, layers: int, factor: float) -> FloatArray:
        """Return the logits ``(B, K)`` of the network whose last batch normalisations have larger weights.

        Args:
            images: ``(B, C, H, W)``.
            layers: how many of them, in the order in which the network names them.
            factor: what their scales and shifts are multiplied by, which multiplies their outputs.
        """
        last = self._layers(nn.BatchNorm2d)[self.normalisations - layers :]
        with ExitStack() as hooks:
            for layer in last:
                hooks.enter_context(catching(layer, lambda output: factor * output))
            return self.logits(images)

    def likelihoods(self, images: UInt8Array) -> FloatArray:
        """Return how likely the least likely input of every batch normalisation is ``(B, layers)``; at least one image.

        See :func:`whitesquare.learning.asked.rarest_inputs`.
        """
        layers = self._layers(nn.BatchNorm2d)
        parts = [self._floats(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
        return np.concatenate([rarest_inputs(self.network, layers, part).cpu().numpy() for part in parts])

    def _layers(self, kind: type[Layer]) -> list[Layer]:
        return [module for module in self.network.modules() if isinstance(module, kind)]

    def _floats(self, images: UInt8Array) -> Tensor:
        return to_float(torch.from_numpy(np.array(images)).to(self.device))


@dataclass(frozen=True, eq=False, kw_only=True)
class OwnClassifier(TorchClassifier):
    """A network of ours, of which another can be trained by ``recipe``, which ``on_progress`` is told of.

    Attributes:
        card: what the network is, with which it can be saved.
    """

    recipe: Recipe
    on_progress: Progress = silent
    card: ModelCard | None = None

    def fit(self, images: UInt8Array, labels: IntArray, seed: int) -> "OwnClassifier":
        """Return another, trained by the same recipe; see :class:`~whitesquare.types.Fittable`.

        Raises:
            TrainingError: the training diverged.
        """
        recipe = self.recipe.for_size(len(labels), FEW_PASSES)
        data = TensorData(borrowed(images).to(self.device), torch.from_numpy(labels.copy()).to(self.device))
        card = make_card(data, recipe, self.classes, seed=seed)
        return own_classifier(train_tensors(data, recipe, card, on_progress=self.on_progress), recipe=self.recipe)


def own_classifier(model: Model, *, recipe: Recipe | None = None) -> OwnClassifier:
    """Return a trained or saved model of ours as a classifier.

    Args:
        model: the model; it computes where its weights lie.
        recipe: how others of its kind are trained; ``None`` is the reference recipe for its architecture.
    """
    network, card, a = model.network, model.card, model.card.architecture
    name, head = head_of(network, a.classes)
    return OwnClassifier(
        network=network,
        classes=card.classes,
        device=str(device_of(network)),
        feature_layer="the input of the last linear layer",
        run=at_layer(head, name, inputs=True),
        shape=(a.channels, a.height, a.width),
        # In float32 the network for colour takes longer to read the samples than to learn them for an epoch.
        precision="auto" if a.name in WHITENED else "float32",
        recipe=recipe or replace(COLOUR if a.name in WHITENED else Recipe(), model=a.name, scale=a.scale),
        card=card,
    )


def classifier(
    module: nn.Module,
    classes: tuple[str, ...],
    *,
    shape: tuple[int, int, int] | None = None,
    device: str = "auto",
    features: str | Callable[[Tensor], Tensor] | None = None,
    preprocess: Prepare = AS_THEY_ARE,
) -> TorchClassifier:
    """Let a scan or a measurement ask a network of your own.

    A copy of it is asked, in evaluation mode; yours is not changed. Of a tuple or a dict that it answers with, the
    logits are taken (see :func:`whitesquare.learning.outputs.logits_in`); of features with places or tokens, the mean.

    Args:
        module: what ``preprocess`` makes of float images in [0, 1], ``(B, C, H, W)``, to logits ``(B, K)``.
        classes: names of the K classes, in the order of the logits.
        shape: ``(C, H, W)`` of the images that it reads; ``None`` where it reads any.
        device: see :func:`whitesquare.learning.device.resolve`.
        features: the features are what the layer of that name gives, or what a function makes of float images;
            ``None`` is what the last linear layer with K outputs is given.
        preprocess: what the network expects beside float images in [0, 1], such as a
            :class:`~whitesquare.learning.preprocess.Preprocess`, or any function of a tensor.

    Raises:
        UsageError: no such layer or device, or a network without a linear layer and no ``features``.
    """
    network, told = still(module, resolve(device))
    if callable(features):
        run, layer = beside(features), f"the function {getattr(features, '__name__', 'given')!r}"
    elif features is not None:
        run, layer = (
            at_layer(layer_named(network, features), features, inputs=False),
            f"the output of layer {features!r}",
        )
    else:
        name, head = head_of(network, len(classes))
        run, layer = at_layer(head, name, inputs=True), f"the input of layer {name!r}"
    asked = Asked(network, preprocess, classes=len(classes))
    return TorchClassifier(asked, tuple(classes), str(device_of(network)), layer, run, shape, told=told)


def _keep_slope(slopes: dict[int, Tensor], number: int, output: Tensor) -> None:
    def keep(slope: Tensor) -> None:
        slopes[number] = slope.float().mean((2, 3))

    if output.requires_grad:
        output.register_hook(keep)  # type: ignore[no-untyped-call]
