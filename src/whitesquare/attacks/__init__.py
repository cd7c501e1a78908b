"""Attacks, one file each, and :func:`poison`, which owns every invariant."""

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from whitesquare._base.cache import Cache, no_cache
from whitesquare._base.machine import code_beside
from whitesquare.attacks.adaptive import Adaptive
from whitesquare.attacks.blend import Blended
from whitesquare.attacks.checkerboard import FullCheckerboard
from whitesquare.attacks.contract import admit_attack, require_attack
from whitesquare.attacks.feature_collision import FeatureCollision
from whitesquare.attacks.gradient_matching import GradientMatching
from whitesquare.attacks.hidden_trigger import HiddenTrigger
from whitesquare.attacks.label_consistent import LabelConsistent
from whitesquare.attacks.label_flip import LabelFlip
from whitesquare.attacks.learned import with_learned_trigger
from whitesquare.attacks.narcissus import Narcissus
from whitesquare.attacks.selection import choose, find_selection
from whitesquare.attacks.sinusoidal import Sinusoidal
from whitesquare.attacks.stamp import Stamp
from whitesquare.attacks.warp import Warped
from whitesquare.data import held, open_dataset, require_classes
from whitesquare.data.cache_size import usual_size
from whitesquare.data.classes import class_label
from whitesquare.data.digest import dataset_digest
from whitesquare.data.names import Data
from whitesquare.data.overlay import Overlay
from whitesquare.errors import ContractError, UsageError, WhitesquareError, require_extra, unknown_name
from whitesquare.learning.recipes import check_seed
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.plugins import Registry
from whitesquare.records import Parameter, PoisonManifest, Progress, silent
from whitesquare.triggers import parse_trigger, trigger_spec, unfaded
from whitesquare.types import Attack, CraftContext, ImageDataset, IntArray, Trigger, UInt8Array

ATTACKS: dict[str, Attack] = {
    "stamp": Stamp(),
    "label-flip": LabelFlip(),
    "blend": Blended(),
    "sinusoidal": Sinusoidal(),
    "checkerboard": FullCheckerboard(),
    "warp": Warped(),
    "label-consistent": LabelConsistent(),
    "feature-collision": FeatureCollision(),
    "hidden-trigger": HiddenTrigger(),
    "gradient-matching": GradientMatching(),
    "narcissus": Narcissus(),
    "adaptive": Adaptive(),
    "adaptive-white": Adaptive(training_opacity=1.0),
}
"""Every attack of ours by the name it is asked for, with its default parameters."""
KNOWN_ATTACKS = Registry("attack", ATTACKS, admit_attack, ("none",))
"""Ours and those of other packages; a bench calls clean data ``none``."""


class Poisoned(NamedTuple):
    """A poisoned data set, its ground truth, and the content of the poisons before the trigger ``(B, C, H, W)``."""

    dataset: Overlay
    manifest: PoisonManifest
    content: UInt8Array

    @property
    def trigger(self) -> Trigger:
        """The trigger in use, to measure with: the attack's own, or the one that it learned."""
        return parse_trigger(self.manifest.trigger)


def make_attack(name: str, parameters: dict[str, Any] | None = None) -> Attack:
    """Return the registered attack ``name`` with some of its parameters changed.

    Raises:
        UsageError: unknown attack or parameter (with the nearest name), or a value of the wrong type or range.
        ContractError: another package brings the attack, and it is broken.
    """
    attack = KNOWN_ATTACKS[name]
    known = {item.name: getattr(attack, item.name) for item in fields(attack)}  # type: ignore[arg-type]
    for key, value in (parameters or {}).items():
        if key not in known:
            raise unknown_name(f"parameter of the attack {name!r}", key, known)
        expected = type(known[key])
        if key != "trigger" and not (type(value) is expected or (expected is float and type(value) is int)):
            raise UsageError(
                f"The parameter {key!r} of the attack {name!r} must be of type {expected.__name__}; got {value!r}."
            )
    if "select" in (parameters or {}):
        find_selection((parameters or {})["select"])
    return replace(attack, **(parameters or {}))  # type: ignore[type-var]


