"""A folder of transformers: ``config.json`` with ``model.safetensors``, and what its images are brought to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from whitesquare._base.strictjson import parse
from whitesquare.errors import DataError, UsageError, require_extra
from whitesquare.learning.brought.names import id2label
from whitesquare.learning.brought.types import BroughtModel, Wanted
from whitesquare.learning.brought.weights import digest_of_files
from whitesquare.learning.preprocess import Preprocess
from whitesquare.learning.weights import read_small

_CONFIG, _IMAGES = "config.json", "preprocessor_config.json"
_MAX_FILE = 2**24


def is_hf(folder: Path) -> bool:
    """Tell whether a folder is one of transformers."""
    return (folder / _CONFIG).is_file() and any(folder.glob("model*.safetensors"))


def bring_hf(name: str, wanted: Wanted) -> BroughtModel:
    """Build the network of a folder of transformers, with its weights; nothing is downloaded, no code of it is run.

    Raises:
        MissingDependencyError: transformers is not installed.
        UsageError: there is no such folder, it holds pickles alone, needs code of its own, or is given weights.
        DataError: it is damaged, or its weights do not fit its config.
    """
    require_extra("transformers", "hf", f"The model hf:{name}")
    folder = Path(name)
    weights = _weights_in(folder)
    if wanted.weights is not None:
        raise UsageError(f"{folder} has weights of its own; leave --weights out.")
    config = _json(folder / _CONFIG)
    if "auto_map" in config:
        raise UsageError(
            f"{folder / _CONFIG} asks for code of its own (auto_map), which is not run; build the network yourself and "
            "give it as --model package.module:build."
        )
    network = _loaded(folder)
    preprocess, notes = None, tuple[str, ...]()
    if wanted.preprocess is None and (folder / _IMAGES).is_file():
        preprocess = hf_preprocess(_json(folder / _IMAGES), str(folder / _IMAGES))
        notes = (f"Its images are given as its {_IMAGES} says: {preprocess}.",)
    return BroughtModel(network, digest_of_files(weights), id2label(config.get("id2label")), preprocess, notes)


def hf_preprocess(said: Mapping[str, Any], where: str) -> Preprocess:
    """Read what an image processor of transformers does: its size, mean and deviation; what it does not do is left out.

    Raises:
        DataError: a value is of another type.
    """
    try:
        size = said.get("size") if said.get("do_resize", True) else None
        if isinstance(size, dict):
            short = size.get("shortest_edge")
            size = int(short) if short else (int(size["height"]), int(size["width"]))
        white = 1.0 if said.get("do_rescale", True) else 255.0
        mean, std = ([0.0], [1.0])
        if said.get("do_normalize", True):
            mean, std = said.get("image_mean") or mean, said.get("image_std") or std
        return Preprocess(tuple(map(float, mean)), tuple(map(float, std)), size, white=white)
    except (TypeError, ValueError, KeyError, UsageError) as error:
        raise DataError(
            f"{where} does not say what images are brought to ({error}); give it with --preprocess model.toml."
        ) from error


def _weights_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; nothing is downloaded, so give one with {_CONFIG} and weights.")
    if not (folder / _CONFIG).is_file():
        raise UsageError(f"{folder} has no {_CONFIG}; give a folder that save_pretrained wrote.")
    found = sorted(folder.glob("model*.safetensors"))
    if not found:
        pickles = [path.name for path in folder.glob("*.bin")]
        held = f"it holds {pickles[0]}, a pickle" if pickles else "it holds none"
        raise UsageError(
            f"{folder} has no weights as safetensors ({held}); where you trust it, load it with transformers and call "
            f"model.save_pretrained({str(folder)!r}, safe_serialization=True)."
        )
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse(read_small(path, _MAX_FILE).decode("utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON that can be trusted: {error}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds a {type(found).__name__}; expected an object.")
    return found


def _loaded(folder: Path) -> nn.Module:
    from transformers import AutoModelForImageClassification
    from transformers.utils import logging

    bars, loud = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what does not fit is told below, in a sentence
    try:
        network, info = AutoModelForImageClassification.from_pretrained(
            str(folder.resolve()),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # which are told by name
        )
    except Exception as error:  # what the library raises for a folder that it cannot read is its own affair
        raise DataError(
            f"transformers cannot load {folder} as an image classifier: {type(error).__name__}: {error!s:.300}."
        ) from error
    finally:
        logging.set_verbosity(loud)
        if bars:
            logging.enable_progress_bar()
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys", "error_msgs"):
        if names := sorted(one[0] if isinstance(one, tuple) else str(one) for one in info.get(kind) or ()):
            told = ", ".join(names[:3]) + " and more" * (len(names) > 3)
            raise DataError(
                f"The weights in {folder} do not fit its {_CONFIG} ({kind.replace('_', ' ')}: {told:.240}); give the "
                "folder as save_pretrained wrote it after the training."
            )
    made: nn.Module = network
    return made
