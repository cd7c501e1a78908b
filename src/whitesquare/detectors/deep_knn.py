"""Deep k-NN: does a sample lie among samples of another label?

Citation: Peri et al., "Deep k-NN defense against clean-label data poisoning attacks", 2020 (arXiv:1909.13374).
Formula: of the k nearest neighbours in the space of the penultimate activations, the share with another label. The
paper removes a sample whose label is not the most frequent among them. Class statistic: the mean share.
Deviations: the share ranks, where the paper's vote only cuts. Above 20,000 samples the neighbours are looked up among
``pool`` random ones: k of the pool stand for k N / pool of all.
Cost: N * min(N, pool) * D multiplications.
Failure modes: backdoor poison of which there is much, whose neighbours are poison with the same label, is not seen at
all (k should be more than twice the poisons of a class). Good for wrong labels and single collisions.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.neighbors import NearestNeighbors

from whitesquare.detectors.common import class_means, features_of, finite
from whitesquare.detectors.types import Evidence, Suspicion, unscored
from whitesquare.errors import UsageError
from whitesquare.records import Progress
from whitesquare.types import FloatArray, IntArray

_EXACT = 20_000
_CHUNK = 5000


@dataclass(frozen=True)
class DeepNeighbours:
    """Share of the nearest neighbours with another label.

    Attributes:
        k: neighbours, at least 1.
        pool: samples searched for neighbours where there are more than 20,000, at least k + 1.
    """

    name: ClassVar[str] = "deep-knn"
    rule_id: ClassVar[str] = "KN01"
    family: ClassVar[str] = "label"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    k: int = 50
    pool: int = 10_000

    def __post_init__(self) -> None:
        """Refuse fewer than one neighbour and a pool that does not hold them."""
        if self.k < 1 or self.pool <= self.k:
            raise UsageError(f"There must be at least 1 neighbour and more in the pool; got {self.k} and {self.pool}.")

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the share of neighbours with another label, in [0, 1]; a single sample has no neighbours."""
        features, labels = features_of(evidence), evidence.labels
        size = len(labels)
        if size < 2:
            return unscored(evidence)
        pool = np.arange(size)
        if size > _EXACT:
            pool = np.sort(np.random.default_rng(evidence.seed).choice(size, self.pool, replace=False))
        nearest = neighbours(features, pool, min(self.k, size - 1), evidence.on_progress)
        scores = finite((labels[nearest] != labels[:, None]).mean(1))
        return Suspicion(scores, class_means(evidence, scores))


def neighbours(features: FloatArray, pool: IntArray, k: int, on_progress: Progress) -> IntArray:
    """Return the positions ``(N, k)`` of the k samples of ``pool`` nearest to every sample, itself left out."""
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(features[pool])
    found = np.empty((len(features), k), np.int64)
    for start in range(0, len(features), _CHUNK):
        part = np.arange(start, min(start + _CHUNK, len(features)))
        near = pool[search.kneighbors(features[part], return_distance=False)]
        # The sample itself moves to the end, or else the farthest does; and the end is cut off.
        order = (near == part[:, None]).argsort(axis=1, kind="stable")
        found[part] = np.take_along_axis(near, order, axis=1)[:, :k]
        on_progress("looking up neighbours", int(part[-1]) + 1, len(features))
    return found
