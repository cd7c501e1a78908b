"""What several detectors share: asking the evidence for its parts, principal axes, and scores that stay finite."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from threadpoolctl import ThreadpoolController

from whitesquare.detectors.types import CannotScoreError, Evidence
from whitesquare.types import Classifier, Differentiable, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Float64Array = NDArray[np.float64]

_AT_ONCE = 1 << 24
"""Numbers that are made of images at a time: what 60,000 digits allow, a few photographs do not."""
_LARGEST = 1e30
"""Scores are cut here: far above any that means something, and squares of it are not needed."""
_RANK = 1e-9
"""Directions with a smaller share of the variance are rounding errors of float32 activations."""


def images_at_once(shape: tuple[int, ...], most: int) -> int:
    """Return how many images of a shape ``(..., C, H, W)`` are turned into numbers at a time, at least one."""
    return max(1, min(most, _AT_ONCE // int(np.prod(shape[-3:]))))


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which linear algebra and scikit-learn use one thread.

    Many small products and clusterings gain nothing from threads: on a busy machine, where threads wait for one
    another, they take up to a hundred times as long.
    """
    limits: AbstractContextManager[object] = _pools().limit(limits=1)
    return limits


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()  # looks through every library that is loaded: once is enough


def features_of(evidence: Evidence) -> FloatArray:
    """Return the activations ``(N, D)``.

    Raises:
        CannotScoreError: if there are none.
    """
    if evidence.features is None:
        raise CannotScoreError("There are no features: this detector needs a model.")
    return evidence.features


def model_of(evidence: Evidence) -> Classifier:
    """Return the model.

    Raises:
        CannotScoreError: if there is none.
    """
    if evidence.model is None:
        raise CannotScoreError("There is no model, and this detector asks one for its answers.")
    return evidence.model


def gradient_of(
    model: Classifier, inputs: "Tensor", objective: "Callable[[Tensor], Tensor]", *, rough: bool = False
) -> "Tensor":
    """Return the derivative of an objective of a model's logits with respect to its inputs.

    Args:
        model: what is asked.
        inputs: float images in [0, 1], ``(B, C, H, W)``; whatever they depend on, autograd goes on from the result.
        objective: from logits ``(B, K)`` to a scalar.
        rough: less precision will do, if that is faster.

    Raises:
        CannotScoreError: the model gives no gradients.
    """
    import torch

    if not isinstance(model, Differentiable):
        raise CannotScoreError("The model gives no gradients, and this detector follows them.")

    def slope(logits: FloatArray) -> FloatArray:
        leaf = torch.from_numpy(logits).requires_grad_()
        (found,) = torch.autograd.grad(objective(leaf), leaf)
        array: FloatArray = found.numpy()
        return array

    return torch.from_numpy(model.gradients(inputs.detach().numpy(), slope, rough=rough))


def finite(values: ArrayLike) -> FloatArray:
    """Turn values into float32 without infinities; NaN stays NaN."""
    return np.clip(np.asarray(values, np.float64), -_LARGEST, _LARGEST).astype(np.float32)


def class_means(evidence: Evidence, scores: FloatArray) -> FloatArray:
    """Return the mean score of every class ``(K,)``, NaN for a class without a scored sample.

    This is the class statistic of the methods that publish none.
    """
    scored = np.isfinite(scores)
    size = len(evidence.classes)
    labels = evidence.labels[scored]
    counts = np.bincount(labels, minlength=size)
    totals = np.bincount(labels, weights=scores[scored].astype(np.float64), minlength=size)
    return finite(np.divide(totals, counts, out=np.full(size, np.nan), where=counts > 0))


def centred(rows: FloatArray) -> Float64Array:
    """Return rows ``(n, D)`` minus their mean, in float64; columns that never change are exactly zero."""
    values = np.asarray(rows, np.float64)
    moved: Float64Array = values - values.mean(0)
    moved[:, (values == values[:1]).all(0)] = 0
    return moved


def principal_axes(moved: Float64Array, count: int) -> tuple[Float64Array, Float64Array, float]:
    """Find the directions of largest variance of centred rows ``(n, D)``.

    The eigenvectors of the smaller of the two Gram matrices, (D, D) or (n, n), instead of an SVD of the rows: the same
    directions for a fraction of the time. The sign is fixed (largest entry positive), so that results repeat.

    Args:
        moved: rows of mean zero.
        count: number of directions wanted.

    Returns:
        Their variances (descending), the unit vectors as columns ``(D, <= count)``, and the variance in all
        directions. Directions without variance are left out, so there may be none.
    """
    wide = moved.shape[1] > moved.shape[0]
    gram = moved @ moved.T if wide else moved.T @ moved
    size, total = len(gram), float(np.trace(gram))
    if not total > 0:
        return np.zeros(0), np.zeros((moved.shape[1], 0)), 0.0
    values, vectors = eigh(gram, subset_by_index=(max(0, size - count), size - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    values, vectors = values[values > _RANK * total], vectors[:, values > _RANK * total]
    axes = moved.T @ vectors / np.sqrt(values) if wide else vectors
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return values / len(moved), axes * signs, total / len(moved)
