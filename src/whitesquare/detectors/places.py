"""Where a class is most telling: a place at which many windows beside each other recur in it, and nearly nowhere else.

One window that recurs in one class, at one of 90,000 places of a photograph, is chance; sixteen together are not.
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from whitesquare.data.pixels import Pixels, row_of
from whitesquare.detectors.codes import CodeArray, Scale, window_codes
from whitesquare.detectors.types import Hint
from whitesquare.types import FloatArray, IntArray

_SIDE = 4
"""Windows beside each other, in rows and in columns, that a place has."""
_AROUND = 12
"""Pixels around it that a mark found there may cover."""
_HALF = 0.5
"""Of the contrast of its place, what a carrier shows there at least."""

Contrast = Callable[[CodeArray], tuple[FloatArray, FloatArray]]
"""From the codes ``(W', N)`` of windows to contrasts: those of samples ``(W', N)``, and something else."""


class TellingPlaces:
    """The most telling place of every class at one scale, found while the rows of its windows go by."""

    def __init__(self, classes: int) -> None:
        self.contrast = np.zeros(classes, np.float32)
        self.at = np.zeros((classes, 2), np.int64)
        self._rows: deque[FloatArray] = deque(maxlen=_SIDE)
        self._left = 0

    def begin(self, left: int) -> None:
        """Begin with the rows of other columns, from ``left`` on."""
        self._rows.clear()
        self._left = left

    def see(self, number: int, row: FloatArray) -> None:
        """Take the largest contrast ``(W', K)`` that any code has in each class, at the windows of a row."""
        if len(row) < _SIDE:
            return
        across = np.cumsum(np.concatenate([0 * row[:1], row]), 0)
        self._rows.append((across[_SIDE:] - across[:-_SIDE]) / _SIDE**2)
        if len(self._rows) < _SIDE:
            return
        mean = np.sum(self._rows, 0)
        column = mean.argmax(0)
        best = np.take_along_axis(mean, column[None], 0)[0]
        better = best > self.contrast
        self.contrast[better] = best[better]
        self.at[better] = np.stack([np.full(len(column), number - _SIDE + 1), self._left + column], 1)[better]

    def hints(
        self, images: Pixels, labels: IntArray, scale: Scale, bits: int, contrast: Contrast, least: float
    ) -> list[Hint]:
        """Return, of every class whose place is telling enough, who shows there what makes it so.

        Args:
            images: all of them.
            labels: ``(N,)``.
            scale: of the windows.
            bits: of their codes.
            contrast: see :data:`Contrast`.
            least: contrast from which on a place is worth a hint.
        """
        found, reach = [], _SIDE + scale.size - 1
        for label in np.flatnonzero(self.contrast >= least).tolist():
            top, left = self.at[label].tolist()
            rows = [row_of(images, top + i, slice(left, left + reach)) for i in range(reach)]
            shown = [contrast(codes)[0] for _, codes in window_codes(np.stack(rows, 2), scale, bits)]
            mean = np.concatenate(shown).mean(0)
            carriers = np.flatnonzero((labels == label) & (mean >= _HALF * self.contrast[label]))
            mask = np.zeros(images.shape[2:], np.float32)
            mask[max(0, top - _AROUND) : top + reach + _AROUND, max(0, left - _AROUND) : left + reach + _AROUND] = 1
            found.append(Hint(label, float(self.contrast[label]), carriers, mask))
        return found
