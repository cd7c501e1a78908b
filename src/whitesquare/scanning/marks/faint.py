"""A faint pattern over the whole image: rebuilt from a few images of a class that agree beneath their content.

What many images share once their content is taken away is what a trigger added to them. The controls are rebuilt in
the same way from images that a random filter picks out of the same class: they agree with one another as well, only in
something that nobody put there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.fft import dctn, idctn

from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.spectrum import smooth
from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.marks.added import Added
from whitesquare.scanning.marks.types import AS_FOUND, FULL, Compared, FoundTrigger, some
from whitesquare.types import FloatArray, IntArray, UInt8Array

_FULL, _MOST = 12.0, 3.0
"""Mean grey level that it is driven to, and the most that it is multiplied by. Twice as far, a clean class of CIFAR-10
had a pattern that turned 29.5 % of other images, and no control more than 5.5 %."""
_FEWEST_SAMPLES, _MOST_SAMPLES, _VALUES = 200, 2000, 1 << 25
"""Samples that controls are rebuilt from, as many as have so many values."""
_MOST_CARRIERS = 100
_CLIP = 3.0
_LEAST = 0.25
"""Grey levels: a pattern below it is rounding."""
_NOISE = 1 / 128
"""What is left of a frequency below which it is more content than pattern, squared: see :func:`_undone`."""
_WAVES = 12
_RARE, _SELDOM = 1e-4, 1e-2
"""Share of the samples of other classes that seem to carry a pattern; and that seem to, perhaps."""
_CHUNK, _COPIES, _PART = 4096, 4, 1 << 20
"""Images that are worked on at a time, in so many copies; and numbers of them."""
_PIXELS = 4096
"""Pixels that tell the median of an image."""


@dataclass(frozen=True)
class FaintKind(Added):
    """A pattern beneath the content, added; see :class:`~whitesquare.scanning.marks.types.MarkKind`."""

    name: ClassVar[str] = "faint"
    placed: ClassVar[bool] = False
    by_pixels: ClassVar[bool] = False
    vague: ClassVar[int] = 2
    # Near-copies within a class share one as well.
    least_gain: ClassVar[float] = 0.25

    def strengths(self, trigger: FoundTrigger) -> dict[str, FoundTrigger]:
        """Return it as found, and driven to a level at which such triggers are used."""
        factor = min(_MOST, max(1.0, _FULL / _level(trigger)))
        return {AS_FOUND: trigger, FULL: replace(trigger, pattern=factor * trigger.pattern)}

    def controls(self, compared: Compared, rng: np.random.Generator) -> Iterator[FoundTrigger]:
        """Give what images share that a random filter picks: a sum of twelve waves, as that of a detector."""
        trigger, left = compared.trigger, free_of(compared)
        together = min(trigger.images, max(1, len(left) // 4))
        rows, level = _scale_free(left), _level(self.strengths(trigger)[compared.strength])
        for _ in range(compared.count):
            scores = rows @ _waves(left.shape[2], left.shape[3], rng)
            shared = _shared(left[np.argpartition(-scores, together - 1)[:together]])
            yield replace(shared, pattern=level / _level(shared) * shared.pattern)

    def carriers(self, evidence: Evidence, trigger: FoundTrigger, hint: Hint) -> IntArray:
        """Return the members that show it more clearly than one in 10,000 of the others does."""
        shown = _along(evidence, np.arange(len(evidence.labels)), _wave(trigger))
        own = evidence.labels == hint.label
        beyond: IntArray = np.flatnonzero(own & (shown > np.quantile(shown[~own], 1 - _RARE)))
        return beyond


def rebuilt(evidence: Evidence, carriers: IntArray) -> FoundTrigger | None:
    """Return what some images share beneath their content; ``None`` if that is next to nothing.

    Args:
        evidence: the samples.
        carriers: positions of those that seem to carry it.
    """
    trigger = _shared(high_pass(evidence.images[some(carriers, evidence.seed, _MOST_CARRIERS)]))
    return trigger if float(np.abs(trigger.pattern).mean()) >= _LEAST else None


def high_pass(images: UInt8Array) -> FloatArray:
    """Return images ``(B, C, H, W)`` less their binomial blur over 3 x 3 pixels, in grey levels."""
    return _high_pass(images.astype(np.float32))


def _high_pass(planes: FloatArray) -> FloatArray:
    left: FloatArray = planes - smooth(planes)
    return left


def _undone(residual: FloatArray) -> FloatArray:
    """Give back what the high pass took of a pattern ``(C, H, W)``, as far as that is not noise (Wiener's filter).

    The binomial filter, reflected at the borders, is diagonal under the cosine transform.
    """
    rows, columns = ((1 + np.cos(np.pi * np.arange(size) / size)) / 2 for size in residual.shape[1:])
    kept = 1 - np.outer(rows, columns)
    gain = kept / (kept**2 + _NOISE)
    pattern: FloatArray = idctn(dctn(residual, axes=(1, 2), norm="ortho") * gain, axes=(1, 2), norm="ortho")
    return pattern.astype(np.float32)


def _wave(trigger: FoundTrigger) -> FloatArray:
    wave: FloatArray = _high_pass(trigger.pattern).mean(0).ravel()
    return wave


def free_of(compared: Compared) -> FloatArray:
    """Return what is left of members that do not show the pattern, not even more faintly than carriers are known by.

    A few carriers among them would be what controls are made of: a filter that happens to resemble the pattern picks
    them all.
    """
    evidence, wave = compared.evidence, _wave(compared.trigger)
    most = max(_FEWEST_SAMPLES, min(_MOST_SAMPLES, _VALUES // int(np.prod(evidence.images.shape[1:]))))
    own = some(compared.unflagged, evidence.seed, most)
    others = some(np.flatnonzero(evidence.labels != compared.label), evidence.seed, most)
    usual, shown = np.quantile(_along(evidence, others, wave), 1 - _SELDOM), _along(evidence, own, wave)
    return high_pass(evidence.images[own[shown <= max(float(usual), float(shown.min()))]])


def _along(evidence: Evidence, positions: IntArray, wave: FloatArray) -> FloatArray:
    """Return how much some images show a pattern beneath their content, a few at a time."""
    few = max(1, images_at_once(evidence.images.shape, _CHUNK) // _COPIES)
    parts = [
        _scale_free(high_pass(evidence.images[positions[start : start + few]])) @ wave
        for start in range(0, len(positions), few)
    ]
    return np.concatenate([np.empty(0, np.float32), *parts])


def _level(trigger: FoundTrigger) -> float:
    """Return the mean of what is added to a pixel, either way, in grey levels."""
    return max(float(np.abs(trigger.pattern).mean()), 1e-6)


def _shared(left: FloatArray) -> FoundTrigger:
    pattern = _undone(np.median(left, 0).astype(np.float32))
    everywhere = np.ones(pattern.shape[1:], np.float32)
    return FoundTrigger(FaintKind(), everywhere, pattern, np.zeros_like(pattern), len(left))


def _scale_free(left: FloatArray) -> FloatArray:
    """Bound what strong edges weigh: one row per image, in units of its own median."""
    rows: FloatArray = left.mean(1).reshape(len(left), -1)
    few, step = max(1, _PART // rows.shape[1]), max(1, rows.shape[1] // _PIXELS)
    for start in range(0, len(rows), few):
        part = rows[start : start + few]
        part /= np.median(np.abs(part[:, ::step]), 1, keepdims=True) + 1
        np.clip(part, -_CLIP, _CLIP, out=part)
    return rows


def _waves(height: int, width: int, rng: np.random.Generator) -> FloatArray:
    spectrum = np.zeros((height, width // 2 + 1), np.complex64)
    at = rng.integers(1, spectrum.size, _WAVES)
    spectrum.flat[at] = np.exp(2j * np.pi * rng.random(_WAVES))
    waves: FloatArray = np.fft.irfft2(spectrum, (height, width)).astype(np.float32).ravel()
    return waves
