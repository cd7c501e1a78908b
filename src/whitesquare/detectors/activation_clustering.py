"""Activation clustering: a poisoned class falls into two clusters of activations.

Citation: Chen et al., "Detecting backdoor attacks on deep neural networks by activation clustering", 2018
(arXiv:1811.03728).
Formula: per class, penultimate activations are reduced to 10 components (independent ones in the paper) and split by
2-means. The analyses flag (*smaller*) the smaller cluster; (*relative-size*) a cluster with less than 35 % of the
class; (*silhouette*) such a cluster only if the mean silhouette exceeds 0.10; (*distance*) a cluster whose median is
nearer to the median of another class than to that of its own class, while its sibling's is not.
Score: the clusters as a mixture of two round Gaussians of one width s give the log-odds of the suspected side,
(|x - other|^2 - |x - side|^2) / 2 s^2 + log(n_side / n_other): a ranking whose sign is the published cut (up to the
prior). The side is the smaller cluster, or the one that *distance* flags. Class statistic: the mean silhouette, of at
most 1,000 members.
Deviations: PCA is the default, as in IBM's toolbox (ART): independent components all have the variance one, so that the
direction of the poison counts no more than nine others, and 2-means splits along any of them; *distance* compares
medians of the activations themselves, where ART compares coordinates of a separate PCA for each class, which have
nothing to do with one another; ART's *silhouette* marks the poison cluster as clean, ours does not. Exclusionary
reclassification is left out: it needs one more training, and it clears clean-label poison, which is reclassified as
its own label.
Cost: one pass, and D^2 per sample.
Failure modes: half of the class poisoned (the clusters have one size, the side is a coin toss); less than 1 %;
classes that fall into two for another reason; attacks made against it. On the project's own headline poison (half of
the zeros) the clusters agree with the poison at chance.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.common import features_of, finite, one_thread
from whitesquare.detectors.two_clusters import ANALYSES, REDUCTIONS, Clusters, clusters, flagged
from whitesquare.detectors.types import Evidence, Suspicion, unscored
from whitesquare.errors import UsageError, unknown_name
from whitesquare.types import FloatArray


@dataclass(frozen=True)
class ActivationClustering:
    """Two clusters of activations in every class.

    Attributes:
        reduce: ``pca`` or ``ica``.
        components: components the activations are reduced to, at least 1.
        analysis: one of :data:`ANALYSES`; it decides which side of a class is the suspected one.
    """

    name: ClassVar[str] = "activation-clustering"
    rule_id: ClassVar[str] = "AC01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    reduce: str = "pca"
    components: int = 10
    analysis: str = "smaller"

    def __post_init__(self) -> None:
        """Refuse unknown names and fewer than one component."""
        if self.reduce not in REDUCTIONS:
            raise unknown_name("reduction", self.reduce, REDUCTIONS)
        if self.analysis not in ANALYSES:
            raise unknown_name("analysis", self.analysis, ANALYSES)
        if self.components < 1:
            raise UsageError(f"The parameter 'components' must be at least 1; got {self.components}.")

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the log-odds of the suspected cluster; classes without two clusters stay unscored."""
        with one_thread():
            return self._score(evidence)

    def _score(self, evidence: Evidence) -> Suspicion:
        features, labels = features_of(evidence), evidence.labels
        found = clusters(features, labels, reduce=self.reduce, components=self.components, seed=evidence.seed)
        result = unscored(evidence)
        marked = flagged(features, labels, found, "distance", evidence.seed) if self.analysis == "distance" else None
        for label, part in found.items():
            side = part.smaller
            if marked is not None and marked[part.members].any():
                side = int(part.assigned[marked[part.members].argmax()])
            result.scores[part.members] = _log_odds(part, side)
            result.class_stats[label] = part.silhouette(evidence.seed)
        return result


def _log_odds(part: Clusters, side: int) -> FloatArray:
    distances = ((part.reduced[:, None] - part.centres[None]) ** 2).sum(2, dtype=np.float64)
    within = distances[np.arange(len(distances)), part.assigned].mean() / part.reduced.shape[1]
    width = max(within, 1e-6 * distances.mean())
    sizes = np.maximum(part.sizes, 1)
    prior = np.log(sizes[side] / sizes[1 - side])
    return finite((distances[:, 1 - side] - distances[:, side]) / (2 * width) + prior if width > 0 else prior * 0)
