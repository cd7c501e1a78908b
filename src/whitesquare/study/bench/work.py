"""What a worker does: craft the poisons of one setting, or train and measure the victim of one cell.

Both are pure functions of their job and the shared arrays, so it does not matter where, how often or beside what they
run. The clean data set is read in place; poisons lie over it.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from whitesquare._base.cache import Cache
from whitesquare.attacks import Poisoned, make_attack, poison
from whitesquare.data import ArrayDataset, from_arrays
from whitesquare.executor import Shared
from whitesquare.learning.measure import label_consistency, measure, prepare
from whitesquare.learning.models import Model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.tensors import TensorData, borrowed, overlaid, to_tensors
from whitesquare.records import Estimate, PoisonManifest, VictimResult
from whitesquare.study.bench.types import OPACITY, Cell, PoisonFacts
from whitesquare.study.trained import JUDGE_SEED, trained
from whitesquare.triggers import parse_trigger
from whitesquare.types import Attack, IntArray, UInt8Array


@dataclass(frozen=True)
class CraftJob:
    """The poisons of one setting, for every strength of trigger they are stamped with.

    Attributes:
        cell: any cell of the setting.
        opacities: every ``training_opacity`` of its cells; ``(None,)`` for an attack that has no such parameter.
        classes: class names of the data set.
        cache: folder where crafted content is kept between runs; ``None`` keeps nothing.
    """

    cell: Cell
    opacities: tuple[float | None, ...]
    classes: tuple[str, ...]
    cache: Path | None


@dataclass(frozen=True, eq=False)
class Crafted:
    """The poisons of one setting.

    Attributes:
        positions: ``(B,)`` in the training set.
        content: ``(B, C, H, W)`` uint8, before the trigger.
        labels: ``(B,)`` labels they carry.
        facts: one per opacity of the job, in its order.
    """

    positions: IntArray
    content: UInt8Array
    labels: IntArray
    facts: tuple[PoisonFacts, ...]


@dataclass(frozen=True)
class TrainJob:
    """One victim to train and measure.

    Attributes:
        cell: what.
        classes: class names of the data set.
        trained_on: digest of the victim's training set.
        trigger: spec of the trigger in use.
        training_trigger: spec of the trigger on the poisons; empty for the baseline.
        cache: folder where clean victims are kept, which every trigger and target asks; ``None`` keeps nothing.
    """

    cell: Cell
    classes: tuple[str, ...]
    trained_on: str
    trigger: str
    training_trigger: str
    cache: Path | None


@dataclass(frozen=True)
class Trained:
    """One victim, measured, and the processor seconds that took: what else the machine does is not in them."""

    victim: VictimResult
    seconds: float


def data_name(digest: str, part: str) -> str:
    """Name a shared array of a data set: ``train`` or ``test``, and ``.labels`` or ``.ids`` of it."""
    return f"{digest} {part}"


def poison_name(key: str, part: str) -> str:
    """Name a shared array of crafted poisons: ``positions``, ``content`` or ``labels``."""
    return f"{key} {part}"


def craft(job: CraftJob, shared: Shared) -> Crafted:
    """Craft once, then stamp, check and describe for each opacity."""
    cell = job.cell
    clean = shared_dataset(shared, cell.digest, "train", job.classes)
    with _cache(job.cache) as cache:
        start = time.perf_counter()
        first = _poison(clean, cell, job.opacities[0], cache)
        seconds = None if "poison" in cache.hits else round(time.perf_counter() - start, 3)
        others = [_poison(clean, cell, opacity, cache) for opacity in job.opacities[1:]]
        labels = first.dataset.new_labels
        readable = label_consistency(_judge(clean, cell, cache), first.content, labels)
    facts = tuple(_facts(made.manifest, readable, seconds) for made in (first, *others))
    return Crafted(first.dataset.positions, first.content, labels, facts)


def train_cell(job: TrainJob, shared: Shared) -> Trained:
    """Train and measure one victim."""
    start = time.thread_time()
    cell = job.cell
    data = TensorData(
        borrowed(shared[data_name(cell.digest, "train")]),
        torch.from_numpy(np.array(shared[data_name(cell.digest, "train.labels")])),
    )
    data = TensorData(data.images.to(cell.device), data.labels.to(cell.device))
    if cell.poisoned:
        positions, content, labels = (
            shared[poison_name(cell.poison_key, part)] for part in ("positions", "content", "labels")
        )
        data = overlaid(data, positions, parse_trigger(job.training_trigger)(content), labels)
    kept = Cache(None if cell.poisoned else job.cache)
    model = trained(
        data, cell.recipe, job.classes, kept, seed=cell.victim_seed, digest=job.trained_on, source=cell.data
    )
    test = shared_dataset(shared, cell.digest, "test", job.classes)
    victim = measure(model, prepare(test, parse_trigger(job.trigger), cell.target))
    return Trained(victim, round(time.thread_time() - start, 3))


def _attack(cell: Cell) -> Attack:
    return make_attack(cell.attack, {**cell.parameters, "trigger": parse_trigger(cell.trigger)})


def shared_dataset(shared: Shared, digest: str, split: str, classes: tuple[str, ...]) -> ArrayDataset:
    """Return a split of a data set, over the shared arrays."""
    pixels, labels, ids = (shared[data_name(digest, f"{split}{part}")] for part in ("", ".labels", ".ids"))
    return from_arrays(pixels, labels, classes=classes, ids=ids.tolist(), split=split, where=split, layout="NCHW")


@contextmanager
def _cache(folder: Path | None) -> Iterator[Cache]:
    """Give the cache, or one for this job alone: the second opacity must find what the first one crafted."""
    if folder is not None:
        yield Cache(folder)
        return
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as own:
        yield Cache(Path(own))


def _poison(clean: ArrayDataset, cell: Cell, opacity: float | None, cache: Cache) -> Poisoned:
    attack = _attack(cell if opacity is None else replace(cell, parameters=cell.parameters | {OPACITY: opacity}))
    return poison(
        clean, attack, target=cell.target, count=cell.count, seed=cell.attack_seed, cache=cache, device=cell.device
    )


def _judge(clean: ArrayDataset, cell: Cell, cache: Cache) -> Model:
    """Train the clean model that reads the poisons, or take it from the cache."""
    recipe = Recipe(precision=cell.recipe.precision)
    data = to_tensors(clean, cell.device)
    return trained(data, recipe, clean.classes, cache, seed=JUDGE_SEED, digest=cell.digest, source=cell.data)


def _facts(manifest: PoisonManifest, readable: Estimate, seconds: float | None) -> PoisonFacts:
    return PoisonFacts(
        clean_label=manifest.clean_label,
        poison_rate=manifest.poison_rate,
        target_rate=manifest.target_rate,
        labels_changed=manifest.labels_changed,
        linf=manifest.linf,
        trigger=manifest.trigger,
        training_trigger=manifest.training_trigger,
        digest_after=manifest.digest_after,
        label_consistency=readable,
        seconds=seconds,
    )
