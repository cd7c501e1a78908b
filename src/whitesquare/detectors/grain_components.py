"""Grain components: a part of a class has neighbouring pixels that differ otherwise than those of its other images do.

Citation: ours. Features after the co-occurrences of residuals by which steganalysis finds what was changed by a few
grey levels (Pevny, Bas and Fridrich, "Steganalysis by subtractive pixel adjacency matrix", IEEE TIFS 2010); directions
after the spectral idea of Tran, Li and Madry (NeurIPS 2018, arXiv:1811.00636), with the *other* classes as the
yardstick; tried on samples that they were not found on.

Formula: of the second differences along rows, along columns and across both, in steps of eight grey levels and at most
two of them either way, we count how often three in a row occur together, along the difference and across it; patterns
that are each other's negative or mirror image are one. The roots of the shares are 117 numbers an image. On one half
of a class, the directions in which these vary most, over their variance within the other classes (its mean, and its
harmonic mean, which one more poisoned class hardly moves), are tried on the other half (``halves.py``), either way;
only groups far from the bulk count. Whatever perturbs all pixels of some images, by gradients, noise or a pattern,
moves them all in one direction here, however different the perturbations are.

Cost: one pass over the pixels (of images above 72 pixels nine windows of 24 x 24), no model; about three seconds for
50,000 colour images of 32 x 32 on one core, and 0.04 seconds for each class.

Failure modes: a stamp of a few pixels; smooth patterns and warps; more than half of the class; classes of which a part
comes from another camera, was compressed or enlarged differently (a true hit, and harmless).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from whitesquare.detectors.common import Float64Array, images_at_once, one_thread
from whitesquare.detectors.halves import Half, OnOther, halves_of, rank_of, suspicion_of, tried_on
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion, unscored
from whitesquare.types import FloatArray, IntArray, UInt8Array

_SMALLEST = 8
_STEP, _REACH = 8, 2
_KINDS = 2 * _REACH + 1
_PLACES = _KINDS**3
_FARTHEST = 510
_LEVELS = (np.clip(np.rint(np.arange(-_FARTHEST, _FARTHEST + 1) / _STEP), -_REACH, _REACH) + _REACH).astype(np.uint8)
"""Second differences, from the least possible on, in steps."""
_WINDOW, _WINDOWS = 24, 3
_CHUNK, _TOGETHER = 512, 2**17
"""Images that are read at a time; values that are counted at a time, which stay near the processor."""
_OTHERS = 2000
_RIDGE, _TINY = 0.02, 1e-9
_NEAR, _FAR = 4.5, 6.0
"""Deviations from where on a group begins to count, and counts in full: of the digits 2 three in a hundred lie at three
to four by nature."""
_LEAST = 0.25
"""Share of its strength by which a group nearer than that is compared with others: it ranks those in it, and alarms
nobody."""


@dataclass(frozen=True)
class GrainComponents:
    """A part of a class has neighbouring pixels that differ otherwise than those of its other images do.

    Attributes:
        least: samples that a class must have.
        directions: of variance that are tried.
    """

    name: ClassVar[str] = "grain-components"
    rule_id: ClassVar[str] = "GR01"
    family: ClassVar[str] = "residual"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 40
    directions: int = 8

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by the direction that was found without it.

        Raises:
            CannotScoreError: the images are smaller than 8 x 8 pixels.
        """
        height, width = evidence.images.shape[2:]
        if min(height, width) < _SMALLEST:
            raise CannotScoreError(
                f"The images measure {height} x {width} pixels; their grain needs at least {_SMALLEST} x {_SMALLEST}."
            )
        halves = halves_of(evidence, self.least)
        if len(halves) < 4:  # one class, and nothing to compare it with
            return unscored(evidence)
        table, count = _table(evidence), len(halves) // 2
        with one_thread():
            best = {
                first + place: tried
                for first in (0, count)
                for place, tried in enumerate(self._tried(evidence, table, halves[first : first + count]))
            }
        return suspicion_of(evidence, halves, best)

    def _tried(self, evidence: Evidence, table: FloatArray, side: list[Half]) -> list[OnOther]:
        """Return, of each class, the best direction found on one half of it."""
        found = []
        everyone = np.random.default_rng(evidence.seed).permutation(np.concatenate([half.made for half in side]))
        within = [np.cov(table[half.made].T) for half in side]
        precise = [np.linalg.inv(_ridged(one)) for one in within]
        of_all, in_all = sum(within), sum(precise)
        for place, half in enumerate(side):
            # The second hardly grows where one or two of the other classes are poisoned as well.
            mean = _ridged((of_all - within[place]) / (len(side) - 1))
            harmonic: Float64Array = np.linalg.inv((in_all - precise[place]) / (len(side) - 1)).astype(np.float64)
            ways = [_directions(within[place], one, self.directions) for one in (mean, harmonic)]
            filters = np.concatenate([*ways, *(-way for way in ways)], 1)
            others = everyone[evidence.labels[everyone] != half.label][:_OTHERS]
            groups = (half.made, half.tried, others)
            answers = zip(*((table[rows] @ filters).T for rows in groups), strict=True)
            best = max((tried_on(*three) for three in answers), key=lambda one: (_counted(one, _LEAST), *rank_of(one)))
            found.append(replace(best, strength=_counted(best)))
        return found


