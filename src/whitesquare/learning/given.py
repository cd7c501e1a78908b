"""A model as it is given, by name or as an object, made a classifier and held against the data it is asked about."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from whitesquare.data.pixels import Pixels
from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.asked import AS_THEY_ARE
from whitesquare.learning.asking import Asking
from whitesquare.learning.brought.kinds import bring
from whitesquare.learning.brought.names import names_of, output_order
from whitesquare.learning.brought.types import BroughtModel, Wanted
from whitesquare.learning.classifier import classifier, own_classifier
from whitesquare.learning.device import resolve
from whitesquare.learning.heads import at_its_head
from whitesquare.learning.look import Prepared
from whitesquare.learning.models import Model
from whitesquare.learning.preprocess import Preprocess, as_preprocess
from whitesquare.learning.tensors import to_float
from whitesquare.records import OnNote, unheard
from whitesquare.types import Classifier, UInt8Array

Given = str | Path | Model | Classifier | nn.Module | Asking
"""A saved model or its folder, a name of one, a model of ours, any classifier, or a network; or one with what is said
of it."""


_RESTLESS = 0.01
"""Of the range of its answers, by which those to the same image may differ: rounding is far less."""

_ROUNDED = 1e-3
"""By which what adds up to 1 may differ from it."""
_SHARES = "Its answers are probabilities, as after a softmax"


@runtime_checkable
class Reordered(Protocol):
    """What a classifier has in addition if its outputs can be taken in another order."""

    def reordered(self, order: Sequence[int], classes: tuple[str, ...]) -> Classifier:
        """Return the same model, of whose outputs ``order`` names the one for each of ``classes``."""


@runtime_checkable
class Logarithmic(Protocol):
    """What a classifier has in addition if logarithms of its answers can be taken."""

    def logarithmic(self) -> Classifier:
        """Return the same model, whose answers are probabilities: their logarithms are its logits."""


@runtime_checkable
class Tells(Protocol):
    """What a classifier has in addition if something had to be done so that it could be asked."""

    def notes(self, images: UInt8Array) -> tuple[str, ...]:
        """Say what, and what is taken of its answers to these images, a sentence each."""


def given_classifier(
    given: Given, images: Pixels, classes: tuple[str, ...], device: str, *, on_note: OnNote = unheard
) -> tuple[Classifier, str]:
    """Return the classifier that is meant, after it has answered one image of the data, and what weights it has.

    Args:
        given: what the user gave. A network that names no classes is asked about those of the data.
        images: of the data, ``(B, C, H, W)``; at least one, of which two are asked.
        classes: class names of the data set. Outputs count for the class of their name, or in the order of the data's
            where a model has other names or none.
        device: where to compute; a classifier that is none of ours has one already.
        on_note: told what was done so that the model could be asked, and what of its answers is taken.

    Returns:
        The classifier, and the SHA-256 of its weights where they were read here; what is in memory may be anything.

    Raises:
        UsageError: a pickle, another kind of file, no model at all, or one of other classes or image size.
        DataError: a damaged model.
    """
    asking = given if isinstance(given, Asking) else Asking(given)
    model = asking.model
    name = f"The model {model if isinstance(model, str | Path) else type(model).__name__}"
    brought = _brought(asking, images, classes, name)
    if len(brought.classes) not in (0, len(classes)):
        raise _other_number(name, len(brought.classes), len(classes))
    found = _asked(asking, brought, images[:2], classes, device, name)
    _check_prepared(found, images[:2], name)
    found, said = _check(found, name, images[:2], classes)
    for note in (*brought.notes, *(found.notes(images[:2]) if isinstance(found, Tells) else ()), *said):
        on_note(note)
    return found, brought.digest


def _brought(asking: Asking, images: Pixels, classes: tuple[str, ...], name: str) -> BroughtModel:
    """Read a model that is named, and take one that is held as it is."""
    model = asking.model
    said = asking.preprocess
    preprocess = as_preprocess(said)
    if isinstance(model, str | Path):
        weights = None if asking.weights is None else Path(asking.weights)
        _, channels, height, width = images.shape
        found = bring(model, Wanted(classes, (channels, height, width), weights, preprocess, asking.layer))
        return replace(found, preprocess=preprocess or found.preprocess)
    if asking.weights is not None:
        raise UsageError(f"{name} is held in memory, with its weights; load them into it, and leave weights out.")
    known = names_of(model) if isinstance(model, nn.Module) else ()
    if isinstance(model, nn.Module | Model | Classifier):
        return BroughtModel(model, classes=known, preprocess=preprocess)
    raise UsageError(
        f"{name} cannot be asked; expected a saved model, an nn.Module, or an object with classes, device, "
        "feature_layer, logits and features (see whitesquare.types.Classifier)."
    )


def _asked(
    asking: Asking, brought: BroughtModel, images: UInt8Array, classes: tuple[str, ...], device: str, name: str
) -> Classifier:
    """Make a classifier of a model."""
    model = brought.model
    if isinstance(model, nn.Module) and not isinstance(model, Classifier):
        prepare = brought.preprocess or AS_THEY_ARE
        made = classifier(model, brought.classes or classes, device=device, features=asking.layer, preprocess=prepare)
        return made if asking.layer is not None else at_its_head(made, images)
    if not isinstance(asking.model, str | Path) and not asking.bare:
        raise UsageError(
            f"{name} has its preprocess and its layer; leave them out, or give the network alone, as an nn.Module."
        )
    return own_classifier(model.on(resolve(device))) if isinstance(model, Model) else model


def _check_prepared(model: Classifier, images: UInt8Array, name: str) -> None:
    """Refuse a preprocess that gives no numbers: the network's answers would be none either."""
    if not isinstance(model, Prepared) or model.preprocess is None:
        return
    try:
        made = model.preprocess(to_float(torch.from_numpy(np.array(images))))
    except Exception as error:  # what a function of the user raises is its own affair
        raise UsageError(
            f"The preprocess of {name[0].lower()}{name[1:]} fails for images of {_size(images)}: {_first(error)}."
        ) from error
    if not torch.is_tensor(made) or len(made) != len(images) or not bool(torch.isfinite(made).all()):
        what = f"{'NaN or infinity' if torch.is_tensor(made) and len(made) == len(images) else 'no tensor of them'}"
        raise UsageError(
            f"The preprocess of {name[0].lower()}{name[1:]} gives {what} for images of {_size(images)} in [0, 1]; "
            "expected finite numbers (B, C, H, W), so check that nothing is divided by zero."
        )


