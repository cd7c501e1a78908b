"""Whether a model has learned the data it is asked about: one that has not says nothing about a trigger.

The accuracy is that on the scanned samples, the mean over classes: they are the ones whose labels are known, and signed
where the data are attested. A model that has learned them, poison and all, is far above chance there; one of zeros, of
noise or with its classes permuted is not.
"""

from dataclasses import replace

import numpy as np

from whitesquare.learning.estimates import share
from whitesquare.records import Estimate
from whitesquare.types import FloatArray, IntArray

_LEAST = 0.1
"""Of the way from chance to certainty that a model must have gone."""


def accuracy(logits: FloatArray, labels: IntArray) -> Estimate:
    """Return the share of samples that a model calls by their label, each class that has a sample counted alike.

    The interval is Wilson's for the number of samples that would tell a plain share as well as these tell the mean.

    Args:
        logits: ``(N, K)``.
        labels: ``(N,)``; at least one.
    """
    sizes = np.bincount(labels, minlength=logits.shape[1])
    there = sizes > 0
    right = np.bincount(labels, weights=logits.argmax(1) == labels, minlength=len(sizes))
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
