"""Features and class probabilities that a user computed, in place of a model that could be asked."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from whitesquare.detectors.types import Evidence
from whitesquare.errors import DataError, UsageError
from whitesquare.types import FloatArray, IntArray

WHY = "features or class probabilities were given in place of a model"
"""Why a scan has no model to ask."""
_SUM = 1e-3
_SURE = 0.5
"""Mean probability above which a class is called by the name of another."""
_LEAST = 1e-12


def brought(evidence: Evidence, features: FloatArray | None, pred_probs: FloatArray | None) -> Evidence:
    """Return the evidence with what was given.

    Args:
        evidence: of the samples alone.
        features: ``(N, D)``, one row a sample, in the order of the data set.
        pred_probs: ``(N, K)`` probabilities of the K classes, of models that had not seen the sample.

    Raises:
        UsageError: another number of rows or columns.
        DataError: values that are no finite numbers, or no probabilities.
    """
    size, classes = len(evidence.labels), len(evidence.classes)
    if features is not None:
        features = _matrix("features", features, size)
        evidence = replace(evidence, features=features)
    if pred_probs is not None:
        pred_probs = _matrix("pred_probs", pred_probs, size)
        if pred_probs.shape[1] != classes:
            raise UsageError(
                f"pred_probs has {pred_probs.shape[1]} columns; expected one for each of the {classes} classes of the "
                f"data set, in the order of its labels ({', '.join(evidence.classes[:5])}, ...)."
            )
        off = np.abs(pred_probs.sum(1) - 1)
        if pred_probs.min() < 0 or off.max() > _SUM:
            raise DataError(
                f"pred_probs holds no probabilities: the lowest is {pred_probs.min():.3g}, and row {int(off.argmax())} "
                f"adds up to {pred_probs[off.argmax()].sum():.3g}; give the outputs after the softmax."
            )
        check_order(*called(pred_probs, evidence.labels), evidence.classes)
        logits = np.log(np.maximum(pred_probs, _LEAST))
        evidence = replace(evidence, pred_probs=pred_probs, logits=logits)
    return evidence


def called(pred_probs: FloatArray, labels: IntArray) -> tuple[NDArray[np.float64], IntArray]:
    """Return the sum ``(K, K)`` of the probabilities of the samples of each label, and how many there are ``(K,)``."""
    sums = np.zeros((pred_probs.shape[1],) * 2)
    np.add.at(sums, labels, pred_probs)
    return sums, np.bincount(labels, minlength=len(sums))


def check_order(sums: NDArray[np.float64], sizes: IntArray, classes: Sequence[str]) -> None:
    """Refuse probabilities that call whole classes by each other's names: then columns are in another order.

    Args:
        sums: see :func:`called`.
        sizes: likewise.
        classes: class names.

    Raises:
        DataError: naming two of them.
    """
    means = sums / np.maximum(sizes, 1)[:, None]
    best = means.argmax(1)
    moved = np.flatnonzero((best != np.arange(len(best))) & (means.max(1) > _SURE))
    if not len(moved) or set(best[moved].tolist()) != set(moved.tolist()):
        return
    one = int(moved[0])
    first, other = (f"{classes[i]!r:.60}" for i in (one, int(best[one])))
    expected = ", ".join(classes[:5]) + ", ..." * (len(classes) > 5)
    raise DataError(
        f"pred_probs calls the samples of {first} {other} (with {means[one].max():.2f} on average), and so "
        f"{len(moved)} classes by each other's names: its columns are in another order than the labels, or whole "
        f"classes are exchanged in the data; expected the order {expected}, so bring them into it, or give a table "
        "whose columns have the names of the classes."
    )


def _matrix(name: str, given: FloatArray, size: int) -> FloatArray:
    found = np.asarray(given)
    if found.ndim != 2 or len(found) != size or found.dtype.kind not in "fiu":
        raise UsageError(
            f"{name} is an array {found.shape} of {found.dtype}; expected numbers with one row for each of the {size} "
            "samples, in the order of the data set."
        )
    found = found.astype(np.float32)
    if not np.isfinite(found).all():
        raise DataError(f"{name} holds values that are not finite numbers (NaN or infinity); leave those samples out.")
    return found
