"""Two clusters of activations per class, and what the published analyses make of them.

For the citation, and for where this differs from the authors' and other code, see
:mod:`whitesquare.detectors.activation_clustering`.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score

from whitesquare.detectors.common import one_thread
from whitesquare.detectors.types import BoolArray
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
        if len(rows) >= _FEWEST and not (rows == rows[:1]).all():
            with one_thread(), warnings.catch_warnings():
                # Fewer different rows than clusters, or independent components that have not converged.
                warnings.simplefilter("ignore", ConvergenceWarning)
                found[label] = _split(members, rows, reduce, components, seed)
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


def _split(members: IntArray, rows: FloatArray, reduce: str, components: int, seed: int) -> Clusters:
    reduced = PCA(min(components, *rows.shape), random_state=seed).fit_transform(rows)
    if reduce == "ica":
        reduced = _independent(reduced, seed)
    split = KMeans(2, n_init=3, random_state=seed).fit(reduced)
    return Clusters(members, reduced, split.labels_.astype(np.int64), split.cluster_centers_)


def _independent(reduced: FloatArray, seed: int) -> FloatArray:
    # Independent components are a rotation of whitened principal ones: taking those saves a second decomposition, and
    # leaving out what has no variance keeps the whitening from dividing by zero.
    spread = reduced.var(0)
    kept = reduced[:, spread > 1e-7 * spread.max()]
    rotation = FastICA(whiten="unit-variance", max_iter=1000, tol=0.005, random_state=seed)
    rotated: FloatArray = rotation.fit_transform(kept)
    return rotated


def _nearer_elsewhere(features: FloatArray, part: Clusters, own: int, medians: dict[int, FloatArray]) -> BoolArray:
    others = [centre for label, centre in medians.items() if label != own]
    if not others or part.sizes.min() == 0:
        return np.zeros(2, bool)
    sides = np.stack([np.median(features[part.members[part.assigned == side]], axis=0) for side in range(2)])
    to_own = np.linalg.norm(sides - medians[own], axis=1)
    nearer = np.linalg.norm(sides[:, None] - np.stack(others)[None], axis=2) < to_own[:, None]
    return np.asarray((nearer & ~nearer[::-1]).any(1))
