"""A faint pattern over the whole image: rebuilt from a few images of a class that agree beneath their content.

What many images share once their content is taken away is what a trigger added to them. The controls are rebuilt in
the same way from images that a random filter picks out of the same class: they agree with one another as well, only in
something that nobody put there.
"""

from collections.abc import Iterator

import numpy as np

from whitesquare.detectors.spectrum import smooth
from whitesquare.detectors.types import Evidence
from whitesquare.scanning.trigger import FoundTrigger, some
from whitesquare.types import FloatArray, IntArray, UInt8Array

FAINT = "faint"
_MOST_SAMPLES, _MOST_CARRIERS = 2000, 100
_CLIP = 3.0
_LEAST = 0.25
"""Grey levels: a pattern below it is rounding."""
_WAVES = 12
_RARE = 1e-4
_CHUNK = 4096


def rebuilt(evidence: Evidence, carriers: IntArray) -> FoundTrigger | None:
    """Return what some images share beneath their content; ``None`` if that is next to nothing.

    Args:
        evidence: the samples.
        carriers: positions of those that seem to carry it.
    """
    trigger = _shared(high_pass(evidence.images[some(carriers, evidence.seed, _MOST_CARRIERS)]))
    return trigger if float(np.abs(trigger.pattern).mean()) >= _LEAST else None


def carried_by(evidence: Evidence, trigger: FoundTrigger, label: int) -> IntArray:
    """Return the members of a class that show a faint pattern more clearly than one in 10,000 of the others does."""
    wave = trigger.pattern.mean(0).ravel()
    shown = np.concatenate(
        [
            _scale_free(high_pass(evidence.images[start : start + _CHUNK])) @ wave
            for start in range(0, len(evidence.labels), _CHUNK)
        ]
    )
    own = evidence.labels == label
    beyond: IntArray = np.flatnonzero(own & (shown > np.quantile(shown[~own], 1 - _RARE)))
    return beyond


def chance_triggers(
    evidence: Evidence, label: int, carriers: IntArray, images: int, count: int, rng: np.random.Generator
) -> Iterator[FoundTrigger]:
    """Give triggers rebuilt from images of the class that a random filter picks.

    Args:
        evidence: the samples.
        label: the class.
        carriers: positions that are left out.
        images: how many images each is rebuilt from.
        count: how many triggers.
        rng: draws samples and filters; a filter is a sum of twelve waves, as that of a detector.
    """
    pool = some(np.setdiff1d(evidence.members(label), carriers), evidence.seed, _MOST_SAMPLES)
    left = high_pass(evidence.images[pool])
    together = min(images, max(1, len(pool) // 4))
    rows = _scale_free(left)
    for _ in range(count):
        scores = rows @ _waves(left.shape[2], left.shape[3], rng)
        yield _shared(left[np.argpartition(-scores, together - 1)[:together]])


def high_pass(images: UInt8Array) -> FloatArray:
    """Return images ``(B, C, H, W)`` less their binomial blur over 3 x 3 pixels, in grey levels."""
    x = images.astype(np.float32)
    left: FloatArray = x - smooth(x)
    return left


def _shared(left: FloatArray) -> FoundTrigger:
    pattern = np.median(left, 0).astype(np.float32)
    everywhere = np.ones(pattern.shape[1:], np.float32)
    return FoundTrigger(FAINT, everywhere, pattern, np.zeros_like(pattern), len(left))


def _scale_free(left: FloatArray) -> FloatArray:
    """Bound what strong edges weigh: one row per image, in units of its own median."""
    grey = left.mean(1).reshape(len(left), -1)
    rows: FloatArray = np.clip(grey / (np.median(np.abs(grey), 1, keepdims=True) + 1), -_CLIP, _CLIP)
    return rows


def _waves(height: int, width: int, rng: np.random.Generator) -> FloatArray:
    spectrum = np.zeros((height, width // 2 + 1), np.complex64)
    at = rng.integers(1, spectrum.size, _WAVES)
    spectrum.flat[at] = np.exp(2j * np.pi * rng.random(_WAVES))
    waves: FloatArray = np.fft.irfft2(spectrum, (height, width)).astype(np.float32).ravel()
    return waves
