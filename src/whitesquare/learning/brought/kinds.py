"""Which way a model is kept, by its name: a prefix, a suffix, or code; a folder or file of ours is what remains."""

from pathlib import Path

from whitesquare.errors import DataError, UsageError
from whitesquare.learning.brought.code import bring_code, is_code
from whitesquare.learning.brought.hf import bring_hf, is_hf
from whitesquare.learning.brought.onnx_file import bring_onnx
from whitesquare.learning.brought.types import Bring, BroughtModel, Wanted
from whitesquare.learning.brought.weights import PICKLES, refuse_pickle
from whitesquare.learning.brought.zoo import bring_timm, bring_torchvision
from whitesquare.learning.models import load_model
from whitesquare.records import CARD, WEIGHTS

PREFIXES: dict[str, Bring] = {"timm": bring_timm, "torchvision": bring_torchvision, "hf": bring_hf}
"""By what a name begins with, before a colon, who knows the rest."""


def is_brought(name: str | Path) -> bool:
    """Tell whether a name is of another kind of model than a folder or file of ours, whether there is one or not."""
    path, prefix = Path(name), str(name).partition(":")[0]
    if path.suffix.lower() in (*PICKLES, ".onnx", ".pt2"):
        return True
    return isinstance(name, str) and ":" in name and not path.exists() and (prefix in PREFIXES or is_code(name))


def refuse_unread(path: Path) -> None:
    """Refuse a file of a kind that is never read, whether there is one or not.

    Raises:
        UsageError: it is a pickle or may be one, or a program of torch.export; with what to do.
    """
    refuse_pickle(path)
    if path.suffix.lower() == ".pt2":
        raise _exported(path)


def bring(name: str | Path, wanted: Wanted) -> BroughtModel:
    """Return the model of a name or path; see ``docs/models.md``.

    Raises:
        UsageError: there is none, it is a pickle or of another kind, or what is asked does not fit it.
        DataError: it is damaged.
        MissingDependencyError: the part that reads it is not installed.
    """
    path = Path(name)
    prefix, colon, rest = str(name).partition(":")
    if isinstance(name, str) and colon and not path.exists():
        if prefix in PREFIXES:
            return PREFIXES[prefix](rest, wanted)
        if is_code(name):
            return bring_code(name, wanted)
    refuse_unread(path)
    if not path.exists():
        prefixes = ", ".join(f"{one}:NAME" for one in PREFIXES)
        raise UsageError(
            f"There is no model {name}, and nothing is downloaded; give {WEIGHTS} or the folder that `whitesquare "
            f"train` wrote, a .onnx file, {prefixes}, or package.module:build.{_meant(name)}"
        )
    if path.suffix.lower() == ".onnx":
        return bring_onnx(str(path), wanted)
    return _ours(path, wanted)


def _ours(path: Path, wanted: Wanted) -> BroughtModel:
    """Read a ``.safetensors`` file with its ``.json`` (or ``model.json``) beside it, or their folder."""
    if path.is_dir() and is_hf(path) and not (path / CARD).is_file():
        raise UsageError(f"{path} is a folder of transformers; write hf:{path}.")
    if path.is_dir() and not ((path / CARD).is_file() or (path / WEIGHTS).is_file()):
        raise _none_in(path)
    if path.is_file() and path.suffix != Path(WEIGHTS).suffix:
        raise UsageError(f"{path} is not a model: expected {WEIGHTS} with {CARD} beside it, their folder, or .onnx.")
    folder = path if path.is_dir() else path.parent
    if path.is_file() and not any(one.is_file() for one in (path.with_suffix(".json"), folder / CARD)):
        raise UsageError(
            f"{path} holds weights, and nothing beside it says of which network; name it: --model timm:NAME or "
            f"--model package.module:build, with --weights {path}."
        )
    if wanted.weights is not None or wanted.preprocess is not None or wanted.layer is not None:
        raise UsageError(
            f"{path} is a model of `whitesquare train`, which has its weights, its preprocess and its layer; leave "
            "--weights, --preprocess and --layer out."
        )
    model = load_model(folder) if path.is_dir() else load_model(folder, path.name)
    return BroughtModel(model, model.digest)


def _meant(name: str | Path) -> str:
    """Say how the code in a file is named, where the name of one was given."""
    file, _, build = str(name).partition(":")
    path = Path(file)
    if path.suffix != ".py" and build:
        path = path.with_name(f"{path.name}.py")
    if not path.is_file() or path.suffix != ".py":
        return ""
    return f" {path} is code: in its folder, give --model {path.stem}:{build or 'build'}."


def _none_in(folder: Path) -> DataError:
    """Say what a folder without a model of ours holds instead, and what to give."""
    held = sorted(one.name for one in folder.iterdir() if one.suffix.lower() in (".onnx", ".safetensors", *PICKLES))
    what = f"it holds {', '.join(held[:3])}" if held else f"it has neither {WEIGHTS} nor {CARD}"
    if (folder / "config.json").is_file():
        way = f"as a folder of transformers it is named hf:{folder}, and needs its weights as {WEIGHTS}"
    elif held:
        way = f"give the file, as --model or, with the code of its network, as --weights: {folder / held[0]}"
    else:
        way = "make one with `whitesquare train`, or name another"
    return DataError(f"{folder} is not a model folder: {what}; {way}.")


def _exported(path: Path) -> UsageError:
    return UsageError(
        f"{path} is a program of torch.export, and reading one can run what it holds: torch.export.load falls back to "
        "unpickling, and evaluates the text of its shapes and guards. Where you trust it, give its weights: save "
        "torch.export.load(PATH).state_dict with safetensors.torch.save_file and name the code of the network, --model "
        "package.module:build --weights w.safetensors; or write it as ONNX: torch.onnx.export(PROGRAM, f='m.onnx')."
    )
