"""Confident learning: does a model that never saw a sample agree with its label?

Citation: Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 2021
(arXiv:1911.00068).
Formula: with out-of-fold probabilities p, the threshold of class j is t_j = mean of p_j over the samples labelled j. A
sample is counted as a label error if, among the classes with p_j >= t_j, the most probable is not its label. The score
is (1 - p_y) + [max over j != y of (p_j - t_j) - (p_y - t_y)]: how little speaks for the label, and by how much another
class is ahead, each class measured by what is usual for it. Class statistic: the share of label errors.
Deviations: the probabilities are shares of votes of nearest neighbours on thumbnails, as in
:mod:`whitesquare.learning.label_check` and for the same reason: a network learns the trigger in every fold and then
agrees with the wrong labels. The neighbours are at most ``pool`` samples of each class and fold, which is fast and
weighs all classes alike. The two published scores, self-confidence and normalised margin, are added.
Cost: N * classes * pool * 196 multiplications, for thumbnails of 14 x 14.
Failure modes: correct labels, hence all clean-label poison; classes that pixels do not tell apart; many classes with
few samples.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.neighbors import NearestNeighbors

from whitesquare.detectors.common import Float64Array, finite, images_at_once
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.learning.label_check import thumbnails
from whitesquare.types import FloatArray, IntArray

_CHUNK = 10_000
_UNIT = 2**30
"""Of a probability, so that counts of them are exact."""


@dataclass(frozen=True)
class ConfidentLearning:
    """Out-of-fold votes against the label.

    Attributes:
        folds: a sample's voters come from the other folds; at least 2.
        neighbours: voters per sample, at least 1.
        pool: samples of a class that may vote in a fold, at least 1.
    """

    name: ClassVar[str] = "confident-learning"
    rule_id: ClassVar[str] = "CL01"
    family: ClassVar[str] = "label"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    folds: int = 2
    neighbours: int = 10
    pool: int = 500

    def __post_init__(self) -> None:
        """Refuse fewer than two folds, and no neighbours."""
        if self.folds < 2 or min(self.neighbours, self.pool) < 1:
            raise UsageError(
                f"There must be at least 2 folds, 1 neighbour and 1 voter; got {self.folds}, {self.neighbours} and "
                f"{self.pool}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample; with fewer than two classes there is nothing to confuse, and nothing is scored."""
        result, present = unscored(evidence), [label for label, _ in by_class(evidence)]
        if len(present) < 2 or len(evidence.labels) < 2 * self.folds:
            return result
        size = len(present)
        labels = np.searchsorted(present, evidence.labels)
        parts = [slice(start, start + _CHUNK) for start in range(0, len(labels), _CHUNK)]
        if evidence.pred_probs is not None:
            return _of_stored(evidence.pred_probs, evidence.labels, parts, result)
        voters = self._voters(evidence, labels)
        own = (voters == labels[:, None]).mean(1)
        usual = np.bincount(labels, weights=own, minlength=size) / np.bincount(labels, minlength=size)
        wrong = np.zeros(len(labels), bool)
        for part in parts:
            margin, wrong[part] = _against(_shares(voters[part], size), labels[part], usual)
            result.scores[part] = finite(1 - own[part] + margin)
        result.class_stats[present] = np.bincount(labels, weights=wrong, minlength=size) / np.bincount(labels)
        return result

    def _voters(self, evidence: Evidence, labels: IntArray) -> IntArray:
        """Return the labels ``(N, neighbours)`` of the nearest neighbours of every sample in the other folds."""
        rng = np.random.default_rng(evidence.seed)
        pixels = _small(evidence)
        fold = rng.permutation(len(labels)) % self.folds
        found = np.empty((len(labels), min(self.neighbours, self._fewest(fold))), np.int64)
        for number in range(self.folds):
            asked, known = np.flatnonzero(fold == number), rng.permutation(np.flatnonzero(fold != number))
            # Position of every sample within its class: the first `pool` of each class vote.
            order = known[labels[known].argsort(kind="stable")]
            starts = np.searchsorted(labels[order], labels[order], side="left")
            voting = order[np.arange(len(order)) - starts < self.pool]
            count = min(found.shape[1], len(voting))
            search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(pixels[voting])
            nearest = labels[voting[search.kneighbors(pixels[asked], return_distance=False)]]
            found[asked] = nearest[:, np.arange(found.shape[1]) % count]
            evidence.on_progress("checking labels", number + 1, self.folds)
        return found

    def _fewest(self, fold: IntArray) -> int:
        return len(fold) - int(np.bincount(fold).max())


