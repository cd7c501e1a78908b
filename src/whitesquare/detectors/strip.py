"""STRIP: a triggered image keeps its class even with another image laid over it.

Citation: Gao et al., "STRIP: a defence against trojan attacks on deep neural networks", ACSAC 2019
(arXiv:1902.06531), here on the training set instead of on inputs in use.
Formula: H(x) = -(1/n) sum_j sum_k p_k log p_k with p = f(x + alpha x_j) for n overlays x_j; the score is -H, so that a
low entropy is suspicious. Class statistic: the mean score.
Deviations: 16 overlays where the paper takes 100, for the cost (the mean of 16 ranks nearly as well). The sum is
clipped to the range of an image, and every image has overlays of its own; a known toolbox adds normalised tensors
without clipping and lays one image over a whole batch. Overlays are trusted samples if there are any, else the samples
themselves: at a small poison rate few of them carry the trigger.
Cost: ``overlays`` passes.
Failure modes: triggers that do not survive an overlay (blended, sinusoidal, warped) or are specific to a source class;
clean-label poison, whose own content already speaks for its class; bright images, which an overlay hardly changes.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_softmax

from whitesquare.detectors.common import class_means, finite, images_at_once, model_of
from whitesquare.detectors.types import Evidence, Suspicion, unscored
from whitesquare.errors import UsageError
from whitesquare.types import IntArray, UInt8Array

_CHUNK = 4000


@dataclass(frozen=True)
class Strip:
    """Entropy under superposition.

    Attributes:
        overlays: images laid over every sample, at least 1.
        alpha: weight of the overlay, above 0.
    """

    name: ClassVar[str] = "strip"
    rule_id: ClassVar[str] = "ST01"
    family: ClassVar[str] = "response"
    needs: ClassVar[frozenset[str]] = frozenset({"model"})

    overlays: int = 16
    alpha: float = 1.0

    def __post_init__(self) -> None:
        """Refuse no overlays and a weight that is not positive."""
        if self.overlays < 1 or not self.alpha > 0:
            raise UsageError(
                f"The overlays must be at least 1 and alpha above 0; got {self.overlays} and {self.alpha}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by its negative mean entropy."""
        model, size = model_of(evidence), len(evidence.labels)
        if size == 0:
            return unscored(evidence)
        rng = np.random.default_rng(evidence.seed)
        pool = np.flatnonzero(evidence.trusted) if evidence.trusted.any() else np.arange(size)
        entropy, few = np.zeros(size), images_at_once(evidence.images.shape, _CHUNK)
        for done in range(self.overlays):
            partners = _partners(pool, size, rng)
            for start in range(0, size, few):
                part = slice(start, start + few)
                mixed = superpose(evidence.images[part], evidence.images[partners[part]], self.alpha)
                logs = log_softmax(model.logits(mixed).astype(np.float64), axis=1)
                entropy[part] -= (np.exp(logs) * logs).sum(1)
            evidence.on_progress("superposing", done + 1, self.overlays)
        scores = finite(-entropy / self.overlays)
        return Suspicion(scores, class_means(evidence, scores))


def superpose(images: UInt8Array, overlays: UInt8Array, alpha: float) -> UInt8Array:
    """Add ``alpha`` times the overlays to images ``(B, C, H, W)``, clipped to 0..255."""
    total = images.astype(np.float32)
    total += np.float32(alpha) * overlays
    return np.minimum(np.rint(total), 255).astype(np.uint8)


def _partners(pool: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    drawn = rng.integers(0, len(pool), size)
    # No sample is laid over itself: trusted ones would otherwise be a little more certain than all others.
    itself = pool[drawn] == np.arange(size)
    drawn[itself] = (drawn[itself] + 1) % len(pool)
    return pool[drawn]
