"""Networks of timm and torchvision, built by name without a download, for weights in a file."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from torch import nn

from whitesquare.errors import UsageError, require_extra
from whitesquare.learning.brought.types import BroughtModel, Wanted
from whitesquare.learning.brought.weights import put_into, read_state
from whitesquare.learning.preprocess import Preprocess


def bring_timm(name: str, wanted: Wanted) -> BroughtModel:
    """Build ``timm:NAME`` for the data's classes, and put the weights into it.

    Raises:
        MissingDependencyError: timm is not installed.
        UsageError: timm knows no such network, or no weights are given.
        DataError: the weights do not fit.
    """
    require_extra("timm", "timm", f"The model timm:{name}")
    import timm

    _with_weights(f"timm:{name}", wanted)
    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models(f"*{name[:4]}*") or timm.list_models())
    mean = getattr(wanted.preprocess, "mean", None)
    channels = len(mean) if isinstance(mean, tuple | list) and len(mean) > 1 else wanted.shape[0]
    build: dict[str, Any] = {"pretrained": False, "num_classes": len(wanted.classes), "in_chans": channels}
    network = _made(f"timm:{name}", lambda: timm.create_model(name, **build))
    found = _filled(network, wanted)
    preprocess = None if wanted.preprocess else _timm_preprocess(getattr(network, "pretrained_cfg", {}), channels)
    said = (f"Its images are given as timm trains it by default: {preprocess}.",) if preprocess else ()
    return BroughtModel(found.model, found.digest, preprocess=preprocess, notes=(*found.notes, *said))


def bring_torchvision(name: str, wanted: Wanted) -> BroughtModel:
    """Build ``torchvision:NAME`` for the data's classes, and put the weights into it.

    Raises:
        MissingDependencyError: torchvision is not installed.
        UsageError: torchvision knows no such network, or no weights are given.
        DataError: the weights do not fit.
    """
    require_extra("torchvision", "torchvision", f"The model torchvision:{name}")
    from torchvision import models

    _with_weights(f"torchvision:{name}", wanted)
    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, known)
    build: dict[str, Any] = {"weights": None, "num_classes": len(wanted.classes)}
    return _filled(_made(f"torchvision:{name}", lambda: models.get_model(name, **build)), wanted)


def _with_weights(name: str, wanted: Wanted) -> None:
    if wanted.weights is None:
        raise UsageError(
            f"{name} alone has learned nothing, and nothing is downloaded here; give the weights that were trained on "
            "the data: --weights w.safetensors."
        )


def _unknown(library: str, name: str, known: Sequence[str]) -> UsageError:
    near = get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"; near it: {', '.join(near)}" if near else ""
    return UsageError(f"{library} knows no network {name!r:.80}{hint}. {library}.list_models() lists all.")


def _made(name: str, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make().eval()
    except Exception as error:  # what a library raises for what it cannot build is its own affair
        raise UsageError(f"{name} cannot be built: {type(error).__name__}: {error!s:.200}.") from error


def _filled(network: nn.Module, wanted: Wanted) -> BroughtModel:
    assert wanted.weights is not None  # noqa: S101 - narrows the type: it was refused without
    state, digest = read_state(wanted.weights)
    return BroughtModel(network, digest, notes=put_into(network, state, wanted.weights))


def _timm_preprocess(said: Mapping[str, Any], channels: int) -> Preprocess | None:
    """Return what timm trains the network with by default; a size only where no other can be read."""
    mean, std = said.get("mean"), said.get("std")
    if not mean or not std or len(mean) != channels:
        return None
    size = tuple(said["input_size"][1:]) if said.get("fixed_input_size") else None
    return Preprocess(tuple(mean), tuple(std), size)
