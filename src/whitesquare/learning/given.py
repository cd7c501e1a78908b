"""A model as it is given, by path or as an object, made a classifier and held against the data it is asked about."""

from pathlib import Path

import numpy as np
from torch import nn

from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.classifier import classifier, own_classifier
from whitesquare.learning.device import resolve
from whitesquare.learning.models import Model, load_model
from whitesquare.records import WEIGHTS
from whitesquare.types import Classifier, UInt8Array

Given = str | Path | Model | Classifier | nn.Module
"""A saved model or its folder, a model of ours, any classifier, or a network."""
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")


def given_classifier(given: Given, images: UInt8Array, classes: tuple[str, ...], device: str) -> tuple[Classifier, str]:
    """Return the classifier that is meant, after it has answered one image of the data, and what weights it has.

    Args:
        given: what the user gave. A network is asked about the classes of the data.
        images: of the data, ``(B, C, H, W)``; at least one, of which two are asked.
        classes: class names of the data set. Only their number and order must fit: a form may hold no names.
        device: where to compute; a classifier that is none of ours has one already.

    Returns:
        The classifier, and the SHA-256 of its weights where they were read here; what is in memory may be anything.

    Raises:
        UsageError: a pickle, another kind of file, no model at all, or one of other classes or image size.
        DataError: a damaged model.
    """
    name = f"The model {given if isinstance(given, str | Path) else type(given).__name__}"
    digest = ""
    if isinstance(given, str | Path):
        given = _load(Path(given))
        digest = given.digest
    if isinstance(given, Model):
        found: Classifier = own_classifier(given.on(resolve(device)))
    elif isinstance(given, Classifier):
        found = given
    elif isinstance(given, nn.Module):
        found = classifier(given, classes, device=device)
    else:
        raise UsageError(
            f"{name} cannot be asked; expected a saved model, an nn.Module, or an object with classes, device, "
            "feature_layer, logits and features (see whitesquare.types.Classifier)."
        )
    _check(found, name, images[:2], classes)
    return found, digest


def _load(path: Path) -> Model:
    """Read a ``.safetensors`` file with its ``.json`` (or ``model.json``) beside it, or their folder."""
    if path.suffix.lower() in _PICKLES:
        raise UsageError(
            f"{path} is a pickle or may be one, which can run code when it is read; expected {WEIGHTS}: save the "
            "weights with safetensors.torch.save_file, or train with `whitesquare train`."
        )
    if not path.exists():
        raise UsageError(f"There is no model {path}; give {WEIGHTS} or the folder that `whitesquare train` wrote.")
    if path.is_file() and path.suffix != Path(WEIGHTS).suffix:
        raise UsageError(f"{path} is not a model: expected {WEIGHTS} with model.json beside it, or their folder.")
    return load_model(path.parent, path.name) if path.is_file() else load_model(path)


def _check(model: Classifier, name: str, images: UInt8Array, classes: tuple[str, ...]) -> None:
    """Refuse a model whose answers would be misread, or that cannot read the images."""
    size = " x ".join(map(str, images.shape[1:]))
    wanted = getattr(model, "shape", None)
    if wanted is not None and tuple(wanted) != images.shape[1:]:
        raise UsageError(
            f"{name} reads images of {' x '.join(map(str, wanted))} and these are {size}; give the model that was "
            "trained on this data set."
        )
    known = tuple(model.classes)
    if len(known) != len(classes):
        raise UsageError(
            f"{name} knows {len(known)} classes and the data set has {len(classes)}; give the model that was trained "
            "on it."
        )
    if known != classes and sorted(known) == sorted(classes):
        raise UsageError(
            f"{name} knows the classes in another order ({', '.join(known)}) than the data set ({', '.join(classes)}), "
            "so its answers would be misread; give the model that was trained on it."
        )
    try:
        logits, features = np.asarray(model.logits(images)), np.asarray(model.features(images))
    except WhitesquareError:
        raise
    except Exception as error:  # what a framework raises for images that do not fit is its own affair
        raise UsageError(
            f"{name} cannot read images of {size} ({str(error).splitlines()[0] if str(error) else type(error).__name__}"
            f"); give the model that was trained on this data set."
        ) from error
    if features.ndim != 2 or len(features) != len(images):
        raise UsageError(
            f"{name} gives features of the shape {features.shape} for {len(images)} images; expected (B, D): name "
            "another layer, see whitesquare.learning.classifier.classifier."
        )
    if logits.shape != (len(images), len(classes)):
        raise UsageError(
            f"{name} gives {' x '.join(map(str, logits.shape[1:])) or 'no'} answers for an image and the data set has "
            f"{len(classes)} classes; give the model that was trained on it."
        )
