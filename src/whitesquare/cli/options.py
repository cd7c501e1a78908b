"""Options that several verbs share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli.completion import trigger_names
from whitesquare.data.layouts import CIFAR10, FOLDER, IDX, NPZ
from whitesquare.errors import require_extra


class OnError(StrEnum):
    """What to do about files that cannot be read."""

    FAIL = "fail"
    SKIP = "skip"


class Format(StrEnum):
    """How a data set is written."""

    IDX = IDX
    NPZ = NPZ
    CIFAR10 = CIFAR10
    PNG_FOLDER = FOLDER


Weights = Annotated[Path | None, typer.Option(help=".safetensors of a model that is named by how it is built.")]
PreprocessFile = Annotated[
    Path | None, typer.Option("--preprocess", help="TOML of what the model reads: mean, std, size, order, white.")
]
Layer = Annotated[
    str | None, typer.Option(help="Layer whose output its features are; default: what its last linear layer is given.")
]
DataSource = Annotated[
    str,
    typer.Argument(
        help="'mnist', a folder (IDX, npz, CIFAR, images, lists, Parquet, tar), or an .npz, CSV, Parquet or tar file."
    ),
]
OutputFolder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write; must be new, empty or our own.")]
Outputs = Annotated[
    list[str] | None, typer.Option("-o", "--output", help="table, json, or KIND=FILE (json=, html=); repeatable.")
]
MeasureOutputs = Annotated[
    list[str] | None, typer.Option("-o", "--output", help="table, json, json=FILE or mlflow[=URI]; repeatable.")
]
Size = Annotated[
    int | None,
    typer.Option(help="Sides that image files are brought to, in pixels; default: their own, or one that is told."),
]
Fit = Annotated[
    str | None, typer.Option(help="How images of another form are brought to it: stretch, crop or pad. [stretch]")
]
TARGET_HELP = "Target class: its name, or its number from 0; see `whitesquare list DATA`."
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ..., or auto: CUDA if there is any.")]
TriggerSpec = Annotated[
    str | None,
    typer.Option(
        help="For example patch:size=2,corner=br,margin=1; default: the attack's own.", autocompletion=trigger_names
    ),
]
PolicyFile = Annotated[Path | None, typer.Option(help="policy.toml: what is asked of the evidence.")]
TrustedKeys = Annotated[Path | None, typer.Option(help="Folder of trusted public keys; default: the policy's.")]
Decisions = Annotated[
    Path | None,
    typer.Option("--state", help="File that remembers the newest decision on every model; default: the user's own."),
]
Bundle = Annotated[Path, typer.Option(help="Signed statement; its manifest lies beside it.")]
TrustFolder = Annotated[Path, typer.Option("--trust", help="Folder of trusted public keys.")]
Threshold = Annotated[int, typer.Option(help="Number of different keys that must have signed.", min=1)]
Roles = Annotated[
    str | None,
    typer.Option(
        "--signatures", help="Roles that must sign, and how many keys: data=1,review=1. Default: one of them."
    ),
]


def check_device(device: str) -> None:
    """Refuse a device that is not here, before data are read for it.

    Raises:
        UsageError: there is no such device.
        MissingDependencyError: PyTorch is not installed.
    """
    if device != "cpu":
        require_extra("torch", "train", f"The device {device!r:.40}")
        from whitesquare.learning.device import resolve

        resolve(device)


def same_size(size: int | None, fit: str | None) -> str:
    """Return the options that ask for the same size of images again, to follow a command."""
    given = {"size": size, "fit": fit}
    return "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
