"""FLARE: somewhere in a network, what poison makes of a layer is less likely than all that clean samples make of it.

Citation: Hou et al., "FLARE: toward universal dataset purification against backdoor attacks", IEEE TIFS 2025
(arXiv:2411.19479).
Formula: a_l(x) is the least log-density, over channels and places, of what the l-th batch normalisation is given, under
the normal distribution with its running mean and variance. The vectors (a_1 ... a_L) of the whole data set are embedded
in the plane by UMAP (40 neighbours, least distance 0) and clustered by HDBSCAN (clusters of 100 or more). From the
largest cluster of the condensed tree on, its largest child is followed, three levels at most, until the density lambda
jumps by more than xi = 0.02; just below that the tree is cut, the largest cluster is benign, and the others are poison.
Where nothing jumps, the last layer is left out, then the last two, and so on. The score is 1 for poison, else 0; class
statistic: the share of poison.
Deviations: none in the formula. The authors' code looks at all layers only, and fails where nothing jumps; the paper,
which is followed here, goes on. What belongs to no cluster is benign, as there, and is never taken for the largest one.
Cost: a pass of all images, then UMAP and HDBSCAN: about a minute for 50,000 samples, for every layer left out.
Failure modes: networks without batch normalisation; fewer than 100 poisons, by construction; two classes, of which the
smaller may be called poison. It bounds no error rate: 2.89 % of clean samples, by its authors.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from whitesquare.detectors.common import class_means, images_at_once, model_of
from whitesquare.detectors.types import BoolArray, CannotScoreError, Evidence, Suspicion
from whitesquare.errors import MissingDependencyError, UsageError, require_extra
from whitesquare.types import FloatArray, UInt8Array

_CHUNK = 4000
_JUST_BELOW = 1e-4
_LEVELS = 3


@runtime_checkable
class Normalises(Protocol):
    """What a classifier has in addition if it is a network with batch normalisations."""

    @property
    def normalisations(self) -> int:
        """Number of batch normalisations."""

    def likelihoods(self, images: UInt8Array) -> FloatArray:
        """Return the least log-density of what each is given, ``(B, layers)``."""


@dataclass(frozen=True)
class LayerLikelihood:
    """Clusters of what a network finds unlikely, layer by layer.

    Attributes:
        xi: jump of the density from which on clusters are apart, above 0.
        neighbours: of a sample in the embedding, at least 2.
        smallest: samples in the smallest cluster, at least 2.
    """

    name: ClassVar[str] = "flare"
    rule_id: ClassVar[str] = "FL01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"model"})

    xi: float = 0.02
    neighbours: int = 40
    smallest: int = 100

    def __post_init__(self) -> None:
        """Refuse parameters out of range."""
        if not self.xi > 0 or self.neighbours < 2 or self.smallest < 2:
            raise UsageError(
                f"xi must be above 0, the neighbours and the smallest cluster at least 2; got {self.xi}, "
                f"{self.neighbours} and {self.smallest}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample 1 where it lies in a cluster apart, else 0.

        Raises:
            CannotScoreError: no batch normalisation, too few samples, or a part is not installed.
        """
        model, size = model_of(evidence), len(evidence.labels)
        if not isinstance(model, Normalises) or not model.normalisations:
            raise CannotScoreError("The network has no batch normalisation, whose inputs this detector looks at.")
        if size < max(2 * self.smallest, self.neighbours + 2):
            raise CannotScoreError(f"There are {size} samples, too few for two clusters of {self.smallest}.")
        try:
            require_extra("umap", "flare", "FLARE")
            require_extra("hdbscan", "flare", "FLARE")
        except MissingDependencyError as error:
            raise CannotScoreError(str(error)) from error
        rows, step = [], images_at_once(evidence.images.shape, _CHUNK)
        for start in range(0, size, step):
            rows.append(model.likelihoods(evidence.images[start : start + step]))
            evidence.on_progress("asking every layer", min(start + step, size), size)
        scores = self._apart(np.concatenate(rows), evidence).astype(np.float32)
        return Suspicion(scores, class_means(evidence, scores))

    def _apart(self, likelihoods: FloatArray, evidence: Evidence) -> BoolArray:
        """Leave out the last layers, one after the other, until the rest falls apart."""
        layers = likelihoods.shape[1]
        for kept in range(layers, 0, -1):
            evidence.on_progress("clustering what is unlikely", layers - kept, layers)
            found = self._clusters(likelihoods[:, :kept], evidence.seed)
            if found is not None:
                names, counts = np.unique(found[found >= 0], return_counts=True)
                apart: BoolArray = (found >= 0) & (found != names[counts.argmax()])
                return apart
        return np.zeros(len(likelihoods), np.bool_)

    def _clusters(self, likelihoods: FloatArray, seed: int) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """Return the cluster of every sample ``(N,)``, -1 for none; ``None`` where no cluster is apart."""
        from hdbscan import HDBSCAN
        from umap import UMAP

        embedding = UMAP(
            n_neighbors=self.neighbours, min_dist=0.0, n_components=2, random_state=seed, n_jobs=1
        ).fit_transform(likelihoods)
        fitted = HDBSCAN(min_cluster_size=self.smallest).fit(embedding)
        density = split_density(fitted.condensed_tree_.to_numpy(), self.xi)
        if density is None:
            return None
        cut = fitted.single_linkage_tree_.get_clusters(1 / (density - _JUST_BELOW), min_cluster_size=self.smallest)
        labels: np.ndarray[Any, np.dtype[np.int64]] = np.asarray(cut, np.int64)
        return labels if (labels >= 0).any() else None


def split_density(tree: np.ndarray[Any, np.dtype[np.void]], xi: float) -> float | None:
    """Return the density lambda at which the largest cluster is left by less than it had; ``None`` if nowhere.

    Args:
        tree: HDBSCAN's condensed tree, rows of ``parent``, ``child``, ``lambda_val`` and ``child_size``.
        xi: the jump of lambda, from one level to the next, that counts.
    """
    node = tree[tree["child_size"].argmax()]
    for _ in range(_LEVELS):
        children = tree[tree["parent"] == node["child"]]
        if not len(children):
            return None
        largest = children[children["child_size"].argmax()]
        if largest["lambda_val"] - node["lambda_val"] > xi:
            return float(largest["lambda_val"])
        node = largest
    return None
