"""Beatrix: do the products of feature maps, in several powers, stay where those of the class are?

Citation: Ma et al., "The Beatrix resurrections: robust backdoor detection via Gram matrices", NDSS 2023
(arXiv:2209.11715).
Formula: of the feature maps A (channels x places) of one layer, for orders p = 1..8: G_p = (A^p A^p')^(1/p), powers
element by element with the sign kept, upper triangle. Per class, median m and MAD over a reference bound every entry by
m -+ 10 MAD; the score is the mean over entries and orders of relu(low - g) / |low| + relu(g - high) / |high|. Class
statistic: the mean score.
Reference: at most ``reference`` trusted members of the class if there are two or more of them, else as many of all its
members; other classes are no substitute. Without trusted samples whatever makes up most of the reference counts as
clean: at half of a class a handful of samples decides which, and above it the scores are upside down.
Deviations: a sample is compared with the class of its *label*, which is what a training set is scanned for, not with
that of its prediction; the class test of the paper (a kernel distance between flagged and unflagged) is left out. The
root 1/p is there, one port forgets the power. A denominator is at least 1 % of the mean |m| of the order: an entry that
is zero for the whole reference would give infinity. The layer is the last convolution.
Cost: one pass, and orders * channels^2 * places per sample; memory is bounded by working order by order and in batches
of at most 16 million products.
Failure modes: clean-label poison of which the class has much; few reference samples (a MAD of 30 is noisy); most clean
samples score exactly 0, so there is no ranking among them; networks without a convolution.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.common import Float64Array, class_means, finite, model_of
from whitesquare.detectors.gram_features import feature_maps, gram_features, products_of, scale_of, signed_power
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.types import Classifier, FloatArray, UInt8Array

Bounds = tuple[FloatArray, FloatArray, float]
"""Lowest and highest Gram features ``(channels, channels)``, infinite below the diagonal, and the least denominator."""

_FEWEST = 3


@dataclass(frozen=True)
class GramDensity:
    """Deviation of Gram features from the class.

    Attributes:
        orders: powers, each at least 1.
        width: MADs on either side of the median that are allowed, above 0.
        reference: members of a class its bounds are taken from, at least 2.
    """

    name: ClassVar[str] = "gram-density"
    rule_id: ClassVar[str] = "GD01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"model"})

    orders: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    width: float = 10.0
    reference: int = 100

    def __post_init__(self) -> None:
        """Refuse orders, a width and a reference out of range."""
        if not self.orders or min(self.orders) < 1 or not self.width > 0 or self.reference < 2:
            raise UsageError(
                f"The orders must be at least 1, the width above 0 and the reference at least 2; got {self.orders}, "
                f"{self.width} and {self.reference}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every class of at least 3 samples.

        Raises:
            CannotScoreError: if the network has no convolution.
        """
        model, result = model_of(evidence), unscored(evidence)
        rng, done = np.random.default_rng(evidence.seed), 0
        for _, members in by_class(evidence):
            if len(members) >= _FEWEST:
                trusted = members[evidence.trusted[members]]
                known = rng.permutation(trusted if len(trusted) >= 2 else members)[: self.reference]
                bounds = self._bounds(model, evidence.images[np.sort(known)])
                for part, maps in feature_maps(model, evidence.images, members):
                    result.scores[part] = finite(self._deviation(maps, bounds))
                    evidence.on_progress("comparing feature maps", done + len(part), len(evidence.labels))
                    done += len(part)
        return Suspicion(result.scores, class_means(evidence, result.scores))

    def _bounds(self, model: Classifier, images: UInt8Array) -> list[Bounds]:
        maps = np.concatenate([maps for _, maps in feature_maps(model, images, np.arange(len(images)))])
        upper = np.triu_indices(maps.shape[1])
        bounds = []
        for order in self.orders:
            gram = gram_features(maps, order)[:, *upper]
            middle = np.median(gram, axis=0)
            around = self.width * np.median(np.abs(gram - middle), axis=0)
            least = max(0.01 * float(np.abs(middle).mean()), 1e-12)
            low, high = (np.full(2 * maps.shape[1:2], side, np.float32) for side in (-np.inf, np.inf))
            low[upper], high[upper] = middle - around, middle + around
            bounds.append((low, high, least))
        return bounds

    def _deviation(self, maps: FloatArray, bounds: list[Bounds]) -> Float64Array:
        total = np.zeros(len(maps))
        entries = maps.shape[1] * (maps.shape[1] + 1) // 2
        scale = scale_of(maps)
        for order, (low, high, least) in zip(self.orders, bounds, strict=True):
            products = products_of(maps / scale, order)
            # Roots of what lies outside alone, and that is little: powers keep the order, so the bounds are powered.
            powered = [signed_power(bound / scale**2, order) for bound in (low, high)]
            sample, row, column = np.nonzero((products < powered[0]) | (products > powered[1]))
            root = signed_power(products[sample, row, column], 1 / order) * scale**2
            below, above = low[row, column], high[row, column]
            far = np.maximum(below - root, 0) / np.maximum(np.abs(below), least)
            far += np.maximum(root - above, 0) / np.maximum(np.abs(above), least)
            total += np.bincount(sample, weights=far, minlength=len(maps)) / entries
        return total / len(bounds)