def attack_parameters(attack: Attack) -> dict[str, Parameter]:
    """Return the attack's own parameters, resolved, without its trigger."""
    return {item.name: getattr(attack, item.name) for item in fields(attack) if item.name != "trigger"}  # type: ignore[arg-type]


@own_surroundings()
def poison(
    dataset: Data,
    attack: Attack | str,
    *,
    target: int | str,
    rate: float | None = None,
    count: int | None = None,
    seed: int,
    cache: Cache = no_cache,
    device: str = "cpu",
    on_progress: Progress = silent,
) -> Poisoned:
    """Poison part of a training set, and check every promise the attack makes.

    The samples are selected without replacement: from the target class for a clean-label attack, from the other
    classes for one that relabels; by chance, unless the attack's parameter ``select`` says otherwise (see
    :mod:`whitesquare.attacks.selection`). An attack that learns its trigger does so first; the manifest holds the
    learned one.

    Args:
        dataset: the clean training set, as :func:`whitesquare.data.open_dataset` takes it; it is not changed.
        attack: what to do to the chosen samples; by its name, with its default parameters.
        target: target class, a label or a name; see :func:`whitesquare.data.classes.class_label`.
        rate: poisoned / whole training set, in (0, 1); give this or ``count``.
        count: number of samples.
        seed: of the choice and of the crafting.
        cache: where crafted content is kept between runs.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        on_progress: told how far the crafting is.

    Raises:
        UsageError: rate or count missing, out of range, or above what the class holds; target class absent; a seed that
            is none; or nothing is changed.
        DataError: no images, or fewer than two classes.
        ContractError: the attack broke its budget, shape, dtype or label promise, or changed the data set.

    Example:
        >>> import whitesquare as ws
        >>> made = ws.poison("photos/", "stamp", target=0, rate=0.05, seed=0)
        >>> made.manifest.count, made.manifest.labels_changed
        (30, 0)
    """
    attack = make_attack(attack) if isinstance(attack, str) else attack
    require_attack(attack)
    check_seed(seed)
    dataset = open_dataset(dataset, on_progress=on_progress)
    require_classes(dataset)
    dataset, target = held(dataset, cache=usual_size()), class_label(target, dataset.classes)
    if device != "cpu":
        require_extra("torch", "train", f"The device {device!r:.40}")
        from whitesquare.learning.device import resolve

        device = resolve(device)
    whole = CraftContext(dataset, np.arange(len(dataset.labels)), target, seed, on_progress, device)
    context = choose(attack, whole, _resolve_count(len(dataset.labels), rate, count), cache)
    before, index = dataset_digest(dataset), context.index
    originals, labels = dataset.images(index), dataset.labels[index]
    key = {
        "before": before,
        "attack": attack.name,
        # The content does not depend on how strongly it is stamped afterwards: one crafting serves every opacity.
        "parameters": attack_parameters(attack) | {"training_opacity": None},
        "trigger": trigger_spec(attack.trigger),
        "target": target,
        "seed": seed,
        "index": index.tolist(),
        "code": code_beside(type(attack), type(unfaded(attack.trigger))),
    }
    key |= {} if device == "cpu" else {"device": device}
    attack = with_learned_trigger(attack, context, key, cache)
    key["trigger"] = trigger_spec(attack.trigger)
    content = cache.arrays("poison", key, lambda: {"content": _craft(attack, originals, labels, context)})["content"]
    if dataset_digest(dataset) != before:
        raise ContractError(f"The attack {attack.name!r} changed the data set it was given; craft() must not.")
    poisons = _check_content(attack, originals, content)
    return _assemble(dataset, attack, index, originals, content, poisons, target, seed, before)