def _check(
    model: Classifier, name: str, images: UInt8Array, classes: tuple[str, ...]
) -> tuple[Classifier, tuple[str, ...]]:
    """Return the model with its outputs in the order of the classes, and what is to be told of them.

    Refuse one whose answers would be misread, or that cannot read the images.
    """
    wanted = getattr(model, "shape", None)
    if wanted is not None and tuple(wanted) != images.shape[1:]:
        raise UsageError(
            f"{name} reads images of {' x '.join(map(str, wanted))} and these are {_size(images)}; give the model that "
            "was trained on this data set."
        )
    known = tuple(model.classes)
    if len(known) != len(classes):
        raise _other_number(name, len(known), len(classes))
    shares = _check_answers(model, name, images, classes)
    told = (f"{_SHARES}; logits were expected, so detectors that weigh them see less.",) * shares
    if shares and isinstance(model, Logarithmic):
        model, told = model.logarithmic(), (f"{_SHARES}; their logarithms are taken for logits.",)
    order, said = output_order(known, classes, name)
    if order is None:
        return model, (*told, *(said,) * bool(said))
    if not isinstance(model, Reordered):
        raise UsageError(
            f"{name} knows the classes in another order ({', '.join(known)}) than the data set ({', '.join(classes)}), "
            "so its answers would be misread; give the model that was trained on it."
        )
    return model.reordered(order, classes), (*told, said)


def _check_answers(model: Classifier, name: str, images: UInt8Array, classes: tuple[str, ...]) -> bool:
    """Refuse answers of another shape, and others each time; tell whether they are probabilities."""
    try:
        logits, features = np.asarray(model.logits(images)), np.asarray(model.features(images))
        again = np.asarray(model.logits(images))
    except WhitesquareError:
        raise
    except Exception as error:  # what a framework raises for images that do not fit is its own affair
        hint = ", or say with preprocess which size and channels it reads" if _takes_any(model) else ""
        raise UsageError(
            f"{name} cannot read images of {_size(images)} ({_first(error)}); give the model that was trained on this "
            f"data set{hint}."
        ) from error
    if features.ndim != 2 or len(features) != len(images):
        raise UsageError(
            f"{name} gives features of the shape {features.shape} for {len(images)} images; expected (B, D): name "
            "another layer, see whitesquare.learning.classifier.classifier."
        )
    if logits.shape[:1] != (len(images),):
        raise UsageError(
            f"{name} gives answers of the shape {logits.shape} for {len(images)} images; expected (B, K), a row for "
            "each image, so give a model that answers for each image by itself."
        )
    if logits.shape != (len(images), len(classes)):
        raise UsageError(
            f"{name} gives {' x '.join(map(str, logits.shape[1:])) or 'no'} answers for an image and the data set has "
            f"{len(classes)} classes; give the model that was trained on it."
        )
    # What is no number is refused where the samples are read, with what that means.
    finite = bool(np.isfinite(logits).all() and np.isfinite(again).all())
    if finite and np.abs(again - logits).max(initial=0) > _RESTLESS * np.ptp(logits):
        raise UsageError(
            f"{name} answers otherwise when it is asked about the same images again, as with dropout or noise that "
            "stays on; expected the same answer every time, so switch that off where the model is not in training."
        )
    sums = logits.astype(np.float64).sum(1)
    return finite and bool(logits.min() >= 0 and (np.abs(sums - 1) < _ROUNDED).all())


def _takes_any(model: Classifier) -> bool:
    return isinstance(model, Prepared) and isinstance(model.preprocess, Preprocess)


def _other_number(name: str, known: int, classes: int) -> UsageError:
    return UsageError(
        f"{name} knows {known} classes and the data set has {classes}; give the model that was trained on it."
    )


def _size(images: UInt8Array) -> str:
    return " x ".join(map(str, images.shape[1:]))


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
