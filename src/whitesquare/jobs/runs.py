"""Run folders: a poisoned data set other tools can read, its ground truth, the configuration, and the victims."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare._base.cache import Cache, default_cache
from whitesquare._base.files import write_text
from whitesquare._base.folders import check_output, output_folder
from whitesquare._base.schema import decode, encode
from whitesquare.attacks import Poisoned, attack_parameters, check_amount, make_attack, poison
from whitesquare.data import ENTRIES, format_of, has_test, held, notes, open_dataset, write_dataset
from whitesquare.data.apart import check_apart
from whitesquare.data.cache_size import usual_size
from whitesquare.data.classes import class_label
from whitesquare.data.gallery import SHOWN, example_position, write_gallery
from whitesquare.data.layouts import FOLDER, NPZ, TABLE, full_name, place_of
from whitesquare.data.sized import is_resized
from whitesquare.data.writing import check_format
from whitesquare.errors import DataError, UsageError
from whitesquare.records import OnNote, Parameter, PoisonManifest, Progress, silent, unheard
from whitesquare.triggers import parse_trigger
from whitesquare.types import Gallery, ImageDataset

GROUND_TRUTH = "ground-truth.json"
CONFIG = "config.json"
GALLERY = "gallery.npz"


@dataclass(frozen=True)
class RunConfig:
    """The resolved configuration of a run: what ``poison`` was asked to do, every default written out.

    Attributes:
        source: name or path of the clean data set.
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


def make_run(
    source: str,
    folder: Path,
    *,
    attack: str,
    settings: dict[str, Any],
    trigger: str | None = None,
    target: int | str,
    rate: float | None = None,
    count: int | None = None,
    seed: int,
    device: str = "cpu",
    fmt: str | None = None,
    size: int | None = None,
    fit: str | None = None,
    cache: Cache | None = None,
    on_note: OnNote = unheard,
    on_progress: Progress = silent,
) -> PoisonManifest:
    """Poison a data set and write a run folder, whole or not at all.

    Args:
        source: data set, as :func:`whitesquare.data.open_dataset` takes it.
        folder: where; see :func:`whitesquare._base.folders.check_output`.
        attack: name of the attack.
        settings: parameters of the attack that differ from its defaults.
        trigger: spec of the trigger in use; ``None`` is the attack's own.
        target: target class, a label or a name; see :func:`whitesquare.data.classes.class_label`.
        rate: poisoned / whole training set; or give ``count``.
        count: number of samples.
        seed: of the choice of samples and the crafting.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        fmt: one of :data:`whitesquare.data.FORMATS`; ``None`` is the form of the source: class folders for tables, and
            npz where the source's cannot hold what is written.
        size: both sides that image files are brought to; see :func:`whitesquare.data.open_dataset`.
        fit: how; likewise.
        cache: where crafted content is kept; default: the user's cache.
        on_note: told what was done to the images so that they could be read as one data set.
        on_progress: told how far each step is.

    Returns:
        The ground truth, with the ids of the written data set.
    """
    check_output(folder)
    check_apart(source, folder)
    check_amount(rate, count)
    given = {} if trigger is None else {"trigger": parse_trigger(trigger)}
    chosen = make_attack(attack, settings | given)
    opened = open_dataset(source, size=size, fit=fit)
    clean = held(opened, on_progress, cache=usual_size(), on_note=on_note)
    target = class_label(target, clean.classes)
    beside = open_dataset(source, "test", size=size, fit=fit) if has_test(source) else None
    test = None if beside is None else held(beside, cache=usual_size())
    for note in (*notes(clean), *_poisoned_before(source)):
        on_note(note)
    if is_resized(opened):
        on_note(f"What is written are images of {clean.shape[2]}x{clean.shape[1]} pixels, not those of the files.")
    fmt = _format(source, folder, fmt, [clean] if test is None else [clean, test])
    made = poison(
        clean,
        chosen,
        target=target,
        rate=rate,
        count=count,
        seed=seed,
        cache=cache or default_cache(),
        device=device,
        on_progress=on_progress,
    )
    known = full_name(source)
    parameters = attack_parameters(chosen)
    config = RunConfig(known, attack, parameters, made.manifest.trigger, target, made.manifest.count, seed, fmt)
    with output_folder(folder, "run", [*ENTRIES[fmt], GROUND_TRUTH, CONFIG, GALLERY]) as part:
        ids = write_dataset(part, made.dataset, test, fmt, on_progress)
        manifest = replace(made.manifest, ids=tuple(ids[int(i)] for i in made.dataset.positions))
        write_gallery(part / GALLERY, _gallery(attack, clean, test or clean, made, manifest))
        write_text(part / GROUND_TRUTH, encode(manifest))
        write_text(part / CONFIG, encode(config))
    return manifest


def _poisoned_before(source: str) -> tuple[str, ...]:
    """Say of a run that its own poisons count as clean in what is made of it."""
    place = place_of(source)
    try:
        before = read_manifest(place) if place is not None else None
    except DataError:  # a file of that name which is none of ours
        before = None
    if before is None:
        return ()
    what = f"{before.count:,} samples by {before.attack!r}"
    return (
        f"{source} is poisoned already ({what}); the new ground truth names those of this attack alone, and whatever "
        f"is measured by it counts the {before.count:,} as clean.",
    )


def _format(source: str, folder: Path, asked: str | None, splits: Sequence[ImageDataset]) -> str:
    """Choose how to write, before the crafting, which may take hours.

    Raises:
        UsageError: what was asked for is unknown, or cannot hold the images.
    """
    own = format_of(source)
    fmt = asked or (FOLDER if own == TABLE else own)
    try:
        for one in splits:
            check_format(folder, one, fmt)
    except UsageError:
        if asked is not None:
            raise
        return NPZ
    return fmt


def _gallery(name: str, clean: ImageDataset, test: ImageDataset, made: Poisoned, manifest: PoisonManifest) -> Gallery:
    shown = made.dataset.positions[:SHOWN]
    example = test.images(np.array([example_position(test.labels, manifest.target)]))
    return Gallery(
        example=example[0],
        triggered=parse_trigger(manifest.trigger)(example)[0],
        originals={name: clean.images(shown)},
        poisons={name: made.dataset.images(shown)},
        poison_ids={name: manifest.ids[: len(shown)]},
    )


def read_manifest(folder: Path) -> PoisonManifest | None:
    """Return the ground truth of a run folder, or ``None`` if the folder holds none."""
    path = folder / GROUND_TRUTH
    return read_truth(path) if path.is_file() else None


def read_truth(path: Path) -> PoisonManifest:
    """Read the ground truth of a poisoned data set.

    Raises:
        DataError: the file cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a ground truth: {error}; `poison` writes {GROUND_TRUTH}.") from error
    return decode(PoisonManifest, text, where=str(path))


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of a run folder.

    Raises:
        DataError: if there is none, or it is damaged.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise DataError(f"{folder} is not a run folder: {CONFIG} is missing; make one with `whitesquare poison`.")
    return decode(RunConfig, path.read_text(encoding="utf-8"), where=str(path))


def find_run(model: Path) -> Path | None:
    """Return the run folder a model folder lies in, or ``None``."""
    parent = model.resolve().parent
    return parent if (parent / GROUND_TRUTH).is_file() else None