def _counted(tried: OnOther, least: float = 0.0) -> float:
    """Return the strength of a gap, less of it the nearer it is to the bulk, but that share of it at least."""
    return tried.strength * float(np.clip((tried.gap.end - _NEAR) / (_FAR - _NEAR), least, 1))


def _ridged(covariance: Float64Array) -> Float64Array:
    size = len(covariance)
    ridged: Float64Array = covariance + (_RIDGE * np.trace(covariance) / size + _TINY) * np.eye(size)
    return ridged


def _directions(own: Float64Array, yardstick: Float64Array, count: int) -> FloatArray:
    """Return the directions ``(D, count)`` in which a class varies most, over what the others do."""
    size = len(own)
    _, vectors = eigh(own, (yardstick + yardstick.T) / 2, subset_by_index=(size - count, size - 1))
    directions: FloatArray = vectors.astype(np.float32)
    return directions


def _table(evidence: Evidence) -> FloatArray:
    size, few = len(evidence.images), images_at_once(evidence.images.shape, _CHUNK)
    table = np.empty((size, 3 * _FOLD.shape[1]), np.float32)
    for start in range(0, size, few):
        table[start : start + few] = grain_of(evidence.images[start : start + few])
        evidence.on_progress("counting grain", min(start + few, size), size)
    return table


def grain_of(images: UInt8Array) -> FloatArray:
    """Return the roots of the shares of what occurs together in images ``(n, C, H, W)``, ``(n, 117)``."""
    rows, columns = (_windows(size) for size in images.shape[2:])
    few = max(1, _TOGETHER // (images.shape[1] * rows.size * columns.size))
    parts = (images[start : start + few] for start in range(0, len(images), few))
    return np.concatenate([_grain(_cut(part, rows, columns)) for part in parts])


def _cut(images: UInt8Array, rows: IntArray, columns: IntArray) -> NDArray[np.int16]:
    """Return windows as if each were a channel, so that nothing is counted across their edges."""
    (down, height), (across, width) = rows.shape, columns.shape
    found = images[:, :, rows.reshape(-1, 1), columns.ravel()].reshape(*images.shape[:2], down, height, across, width)
    return found.transpose(0, 1, 2, 4, 3, 5).reshape(len(images), -1, height, width).astype(np.int16)


def _grain(x: NDArray[np.int16]) -> FloatArray:
    across = x[..., :-2] - 2 * x[..., 1:-1] + x[..., 2:]
    down = x[:, :, :-2] - 2 * x[:, :, 1:-1] + x[:, :, 2:]
    mixed = np.diff(np.diff(x, axis=3), axis=2)
    a, d, m = (_LEVELS[one + _FARTHEST] for one in (across, down, mixed))
    counted = (_along(a) + _down(d), _down(a) + _along(d), _along(m) + _down(m))
    grain: FloatArray = np.sqrt(np.concatenate([shares @ _FOLD for shares in counted], 1))
    return grain


def _windows(size: int) -> IntArray:
    """Return the rows, or columns, of each window: all of them, or three stretches from one end to the other."""
    if size <= _WINDOW * _WINDOWS:
        return np.arange(size)[None]
    return np.linspace(0, size - _WINDOW, _WINDOWS).astype(int)[:, None] + np.arange(_WINDOW)


def _along(steps: UInt8Array) -> FloatArray:
    return _shares((steps[..., :-2] * _KINDS + steps[..., 1:-1]) * _KINDS + steps[..., 2:])


def _down(steps: UInt8Array) -> FloatArray:
    return _shares((steps[:, :, :-2] * _KINDS + steps[:, :, 1:-1]) * _KINDS + steps[:, :, 2:])


def _shares(codes: UInt8Array) -> FloatArray:
    """Return how often each of the 125 codes occurs in every image, as a share ``(n, 125)``."""
    count = len(codes)
    places = codes.reshape(count, -1) + _PLACES * np.arange(count)[:, None]
    counts = np.bincount(places.ravel(), minlength=_PLACES * count).reshape(count, _PLACES)
    shares: FloatArray = counts.astype(np.float32) / np.float32(places.shape[1])
    return shares


def _folded() -> FloatArray:
    """Return the matrix ``(125, 39)`` that adds up what is each other's negative or mirror image."""
    code = np.arange(_PLACES).reshape(_KINDS, _KINDS, _KINDS)
    mirrored = code.transpose(2, 1, 0)
    same = [one.ravel() for whole in (code, mirrored) for one in (whole, whole[::-1, ::-1, ::-1])]
    kinds, which = np.unique(np.min(same, axis=0), return_inverse=True)
    return np.eye(len(kinds), dtype=np.float32)[which]


_FOLD = _folded()
