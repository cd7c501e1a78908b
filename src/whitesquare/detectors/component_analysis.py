"""SCAn: does one Gaussian explain a class, or two of the shape that all classes share?

Citation: Tang, Wang, Tang and Zhang, "Demon in the variant: statistical analysis of DNNs for robust backdoor
contamination detection", USENIX Security 2021 (arXiv:1908.00686).
Formula: activations are x = mu_class + e with mu ~ N(0, Su), e ~ N(0, Se); EM estimates both covariances. With the
metric F = Se^-1, every class is split in two at the best linear boundary, which is 2-means in the whitened space, and
J = sum of [(x - mu)' F (x - mu) - (x - u_side)' F (x - u_side)] says how much better two centres explain it.
Score: the log-likelihood ratio of the suspected side, (|x - u_other|^2 - |x - u_side|^2) / 2 in the metric F. Class
statistic: (J/n - median) / (1.4826 MAD) over the classes; the paper calls above e^2 = 7.39 infected.
Model: fitted on the trusted samples if every class has two of them, else on all samples.
Side: where a class has trusted members, the side with the lower *rate* of them. Else the side farther from the mean of
the other classes: a trigger for a class adds to what speaks for it. That is a guess; without trusted samples only the
split means something.
Deviations: J per sample, as in ports of the method, so that large classes do not win; one-sided; trusted rates where
the authors' rule compares counts; the EM works on class means and one scatter matrix, not on samples; the split starts
from principal axes of the whitened class instead of at random, and the best start wins.
Cost: one D^3 per step of the EM, D per sample and step of 2-means.
Ours, MNIST, 600 samples relabelled as 0 with a square (9 % of the class, one run): AUROC in the class 1.00, statistic
93 (other classes at most 0.7) with 1,000 trusted samples; 0.97 and -0.4 without: what the poison adds to the spread of
its class is then part of Se, so without trusted samples the statistic says nothing.
Failure modes: few classes (no MAD of two); cover samples made against it; classes with two natural kinds. It assumes no
minority, so half of a class is no worse than a tenth.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import eigh
from sklearn.cluster import KMeans

from whitesquare.detectors.common import Float64Array, centred, features_of, finite, one_thread, principal_axes
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.types import FloatArray, IntArray

_FEWEST = 4
_MOST_DIMENSIONS = 256
_RIDGE = 1e-4


@dataclass(frozen=True)
class ComponentAnalysis:
    """Two-component decomposition and likelihood-ratio test.

    Attributes:
        steps: EM steps at most, at least 1.
        starts: principal axes of a class from which its split is started, at least 1.
    """

    name: ClassVar[str] = "component-analysis"
    rule_id: ClassVar[str] = "SC01"
    family: ClassVar[str] = "latent"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    steps: int = 100
    starts: int = 5

    def __post_init__(self) -> None:
        """Refuse counts below 1."""
        if min(self.steps, self.starts) < 1:
            raise UsageError(f"The steps and starts must be at least 1; got {self.steps} and {self.starts}.")

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every class of at least 4 samples that vary."""
        with one_thread():
            return self._score(evidence)

    def _score(self, evidence: Evidence) -> Suspicion:
        features, result, present = features_of(evidence), unscored(evidence), by_class(evidence)
        groups = [members for _, members in present]
        trusted = [members[evidence.trusted[members]] for members in groups]
        fitted = trusted if trusted and min(map(len, trusted)) >= 2 else groups
        whiten = whitening(features, fitted, self.steps) if groups else np.zeros((0, 0))
        if not whiten.shape[1]:
            return result
        means = np.stack([features[members].mean(0, dtype=np.float64) for members in groups]) @ whiten
        gains = {}
        for done, (label, members) in enumerate(present):
            white = np.asarray(features[members], np.float64) @ whiten
            if len(members) >= _FEWEST and np.ptp(white, axis=0).max() > 0:
                sides, centres, gains[label] = split(white, self.starts)
                other = np.delete(means, done, axis=0).mean(0) if len(means) > 1 else white.mean(0)
                side = _side(sides, centres, evidence.trusted[members], other)
                distances = ((white[:, None] - centres[None]) ** 2).sum(2)
                result.scores[members] = finite((distances[:, 1 - side] - distances[:, side]) / 2)
            evidence.on_progress("splitting classes", done + 1, len(present))
        if gains:
            result.class_stats[list(gains)] = _outlying(np.array(list(gains.values())))
        return result


