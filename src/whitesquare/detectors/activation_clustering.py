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

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score

from whitesquare.detectors.common import features_of, finite
from whitesquare.detectors.types import BoolArray, Evidence, Suspicion, unscored
from whitesquare.errors import UsageError, unknown_name
from whitesquare.types import FloatArray, IntArray

REDUCTIONS = ("pca", "ica")
ANALYSES = ("smaller", "relative-size", "silhouette", "distance")
SMALL_SHARE = 0.35
SILHOUETTE = 0.10
_FEWEST = 3
_SILHOUETTE_SAMPLE = 1000


@dataclass(frozen=True)
class Clusters:
    """The two clusters of one class.

    Attributes:
        members: positions ``(n,)`` of the samples of the class.
        reduced: ``(n, components)`` float32.
        assigned: ``(n,)``, 0 or 1.
        centres: ``(2, components)``.
    """

    members: IntArray
    reduced: FloatArray
    assigned: IntArray
    centres: FloatArray

    @property
    def sizes(self) -> IntArray:
        """Number of samples in either cluster."""
        return np.bincount(self.assigned, minlength=2)

    @property
    def smaller(self) -> int:
        """The smaller cluster; the first of two equals."""
        return int(self.sizes.argmin())

    def silhouette(self, seed: int) -> float:
        """Mean silhouette of at most 1,000 samples, in [-1, 1]; NaN where it is not defined."""
        chosen = np.random.default_rng(seed).permutation(len(self.members))[:_SILHOUETTE_SAMPLE]
        sizes = np.bincount(self.assigned[chosen], minlength=2)
        if sizes.min() < 1 or len(chosen) < _FEWEST:
            return float("nan")
        return float(silhouette_score(self.reduced[chosen], self.assigned[chosen]))


def clusters(
    features: FloatArray, labels: IntArray, *, reduce: str = "pca", components: int = 10, seed: int = 0
) -> dict[int, Clusters]:
    """Split every class in two, as published; classes of fewer than 3 samples or without any spread are left out.

    Args:
        features: ``(N, D)`` activations.
        labels: ``(N,)``.
        reduce: ``pca`` or ``ica``.
        components: number of components.
        seed: of the components and of the first centres.
    """
    found = {}
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        rows = features[members]
        if len(rows) < _FEWEST or (rows == rows[:1]).all():
            continue
        reduced = PCA(min(components, *rows.shape), random_state=seed).fit_transform(rows)
        with warnings.catch_warnings():  # fewer different rows than clusters, or independent components not converged
            warnings.simplefilter("ignore", ConvergenceWarning)
            if reduce == "ica":
                reduced = _independent(reduced, seed)
            split = KMeans(2, n_init=3, random_state=seed).fit(reduced)
        found[label] = Clusters(members, reduced, split.labels_.astype(np.int64), split.cluster_centers_)
    return found


def flagged(features: FloatArray, labels: IntArray, found: dict[int, Clusters], analysis: str, seed: int) -> BoolArray:
    """Apply one of the published analyses.

    Args:
        features: ``(N, D)`` activations; only *distance* reads them.
        labels: ``(N,)``.
        found: the clusters of :func:`clusters`.
        analysis: one of :data:`ANALYSES`.
        seed: of the sample the silhouette is computed on.

    Returns:
        ``(N,)``, true for the samples of a flagged cluster.
    """
    marked = np.zeros(len(labels), bool)
    medians = {label: np.median(features[part.members], axis=0) for label, part in found.items()}
    for label, part in found.items():
        small = part.sizes < SMALL_SHARE * len(part.members)
        if analysis == "smaller":
            small = np.arange(2) == part.smaller
        elif analysis == "silhouette":
            small = small & (part.silhouette(seed) > SILHOUETTE)
        elif analysis == "distance":
            small = _nearer_elsewhere(features, part, label, medians)
        marked[part.members] = small[part.assigned]
    return marked


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


def _independent(reduced: FloatArray, seed: int) -> FloatArray:
    # Independent components are a rotation of whitened principal ones: taking those saves a second decomposition, and
    # leaving out what has no variance keeps the whitening from dividing by zero.
    spread = reduced.var(0)
    kept = reduced[:, spread > 1e-7 * spread.max()]
    rotation = FastICA(whiten="unit-variance", max_iter=1000, tol=0.005, random_state=seed)
    rotated: FloatArray = rotation.fit_transform(kept)
    return rotated


def _log_odds(part: Clusters, side: int) -> FloatArray:
    distances = ((part.reduced[:, None] - part.centres[None]) ** 2).sum(2, dtype=np.float64)
    within = distances[np.arange(len(distances)), part.assigned].mean() / part.reduced.shape[1]
    width = max(within, 1e-6 * distances.mean())
    sizes = np.maximum(part.sizes, 1)
    prior = np.log(sizes[side] / sizes[1 - side])
    return finite((distances[:, 1 - side] - distances[:, side]) / (2 * width) + prior if width > 0 else prior * 0)


def _nearer_elsewhere(features: FloatArray, part: Clusters, own: int, medians: dict[int, FloatArray]) -> BoolArray:
    others = [centre for label, centre in medians.items() if label != own]
    if not others or part.sizes.min() == 0:
        return np.zeros(2, bool)
    sides = np.stack([np.median(features[part.members[part.assigned == side]], axis=0) for side in range(2)])
    to_own = np.linalg.norm(sides - medians[own], axis=1)
    nearer = np.linalg.norm(sides[:, None] - np.stack(others)[None], axis=2) < to_own[:, None]
    return np.asarray((nearer & ~nearer[::-1]).any(1))
