"""Where a pattern may be among the coefficients of a class, and how a first guess at it is made better.

Two kinds of start: *tails*, the coefficients in which the class fills the far ends of the whole set (few carriers, few
frequencies), and *directions* in which the class varies more than the others do (many carriers, many frequencies).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from whitesquare.detectors.gaps import apart, standing
from whitesquare.detectors.spectrum import SCALE, Int8Array
from whitesquare.types import FloatArray, IntArray

DEPTHS = (1e-2, 1e-3, 1e-4)
"""Shares of the whole set beyond which a coefficient is far out: 20 carriers need another one than 2,500."""
_COEFFICIENTS = 12
"""Of a tail start."""
_FEW, _SURE = 16, 3.0
_CALM = 4.0
"""Deviations at which coefficients are cut where variances are compared."""
_RIDGE = 1e-3
"""Keeps the search for directions alive where every image is the same."""
_ROWS = 4000


def far_ends(table: Int8Array) -> tuple[Int8Array, Int8Array]:
    """Return the bounds beyond which each of :data:`DEPTHS` of the samples lie, low and high: each ``(depths, J)``."""
    count, size = table.shape
    counts = np.zeros((size, 256), np.int64)
    places = 256 * np.arange(size) + 128
    for start in range(0, count, _ROWS):
        part = (table[start : start + _ROWS] + places).ravel()
        counts += np.bincount(part, minlength=256 * size).reshape(size, 256)
    total = counts.cumsum(1)
    wanted = [max(2, round(depth * count)) for depth in DEPTHS]
    low = [(total >= least).argmax(1) - 128 for least in wanted]
    high = [(total > count - least).argmax(1) - 128 for least in wanted]
    return np.array(low, np.int8), np.array(high, np.int8)


def tail_excess(table: Int8Array, groups: list[IntArray], low: Int8Array, high: Int8Array) -> FloatArray:
    """Return by how much each group fills the far ends beyond what the worst *other* group does.

    Returns:
        ``(groups, depths, 2, J)``: samples below and above, minus as many as the other's share makes of this group,
        over the root of the latter.
    """
    sizes = np.array([len(group) for group in groups])[:, None, None, None]
    counts = np.stack([_beyond(table[group], low, high) for group in groups])
    shares = (counts + 1) / sizes
    ordered = np.partition(shares, -2, axis=0)
    expected = np.where(shares >= ordered[-1], ordered[-2], ordered[-1]) * sizes
    excess: FloatArray = ((counts - expected) / np.sqrt(expected)).astype(np.float32)
    return excess


def _beyond(rows: Int8Array, low: Int8Array, high: Int8Array) -> NDArray[np.int64]:
    """Return how many rows lie beyond each bound, ``(depths, 2, J)``."""
    pairs = zip(low, high, strict=True)
    return np.stack([np.stack([(rows <= down).sum(0), (rows >= up).sum(0)]) for down, up in pairs])


def second_moments(rows: FloatArray) -> FloatArray:
    """Return the mean product of every two coefficients ``(J, J)``, strong ones cut."""
    calm = np.clip(rows, -_CALM, _CALM)
    moments: FloatArray = calm.T @ calm / np.float32(len(calm))
    return moments


def starts(own: FloatArray, excess: FloatArray, pool: FloatArray, directions: int) -> FloatArray:
    """Return first guesses at a pattern, ``(J, depths + 2 * directions)``, each of length 1.

    Args:
        own: ``(n, J)``: the samples in which the pattern is looked for.
        excess: ``(depths, 2, J)``: of these samples, from :func:`tail_excess`.
        pool: second moments ``(J, J)`` of the whole set.
        directions: number of directions of variance.
    """
    size = own.shape[1]
    tails = [_tail(one) for one in excess]
    more = second_moments(own - own.mean(0)) - pool + _RIDGE * np.eye(size, dtype=np.float32)
    _, axes = eigsh(more, k=min(directions, size - 1), which="LA", tol=1e-2, v0=np.ones(size, np.float32))
    return _unit(np.column_stack([*tails, axes, -axes]).astype(np.float32))


def _tail(excess: FloatArray) -> FloatArray:
    """Return the coefficients of the largest excess, signed by the side on which they have it."""
    strongest, side = excess.max(0), excess.argmax(0)
    chosen = np.argsort(-strongest, kind="stable")[:_COEFFICIENTS]
    tail = np.zeros(len(strongest), np.float32)
    tail[chosen] = np.maximum(strongest[chosen], 0) * np.where(side[chosen] == 1, 1, -1)
    return tail


def refined(own: FloatArray, filters: FloatArray, rounds: int) -> FloatArray:
    """Return the filters ``(J, c)`` made better in ``rounds`` rounds, once with few coefficients, once with all.

    The samples that stand apart under a filter are taken for carriers; the filter becomes their mean minus that of the
    rest, where it differs from 0 by three standard errors.
    """
    return np.column_stack([_refined(own, filters, rounds, keep) for keep in (_FEW, own.shape[1])])


def _refined(own: FloatArray, filters: FloatArray, rounds: int, keep: int) -> FloatArray:
    total = own.sum(0)
    for _ in range(rounds):
        answers = own @ filters
        filters = _unit(np.column_stack([_contrast(own, total, values, keep) for values in answers.T]))
    return filters


def _contrast(own: FloatArray, total: FloatArray, values: FloatArray, keep: int) -> FloatArray:
    """Return the carriers' mean minus that of the rest, the ``keep`` largest and only those that are sure."""
    count = min(apart(standing(values, values))[1], len(own) - 2)
    carriers = own[np.argpartition(-values, count)[:count]]
    there = carriers.sum(0)
    shift: FloatArray = there / np.float32(count) - (total - there) / np.float32(len(own) - count)
    error = np.sqrt((carriers.var(0) + 1) / count)
    sure: FloatArray = np.where(np.abs(shift) > _SURE * error, shift, np.float32(0))
    if not sure.any():
        return shift
    if keep < len(sure):
        sure[np.argpartition(-np.abs(sure), keep)[keep:]] = 0
    return sure


def _unit(filters: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(filters, axis=0)
    scaled: FloatArray = (filters / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


def rows_of(table: Int8Array, places: IntArray) -> FloatArray:
    """Return the coefficients of some samples in deviations, ``(n, J)`` float32."""
    rows: FloatArray = table[places].astype(np.float32)
    rows /= SCALE
    return rows
