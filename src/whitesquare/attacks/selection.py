"""Which samples of a class are poisoned: by chance, the smoothest, or those that are hard to learn.

Citations: Yang et al., "Checkerboard", 2026 (arXiv:2605.01298; read: the abstract) for low complexity; Toneva et al.,
"An empirical study of example forgetting during deep neural network learning", ICLR 2019 (arXiv:1812.05159) for
forgetting events; Xia et al., "Data-efficient backdoor attacks", IJCAI 2022, for poisons chosen by them.
Formulas: ``complexity`` is the mean of abs(x - blur(x)) over all pixels, blur the 3x3 binomial with repeated edges, and
the lowest come first; ``loss`` is the mean over the epochs of a surrogate's training of a sample's cross-entropy, the
highest first; ``forgetting`` counts how often a sample that was read rightly in one epoch is read wrongly in the next,
the most often first; a sample that was never read rightly comes before all others, and equals go by ``loss``.
Deviations: the abstract says "low-complexity" and no more, so the measure is ours; a sample is judged when its batch
comes up, before the step; one surrogate on the clean set, of at least 10 epochs (Toneva et al. take 200).
Cost: none for ``random``; one pass over the pixels; one surrogate training, kept in the cache for every attack, target
class and count.
Failure mode: hard samples are often oddities or wrong labels, which a curator looks at first; smooth ones lie close
together in feature space.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.cache import Arrays, Cache
from whitesquare.data.digest import dataset_digest
from whitesquare.errors import UsageError, require_extra, unknown_name
from whitesquare.types import Attack, CraftContext, FloatArray, IntArray, UInt8Array

if TYPE_CHECKING:
    from torch import Tensor

RANDOM = "random"
_EPOCHS = 10
_CHUNK_VALUES = 2**22

Selection = Callable[[CraftContext, int, Cache], IntArray]
"""``selection(context, count, cache)``: that many of the candidates, which are the context's index, in any order."""


def choose(attack: Attack, context: CraftContext, count: int, cache: Cache) -> CraftContext:
    """Return the context with the samples to poison, sorted, in the place of all samples of the set.

    Raises:
        UsageError: an unknown selection, a target class without samples, or a count above what the class holds.
    """
    labels, classes, target = context.dataset.labels, context.dataset.classes, context.target
    of_target = labels == target
    if not 0 <= target < len(classes) or not of_target.any():
        raise UsageError(
            f"The target class {target} has no sample in this data set; its labels are "
            f"0..{len(classes) - 1} ({', '.join(classes[:20])})."
        )
    candidates = np.flatnonzero(of_target if attack.clean_label else ~of_target)
    if count > len(candidates):
        where = f"the target class {target}" if attack.clean_label else f"the classes other than {target}"
        raise UsageError(
            f"The attack {attack.name!r} poisons samples of {where}: there are {len(candidates)} and {count} were "
            f"asked for; lower the count or rate."
        )
    chosen = find_selection(selection_of(attack))(replace(context, index=candidates), count, cache)
    return replace(context, index=np.sort(chosen).astype(np.int64))


def selection_of(attack: Attack) -> str:
    """Return how the attack's samples are selected: its parameter ``select``, or by chance if it has none."""
    known = {item.name for item in fields(attack)}  # type: ignore[arg-type]
    return str(attack.select) if "select" in known else RANDOM  # type: ignore[attr-defined]


def find_selection(name: str) -> Selection:
    """Return a selection by its name.

    Raises:
        UsageError: there is none of that name; the nearest is named.
    """
    if name not in SELECTIONS:
        raise unknown_name("selection", name, SELECTIONS)
    return SELECTIONS[name]


def complexity(images: UInt8Array) -> FloatArray:
    """Return the mean absolute high-pass residual ``(B,)`` of images ``(B, C, H, W)``, in grey levels."""
    pixels = images.astype(np.float32)
    padded = np.pad(pixels, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    blurred = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16
    found: FloatArray = np.abs(pixels - blurred).mean((1, 2, 3))
    return found


def forgetting_events(right: NDArray[np.bool_]) -> IntArray:
    """Count how often each sample went from right to wrong; one that was never right counts every epoch.

    Args:
        right: ``(E, N)``, whether each of N samples was read rightly in each of E epochs.
    """
    events = np.sum(right[:-1] & ~right[1:], axis=0, dtype=np.int64)
    return np.where(right.any(axis=0), events, len(right)).astype(np.int64)


def _by_chance(context: CraftContext, count: int, cache: Cache) -> IntArray:
    """Draw without replacement, from the attack's seed."""
    return np.random.default_rng(context.seed).choice(context.index, count, replace=False)


def _smoothest(context: CraftContext, count: int, cache: Cache) -> IntArray:
    """Take the smoothest: lowest mean residual of a blur."""
    dataset, own = context.dataset, context.index
    chunk = max(1, _CHUNK_VALUES // int(np.prod(dataset.shape)))
    parts = [own[first : first + chunk] for first in range(0, len(own), chunk)]
    found = np.concatenate([complexity(dataset.images(part)) for part in parts])
    return own[np.argsort(found, kind="stable")[:count]]


def _costliest(context: CraftContext, count: int, cache: Cache) -> IntArray:
    """Take the hardest: highest mean loss while a surrogate learns."""
    loss = _hardness(context, cache)["loss"][context.index]
    return context.index[np.argsort(-loss, kind="stable")[:count]]


def _most_forgotten(context: CraftContext, count: int, cache: Cache) -> IntArray:
    """Take those a surrogate never learned, then those it forgot most often."""
    found = _hardness(context, cache)
    loss, events = found["loss"][context.index], found["events"][context.index]
    return context.index[np.lexsort((-loss, -events))[:count]]


SELECTIONS: dict[str, Selection] = {
    RANDOM: _by_chance,
    "complexity": _smoothest,
    "loss": _costliest,
    "forgetting": _most_forgotten,
}
"""How samples can be selected, by the name that an attack's parameter ``select`` gives."""


def _hardness(context: CraftContext, cache: Cache) -> Arrays:
    """Return ``loss`` and ``events`` ``(N,)`` of the whole set; neither depends on the attack, its target or count."""
    require_extra("torch", "train", "Selecting samples that are hard to learn")
    seed, device = context.seed, context.device
    key = {"data": dataset_digest(context.dataset), "seed": seed, "epochs": _EPOCHS, "device": device}
    return cache.arrays("hardness", key, lambda: _train(context))


def _train(context: CraftContext) -> Arrays:
    from whitesquare.attacks.surrogates import reference_recipe, surrogate_seed
    from whitesquare.executor import run_all
    from whitesquare.learning.tensors import to_tensors
    from whitesquare.learning.train import make_card, train_tensors

    data = to_tensors(context.dataset, context.device)
    size = len(context.dataset.labels)
    recipe = reference_recipe(context, _EPOCHS).for_size(size)
    losses = np.zeros(size, np.float64)
    right = np.zeros((recipe.epochs, size), np.bool_)
    seen = np.zeros(size, np.int64)

    def record(index: "Tensor", values: "Tensor", read: "Tensor") -> None:
        at = index.cpu().numpy()
        losses[at] += values.cpu().numpy()
        right[seen[at], at] = read.cpu().numpy()
        seen[at] += 1

    def one(seed: int) -> None:
        card = make_card(data, recipe, context.dataset.classes, seed=seed)
        train_tensors(data, recipe, card, on_losses=record, on_progress=context.on_progress)

    run_all(one, [surrogate_seed(context.seed, 1)], workers=1)  # one thread: the same samples whatever the cores
    return {"loss": losses / recipe.epochs, "events": forgetting_events(right)}