def whitening(features: FloatArray, groups: list[IntArray], steps: int) -> Float64Array:
    """Fit the two-component model by EM and return the matrix that makes the spread within classes round.

    Args:
        features: ``(N, D)``.
        groups: positions of the samples of every class to fit on.
        steps: EM steps at most.

    Returns:
        ``(D, r)`` matrix P with P P' = F on the r directions with any spread; r may be 0.
    """
    rows = centred(features[np.concatenate(groups)])
    # Units that never fire make Se singular: work on the directions that vary at all.
    variances, axes, _ = principal_axes(rows, min(_MOST_DIMENSIONS, max(1, len(rows) - len(groups))))
    if not len(variances):
        return np.zeros((features.shape[1], 0))
    rows = rows @ axes
    sizes = np.array([len(group) for group in groups], np.float64)
    parts = np.split(rows, np.cumsum(sizes).astype(np.int64)[:-1])
    means = np.stack([part.mean(0) for part in parts])
    spread = [part - mean for part, mean in zip(parts, means, strict=True)]
    scatter = np.sum([part.T @ part for part in spread], axis=0) / len(rows)
    overall = (np.trace(scatter) + np.trace(rows.T @ rows) / len(rows)) / len(scatter)
    ridge = _RIDGE * overall * np.eye(len(scatter))
    weights, within, between = sizes / sizes.sum(), scatter, (means.T * sizes) @ means / sizes.sum()
    for _ in range(steps):
        # W' Se W = I and W' Su W = diag(ratios): every inverse of the published step is diagonal there.
        ratios, basis = eigh(between, within + ridge)
        ratios = np.maximum(ratios, 0)
        shrink = (sizes[:, None] * ratios) / (sizes[:, None] * ratios + 1)
        centres = (means @ basis) * shrink @ np.linalg.inv(basis)
        residual = means - centres
        newer = scatter + (residual.T * weights) @ residual
        apart = centres - weights @ centres
        newer_between = (apart.T * weights) @ apart
        change = np.linalg.norm(newer - within) + np.linalg.norm(newer_between - between)
        within, between = newer, newer_between
        if change < 1e-5:
            break
    values, vectors = np.linalg.eigh(within + ridge)
    return np.asarray(axes @ (vectors / np.sqrt(values)))


def split(white: Float64Array, starts: int) -> tuple[IntArray, Float64Array, float]:
    """Split a whitened class ``(n, r)`` in two; return sides ``(n,)``, centres ``(2, r)`` and J / n."""
    moved = white - white.mean(0)
    _, axes, _ = principal_axes(moved, starts)
    best, lowest = None, np.inf
    for axis in axes.T:
        upper = moved @ axis > 0
        if upper.any() and not upper.all():
            first = np.stack([white[~upper].mean(0), white[upper].mean(0)])
            found = KMeans(2, init=first, n_init=1, max_iter=100).fit(white)
            if found.inertia_ < lowest:
                best, lowest = found, found.inertia_
    if best is None:
        return np.zeros(len(white), np.int64), np.stack([white.mean(0)] * 2), 0.0
    gain = ((moved**2).sum() - lowest) / len(white)
    return best.labels_.astype(np.int64), best.cluster_centers_, float(gain)


def _side(sides: IntArray, centres: Float64Array, trusted: np.ndarray, other: Float64Array) -> int:
    sizes = np.bincount(sides, minlength=2)
    known = np.bincount(sides, weights=trusted, minlength=2) / np.maximum(sizes, 1)
    if known[0] != known[1]:
        return int(known.argmin())
    return int(((centres - other) ** 2).sum(1).argmax())


def _outlying(gains: Float64Array) -> FloatArray:
    middle = np.median(gains)
    deviation = 1.4826 * np.median(np.abs(gains - middle))
    return finite((gains - middle) / deviation) if deviation > 0 else np.full(len(gains), np.nan, np.float32)
