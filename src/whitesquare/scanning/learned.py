"""Whether a model has learned the data it is asked about: one that has not says nothing about a trigger.

The accuracy is that on the scanned samples, the mean over classes: they are the ones whose labels are known, and signed
where the data are attested. A model that has learned them, poison and all, is far above chance there; one of zeros, of
noise or with its classes permuted is not. A network also learns a few thousand random labels by heart; so another of
its kind is trained on some of the samples and asked about others, which it has not seen.
"""

from dataclasses import dataclass, replace

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.learning.estimates import share
from whitesquare.records import Estimate
from whitesquare.types import Classifier, Fittable, FloatArray, IntArray

_LEAST = 0.1
"""Of the way from chance to certainty that a model must have gone."""
_FEWEST, _PART, _HELD = 100, 5000, 0.2
"""Samples that are looked at, at least and at most, for what holds beyond them, and the share that is held out."""


@dataclass(frozen=True)
class HeldOut:
    """What a model of the same kind makes of samples that it has not seen.

    Attributes:
        accuracy: on them; see :func:`accuracy`.
        trained: number of samples that it was trained on.
        classes: number of classes that have samples.
    """

    accuracy: Estimate
    trained: int
    classes: int

    @property
    def guesses(self) -> bool:
        """True if it may be no better than chance."""
        return self.accuracy.low <= 1 / self.classes


def held_out(model: Classifier, evidence: Evidence, seed: int) -> HeldOut | None:
    """Train another model of the same kind on some of the samples, and ask it about others.

    Args:
        model: what a scan asks.
        evidence: the samples.
        seed: of the choice and of the training.

    Returns:
        ``None`` where no other of its kind can be trained, or there are too few samples to tell.

    Raises:
        TrainingError: the training diverged.
    """
    order = np.random.default_rng(seed).permutation(len(evidence.labels))[:_PART]
    seen, unseen = np.split(order, [len(order) - int(_HELD * len(order))])
    if not isinstance(model, Fittable) or len(order) < _FEWEST:
        return None
    other = model.fit(evidence.images[seen], evidence.labels[seen], seed)
    found = accuracy(other.logits(evidence.images[unseen]), evidence.labels[unseen])
    return HeldOut(found, len(seen), len(np.unique(evidence.labels)))


def by_heart(found: HeldOut, size: int) -> tuple[str, str]:
    """Say what follows where a model only guesses what it has not seen.

    Where nearly all samples were looked at, nothing follows from the model; where it saw many more than its like, it
    may know what that one does not, and that is a warning.

    Args:
        found: what a model of its kind does.
        size: number of samples that the scan's own model knows.

    Returns:
        Why there is no verdict, and a warning; each may be empty.
    """
    if not found.guesses:
        return "", ""
    known = found.accuracy
    said = (
        f"a model of its kind that was trained on {found.trained} of the samples calls {100 * known.value:.1f} % "
        f"[{100 * known.low:.1f}, {100 * known.high:.1f}] of {known.n} others by their label (mean over "
        f"{found.classes} classes; chance is {100 / found.classes:.1f} %)"
    )
    if size > _PART:
        return "", f"The model may know the samples by heart: {said}. Check whether the labels follow from the images."
    return (
        f"The model has learned nothing but the samples by heart: {said}; check the labels, or scan with --model-free, "
        "which confirms nothing."
    ), ""


def accuracy(logits: FloatArray, labels: IntArray) -> Estimate:
    """Return the share of samples that a model calls by their label, each class that has a sample counted alike.

    The interval is Wilson's for the number of samples that would tell a plain share as well as these tell the mean.

    Args:
        logits: ``(N, K)``.
        labels: ``(N,)``; at least one.
    """
    return accuracy_of(logits.argmax(1), labels, logits.shape[1])


def accuracy_of(answers: IntArray, labels: IntArray, classes: int) -> Estimate:
    """Return the same by the class ``(N,)`` that a model calls each sample, of so many classes."""
    sizes = np.bincount(labels, minlength=classes)
    there = sizes > 0
    right = np.bincount(labels, weights=answers == labels, minlength=len(sizes))
    value = float((right[there] / sizes[there]).mean())
    worth = int(there.sum() ** 2 / (1 / sizes[there]).sum())
    found = share("accuracy", round(value * worth), worth)
    return replace(
        found,
        value=value,
        low=min(found.low, value),
        high=max(found.high, value),
        n=len(labels),
        method="Wilson 95 %, mean over classes",
    )


def expected(classes: int) -> float:
    """Return the accuracy that the low end of the interval must exceed, for a number of classes that have samples."""
    chance = 1 / classes
    return chance + _LEAST * (1 - chance)


def nothing_learned(found: Estimate, classes: int, *, given: bool) -> str:
    """Say that a model has learned nothing, and what to do; an empty text if it has learned something.

    Args:
        found: its accuracy on the scanned samples.
        classes: number of classes that have samples.
        given: whether it was given, or trained by the scan.
    """
    wanted = expected(classes)
    if found.low > wanted:
        return ""
    step = (
        "give the model that was trained on this data set, or leave --model out"
        if given
        else "check the labels, for a model cannot tell these classes apart, or scan with --model-free, which confirms "
        "nothing"
    )
    return (
        f"{'The given model' if given else 'The model that the scan trained'} has learned nothing: it calls "
        f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}] of the scanned samples by their "
        f"label (mean over {classes} classes; chance is {100 / classes:.1f} %), and more than {100 * wanted:.1f} % was "
        f"expected; {step}."
    )