@dataclass(frozen=True)
class OwnShares:
    """What samples are given for their own labels, in whole numbers, so that parts add up to the same in any order.

    Attributes:
        sums: ``(K,)`` of the probabilities of the samples of each class for it, in units of 2**-30.
        sizes: ``(K,)`` number of those samples.
    """

    sums: IntArray
    sizes: IntArray

    @classmethod
    def of(cls, given: FloatArray, labels: IntArray) -> "OwnShares":
        """Count samples with probabilities ``(n, K)`` and labels ``(n,)``."""
        sums = np.zeros(given.shape[1], np.int64)
        np.add.at(sums, labels, _units(given[np.arange(len(labels)), labels]))
        return cls(sums, np.bincount(labels, minlength=given.shape[1]).astype(np.int64))

    def merged(self, other: "OwnShares") -> "OwnShares":
        """Add those of other samples."""
        return OwnShares(self.sums + other.sums, self.sizes + other.sizes)


def judged_by(given: FloatArray, labels: IntArray, usual: OwnShares) -> tuple[FloatArray, IntArray]:
    """Score samples by their stored probabilities, and count them in the confident joint.

    Args:
        given: ``(n, K)`` probabilities by models that had not seen the sample.
        labels: ``(n,)``.
        usual: of all samples.

    Returns:
        Scores ``(n,)``, and ``(K, K)`` counts: row = label, column = the most probable class that is at least as
        probable as it usually is for its own; samples for which none is are not counted.
    """
    kinds, rows, there = given.shape[1], np.arange(len(labels)), usual.sizes > 0
    units = _units(given)
    confident = np.where((units * usual.sizes >= usual.sums) & there, units, -1)
    best = confident.argmax(1)
    ahead = given.astype(np.float64)
    own = ahead[rows, labels].copy()
    ahead -= usual.sums / (_UNIT * np.maximum(usual.sizes, 1))
    ahead[:, ~there] = -np.inf
    mine = ahead[rows, labels].copy()
    ahead[rows, labels] = -np.inf
    counted = confident.max(1) >= 0
    joint = np.bincount(labels[counted] * kinds + best[counted], minlength=kinds * kinds)
    return finite(1 - own + (ahead.max(1) - mine)), joint.reshape(kinds, kinds)


def label_errors(joint: IntArray, sizes: IntArray) -> FloatArray:
    """Return the share ``(K,)`` of label errors of each class by the confident joint; NaN where it has no sample."""
    wrong = joint.sum(1) - joint.diagonal()
    shares: FloatArray = np.divide(wrong, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0).astype(np.float32)
    return shares


def _units(given: FloatArray) -> IntArray:
    units: IntArray = (given.astype(np.float64) * _UNIT).astype(np.int64)
    return units


def _of_stored(given: FloatArray, labels: IntArray, parts: list[slice], result: Suspicion) -> Suspicion:
    usual = OwnShares.of(given, labels)
    joint = np.zeros((given.shape[1], given.shape[1]), np.int64)
    for part in parts:
        result.scores[part], counted = judged_by(given[part], labels[part], usual)
        joint += counted
    result.class_stats[:] = label_errors(joint, usual.sizes)
    return result


def _small(evidence: Evidence) -> FloatArray:
    few = images_at_once(evidence.images.shape, _CHUNK)
    parts = [thumbnails(evidence.images[start : start + few]) for start in range(0, len(evidence.labels), few)]
    return np.concatenate(parts)


def _shares(voters: IntArray, classes: int) -> Float64Array:
    """Return the share ``(B, K)`` of the voters of each sample that are of each class."""
    offsets = np.arange(len(voters))[:, None] * classes
    counts = np.bincount((voters + offsets).ravel(), minlength=len(voters) * classes)
    shares: Float64Array = counts / voters.shape[1]
    return shares.reshape(-1, classes)


def _against(shares: Float64Array, labels: IntArray, usual: Float64Array) -> tuple[Float64Array, np.ndarray]:
    """Return the normalised margin of the best other class, and whether a sample counts as a label error."""
    rows = np.arange(len(labels))
    confident = np.where(shares >= usual, shares, -1.0)
    best = confident.argmax(1)
    wrong = (confident.max(1) >= 0) & (best != labels)
    ahead = shares - usual
    own = ahead[rows, labels].copy()
    ahead[rows, labels] = -np.inf
    return ahead.max(1) - own, wrong
