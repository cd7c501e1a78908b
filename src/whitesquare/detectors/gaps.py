"""Mixtures in one dimension: a few samples apart from the bulk, not a bulk that has moved.

Nothing here assumes that the samples apart are a minority, as long as they are at most about half.
"""

from dataclasses import dataclass

import numpy as np

from whitesquare.types import FloatArray

_LOW, _MIDDLE = 0.05, 0.25
_APART = 0.97
"""Deviations between the 5 % and the 25 % quantile of a normal distribution."""
_UP = 0.674
"""Deviations from the 25 % quantile up to the median."""
_STEP = 0.25
_WINDOWS = (32, 16, 8, 4, 2, 1)
"""Widths of valleys and peaks, in steps; the widest first, which wins ties: it carries over best to other samples."""
_NEAREST, _FARTHEST = 6, 400
"""Valleys begin at 1.5 deviations above the bulk's middle; what lies beyond 100 counts as if it lay there."""
_DEPTH = 2.0
"""A valley counts by what the peak has beyond twice its own count: gentle waves of natural groups do not pass."""


@dataclass(frozen=True)
class Gap:
    """A valley between the bulk and those apart.

    Attributes:
        strength: samples in the best window beyond the valley, minus twice those in the valley, over the root of the
            latter plus one; 0 where there is no valley.
        start: where the valley begins, in steps above the middle of the bulk.
        width: of the valley, in steps.
    """

    strength: float = 0.0
    start: int = _FARTHEST
    width: int = 0

    @property
    def end(self) -> float:
        """Where the valley's middle lies, in deviations above the middle of the bulk."""
        return (self.start + self.width / 2) * _STEP


def standing(values: FloatArray, bulk: FloatArray) -> FloatArray:
    """Return values as deviations above the middle of the bulk, judged by its lower quarter alone.

    Carriers lie above: if half of the samples are carriers, the middle moves by less than one deviation.
    """
    low, middle = np.quantile(bulk, [_LOW, _MIDDLE])
    spread = (middle - low) / _APART + 1e-6
    above: FloatArray = ((values - middle) / spread - _UP).astype(np.float32)
    return above


def apart(above: FloatArray) -> tuple[float, int]:
    """Return by how much more samples lie far above the bulk than equally far below it, and how many those are.

    ``max (m - l) / sqrt(l + 1)`` over the m-th highest value, l samples lying as far below: an even distribution of any
    shape gives about 0. Only values beyond 2 deviations and m of at least 4 are tried.
    """
    up = np.sort(above[above > 2])[::-1]
    if len(up) < 4:
        return 0.0, 4
    down = np.sort(-above[above <= 0])
    below = len(down) - np.searchsorted(down, up, side="left")
    found = ((np.arange(1, len(up) + 1) - below) / np.sqrt(below + 1))[3:]
    best = int(np.argmax(found))
    return float(found[best]), best + 4


def deepest(above: FloatArray) -> Gap:
    """Return the strongest gap of samples that are given as deviations above their bulk; in the midst of equal ones."""
    total = _running(above)
    best = Gap()
    for width in _WINDOWS:
        valley, peak = _windows(total, width)
        strength = (peak - _DEPTH * valley) / np.sqrt(valley + 1)
        ties = np.flatnonzero(strength == strength.max())
        place = int(ties[len(ties) // 2])
        if strength[place] > best.strength:
            best = Gap(float(strength[place]), _NEAREST + place, width)
    return best


def strength_at(above: FloatArray, gap: Gap) -> float:
    """Return the strength of the strongest gap on these samples near one that was found on others; at least 0.

    Near: as wide or half as wide, moved by its width at most, because a bulk's deviation is known no better.
    """
    total, found = _running(above), 0.0
    for width in {gap.width, gap.width // 2} - {0}:
        first = max(0, gap.start - gap.width - _NEAREST)
        places = slice(first, gap.start + 2 * gap.width - width - _NEAREST + 1)
        valley, peak = (counts[places] for counts in _windows(total, width))
        found = max(found, float(((peak - _DEPTH * valley) / np.sqrt(valley + 1)).max()))
    return found


def _running(above: FloatArray) -> FloatArray:
    """Return how many samples lie above the bulk and below each step."""
    steps = np.clip(above[above > 0] / _STEP, 0, _FARTHEST - 1).astype(np.int64)
    return np.concatenate([[0], np.cumsum(np.bincount(steps, minlength=_FARTHEST))]).astype(np.float32)


def _windows(total: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
    """Return the count of every window of that width, and that of the fullest window beyond it."""
    counts = total[width:] - total[:-width]
    fullest = np.maximum.accumulate(counts[::-1])[::-1]
    return counts[_NEAREST:-width], fullest[_NEAREST + width :]