def _craft(attack: Attack, originals: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
    """Let the attack work on copies: its budget is held against what was there before."""
    try:
        content = attack.craft(originals.copy(), labels.copy(), context)
    except WhitesquareError:
        raise
    except Exception as error:
        raise ContractError(f"The attack {attack.name!r} failed: {type(error).__name__}: {error}.") from error
    if not isinstance(content, np.ndarray):
        raise ContractError(f"The attack {attack.name!r} returned a {type(content).__name__}; expected images.")
    return content


def check_amount(rate: float | None, count: int | None) -> None:
    """Refuse how much is to be poisoned, before anything is read.

    Raises:
        UsageError: none of both or both, a rate that is no share, or no sample.
    """
    if (rate is None) == (count is None):
        raise UsageError("Give either a poison rate or a count of samples, not both and not neither.")
    if rate is not None and not 0 < rate < 1:
        percent = f"; {rate:g} % are {rate / 100:g}" if 1 <= rate < 100 else ""
        raise UsageError(
            f"The poison rate must be above 0 and below 1, a share of the whole training set; got {rate}{percent}."
        )
    if count is not None and count < 1:
        raise UsageError(f"The count of poisoned samples must be at least 1; got {count}.")


def _resolve_count(size: int, rate: float | None, count: int | None) -> int:
    check_amount(rate, count)
    return poison_count(rate, size) if rate is not None else count or 1


def poison_count(rate: float, size: int) -> int:
    """Return how many samples of a training set a poison rate is.

    Raises:
        UsageError: it is none: one sample would be another rate than the one that was asked for.
    """
    if not (count := round(rate * size)):
        raise UsageError(
            f"The poison rate {rate:g} is no sample of {size:,}; one would be {1 / size:.2g}, so give a count of 1, or "
            "a rate from there on."
        )
    return count


def _check_content(attack: Attack, originals: UInt8Array, content: UInt8Array) -> UInt8Array:
    if content.shape != originals.shape or content.dtype != np.uint8:
        raise ContractError(
            f"The attack {attack.name!r} returned {content.dtype} {content.shape}; expected uint8 {originals.shape}."
        )
    if (change := _linf(originals, content)) > attack.epsilon + 1e-9:
        raise ContractError(
            f"The attack {attack.name!r} changed a pixel by {change:.4f} of the value range; its budget is "
            f"{attack.epsilon}."
        )
    poisons = attack.training_trigger(content.copy())
    if poisons.shape != originals.shape or poisons.dtype != np.uint8:
        raise ContractError(
            f"The trigger of {attack.name!r} returned {poisons.dtype} {poisons.shape}; expected uint8 "
            f"{originals.shape}."
        )
    return poisons


def _linf(a: UInt8Array, b: UInt8Array) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).max(initial=0)) / 255


def _assemble(
    dataset: ImageDataset,
    attack: Attack,
    index: IntArray,
    originals: UInt8Array,
    content: UInt8Array,
    poisons: UInt8Array,
    target: int,
    seed: int,
    before: str,
) -> Poisoned:
    old = dataset.labels[index]
    new = old if attack.clean_label else np.full_like(old, target)
    if np.array_equal(poisons, originals) and np.array_equal(new, old):
        raise UsageError(
            f"The attack {attack.name!r} changes nothing of the {len(index)} samples that were chosen, neither pixels "
            "nor labels: they show its trigger already, or there is nothing to see of it in images so small; choose "
            "another --seed, --trigger or attack."
        )
    poisoned = Overlay(dataset, index, poisons, new)
    changed = int(np.sum(poisoned.labels != dataset.labels))
    if attack.clean_label and changed:
        raise ContractError(f"The attack {attack.name!r} is clean-label and {changed} labels changed.")
    source = int(np.sum(dataset.labels == target)) if attack.clean_label else int(np.sum(dataset.labels != target))
    manifest = PoisonManifest(
        attack=attack.name,
        parameters=attack_parameters(attack),
        clean_label=attack.clean_label,
        trigger=trigger_spec(attack.trigger),
        training_trigger=trigger_spec(attack.training_trigger),
        target=target,
        seed=seed,
        ids=tuple(dataset.ids[int(i)] for i in index),
        labels_changed=changed,
        poison_rate=len(index) / len(dataset.labels),
        target_rate=len(index) / source,
        linf=_linf(originals, content),
        linf_with_trigger=_linf(originals, poisons),
        digest_before=before,
        digest_after=dataset_digest(poisoned),
    )
    return Poisoned(poisoned, manifest, content)
