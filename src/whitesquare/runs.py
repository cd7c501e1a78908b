"""Run folders: a poisoned data set other tools can read, its ground truth, the configuration, and the victims."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whitesquare.attacks import Poisoned
from whitesquare.data import write_dataset
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.folders import output_folder
from whitesquare.jsonio import decode, encode, write_text
from whitesquare.types import Gallery, ImageDataset, Parameter, PoisonManifest, Progress, VictimResult, silent

GROUND_TRUTH = "ground-truth.json"
CONFIG = "config.json"
GALLERY = "gallery.npz"
VICTIM = "victim.json"
_SHOWN = 8
_FILES = {
    "idx": (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ),
    "npz": ("train.npz", "test.npz"),
    "png-folder": ("train", "test"),
}


@dataclass(frozen=True)
class RunConfig:
    """The resolved configuration of a run: what ``poison`` was asked to do, every default written out.

    Attributes:
        source: data set, as it was named.
        attack: name of the attack, as it was asked for.
        parameters: all parameters of the attack.
        trigger: spec of the trigger in use.
        target: target class (a label).
        count: number of poisoned samples.
        seed: of the choice of samples and the crafting.
        format: how the data set is written.
    """

    source: str
    attack: str
    parameters: dict[str, Parameter]
    trigger: str
    target: int
    count: int
    seed: int
    format: str


def write_run(
    folder: Path,
    clean: ImageDataset,
    test: ImageDataset | None,
    made: Poisoned,
    config: RunConfig,
    on_progress: Progress = silent,
) -> None:
    """Write a run folder, whole or not at all.

    Args:
        folder: where; see :func:`whitesquare.folders.check_output`.
        clean: the training set before poisoning, for the pictures of the report.
        test: the clean test set; ``None`` if there is none.
        made: the poisoned training set and its ground truth.
        config: what was asked for.
        on_progress: told how far the writing is.
    """
    index = made.dataset.positions
    shown = index[:_SHOWN]
    names = (*_FILES[config.format], GROUND_TRUTH, CONFIG, GALLERY)
    with output_folder(folder, "run", names) as part:
        ids = write_dataset(part, made.dataset, test, config.format, on_progress)
        manifest = replace(made.manifest, ids=tuple(ids[int(i)] for i in index))
        np.savez(
            part / GALLERY,
            originals=clean.images(shown),
            poisons=made.dataset.images(shown),
            ids=np.array([ids[int(i)] for i in shown]),
        )
        write_text(part / GROUND_TRUTH, encode(manifest))
        write_text(part / CONFIG, encode(config))


def read_manifest(folder: Path) -> PoisonManifest | None:
    """Return the ground truth of a run folder, or ``None`` if the folder holds none."""
    path = folder / GROUND_TRUTH
    if not path.is_file():
        return None
    return decode(PoisonManifest, path.read_text(encoding="utf-8"), where=str(path))


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of a run folder."""
    path = folder / CONFIG
    if not path.is_file():
        raise DataError(f"{folder} is not a run folder: {CONFIG} is missing; make one with `whitesquare poison`.")
    return decode(RunConfig, path.read_text(encoding="utf-8"), where=str(path))


def find_run(model: Path) -> Path | None:
    """Return the run folder a model folder lies in, or ``None``."""
    parent = model.resolve().parent
    return parent if (parent / GROUND_TRUTH).is_file() else None


def read_victims(folder: Path) -> list[VictimResult]:
    """Return the measured victims in the sub-folders of a run, by seed.

    Raises:
        NothingToDoError: if there is none.
    """
    found = [
        decode(VictimResult, path.read_text(encoding="utf-8"), where=str(path))
        for path in sorted(folder.glob(f"*/{VICTIM}"))
    ]
    if not found:
        raise NothingToDoError(
            f"{folder} holds no measured victim; run `whitesquare train {folder} --seed 7 -o {folder}/victim-7` and "
            f"`whitesquare measure {folder}/victim-7` first."
        )
    return sorted(found, key=lambda victim: victim.seed)


def read_gallery(folder: Path, name: str, example: np.ndarray, triggered: np.ndarray) -> Gallery:
    """Return the pictures of a run folder beside the example image of the report.

    Raises:
        DataError: if the pictures are missing or unreadable.
    """
    path = folder / GALLERY
    try:
        with np.load(path) as arrays:
            originals, poisons = arrays["originals"], arrays["poisons"]
            ids = tuple(str(item) for item in arrays["ids"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error}); make the run again with `whitesquare poison`.") from error
    return Gallery(example, triggered, {name: originals}, {name: poisons}, {name: ids})
