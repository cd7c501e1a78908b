"""AGPD: the gradients of a poisoned class point in two directions, those of a clean class in one.

Citation: Yuan et al., "Activation gradient based poisoned sample detection against backdoor attacks", ICLR 2025
(arXiv:2312.06230), with what only the authors' code says (BackdoorBench).
Formula: g_i is the derivative of the logit of a sample's label by the output of a convolution, its mean over places;
the reference of a class is the mean of g over at most ten trusted samples that the model reads as the class. The
sample least like it (cosine) is the first suspect. The dispersion of a class is the length of cos(g, reference) -
cos(g, suspect) over its n samples, by sqrt(n). Of all layers the one counts whose largest robust z of a class,
(dispersion - median) / (1.4826 MAD), is largest; classes with z > e^2 are targets. If there is none, layers -4 to -2
are asked for classes dispersed by more than 0.3, and the layer with the most of them counts (attacks on all classes).
In a target, r = d_suspects / (d_suspects + d_reference) with cosine distances d to the mean suspect; round by round,
samples whose r, scaled to [0, 1], is at most ``tau`` join the suspects, until all have. The histograms of r of those
left (99 bins) differ from round to round by a Jensen-Shannon distance; what had joined before the ``window`` rounds of
least mean + 5 deviations is poison.
Score: (1 + z) (joined + 1 - r) / 2. Class statistic: z, or e^2 dispersion / 0.3 where no z is beyond e^2. So the
authors' flags can be read off: class statistic above e^2, score above (1 + statistic) / 2.
Deviations: the authors return a set of samples and nothing else; the ranking inside and outside of it is ours. Every
convolution is asked, where they list those of three networks. Trusted samples are among those judged, and one of the
reference is compared with the others, so that its score is like that of any clean sample. Their code leaves out the
last round before the window, and so all poison where all joins in one round; here it is kept. With fewer rounds than
``window``, where their code ends in an error, the window is as long as they are. ``tau`` is not in their published
settings; 0.05 is ours.
Cost: one pass with gradients, and n * channels per round and class; the gradients of all layers are kept
(4 n * channels bytes).
Failure modes: it needs trusted samples of every class, and a poison among them is a clean one to it; the z over two or
three classes means little; the bound of 0.3 is that of deep networks: in the small ones for MNIST every class is beyond
it (5 % of 6,000 digits relabelled with a square, one run: AUROC 0.95, 98 % of the poison and 17 % of the clean samples
flagged). On as many of CIFAR-10 and the small residual network, which had learned the square on 9 % of the poison
only, the right class alone was a target (AUROC 0.91; 38 and 0.4 % flagged; one run). Whatever splits a class in two (a
sub-class, another camera) disperses it as well; of a few poisons, many clean samples are flagged with them before the
rounds are calm. In the authors' tables strong sinusoids (4 % false alarms) and simple patches (90 % found) are its
weakest. A network without convolutions.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from scipy.spatial.distance import jensenshannon

from whitesquare.detectors.common import Float64Array, finite, images_at_once, model_of
from whitesquare.detectors.types import BoolArray, CannotScoreError, Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.types import Classifier, FloatArray, IntArray, UInt8Array

_TARGET = float(np.exp(2))
_DISPERSED, _LATE = 0.3, slice(-4, -1)
_EDGES = np.linspace(0, 1, 100)
_CHUNK = 2000


@runtime_checkable
class ShowsSlopes(Protocol):
    """What a classifier has in addition if it is a network with convolutions that can be followed backwards."""

    def channel_slopes(self, images: UInt8Array, labels: IntArray) -> tuple[FloatArray, ...]:
        """Return, per convolution, the derivative of each image's own logit by its output, mean over places."""


@dataclass(frozen=True)
class ActivationGradients:
    """Gradients of activations that point away from those of trusted samples.

    Attributes:
        reference: trusted samples per class that make its reference, at least 1.
        tau: share of the range of r within which samples join the suspects, in (0, 1).
        window: rounds over which the change of r must be small and even, at least 2.
    """

    name: ClassVar[str] = "agpd"
    rule_id: ClassVar[str] = "AG01"
    family: ClassVar[str] = "response"
    needs: ClassVar[frozenset[str]] = frozenset({"model", "reference"})

    reference: int = 10
    tau: float = 0.05
    window: int = 10

    def __post_init__(self) -> None:
        """Refuse parameters out of range."""
        if self.reference < 1 or not 0 < self.tau < 1 or self.window < 2:
            raise UsageError(
                f"The reference must be at least 1, tau in (0, 1) and the window at least 2; got {self.reference}, "
                f"{self.tau} and {self.window}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every class of which the model reads a trusted sample.

        Raises:
            CannotScoreError: no trusted samples, none that the model reads, or a model without convolutions.
        """
        known, result = self._known(model_of(evidence), evidence), unscored(evidence)
        layers = _slopes(model_of(evidence), evidence)
        classes = [(label, members) for label, members in by_class(evidence) if label in known]
        marks = [np.isin(members, known[label]) for label, members in classes]
        gaps = np.array(
            [
                [_dispersion(layer[members], mark) for (_, members), mark in zip(classes, marks, strict=True)]
                for layer in layers
            ]
        )
        chosen, statistics = targets(gaps)
        for (label, members), mark, statistic in zip(classes, marks, statistics, strict=True):
            joined, r = separate(layers[chosen][members], mark, self.tau, self.window)
            result.scores[members] = finite((1 + statistic) * (joined + 1 - r) / 2)
            result.class_stats[label] = finite(statistic)
        return result

    def _known(self, model: Classifier, evidence: Evidence) -> dict[int, IntArray]:
        """Draw, for each class, trusted samples that the model reads as it."""
        trusted = np.flatnonzero(evidence.trusted)
        if not len(trusted):
            raise CannotScoreError("There are no trusted samples: this detector compares every class with a few of it.")
        read = trusted[model.logits(evidence.images[trusted]).argmax(1) == evidence.labels[trusted]]
        if not len(read):
            raise CannotScoreError(
                f"The model reads none of the {len(trusted)} trusted samples as its label, so no class has a reference."
            )
        rng = np.random.default_rng(evidence.seed)
        drawn = {label: rng.permutation(read[evidence.labels[read] == label]) for label, _ in by_class(evidence)}
        return {label: own[: self.reference] for label, own in drawn.items() if len(own)}


def targets(gaps: Float64Array) -> tuple[int, Float64Array]:
    """Choose the layer, and say how far each class stands out in it; beyond e^2 it is a target.

    Args:
        gaps: dispersion of every class in every layer ``(layers, classes)``.

    Returns:
        The position of the layer, and one statistic per class ``(classes,)``, at least 0.
    """
    middle = np.median(gaps, axis=1, keepdims=True)
    spread = np.median(np.abs(gaps - middle), axis=1, keepdims=True) + 1e-6
    z = np.maximum(gaps - middle, 0) / (1.4826 * spread)
    loudest = int(z.max(1).argmax())
    if z[loudest].max() <= _TARGET:
        late = np.arange(len(gaps))[_LATE]
        counts = (gaps[late] > _DISPERSED).sum(1)
        if counts.any():
            layer = int(late[counts.argmax()])
            return layer, _TARGET * gaps[layer] / _DISPERSED
    return loudest, z[loudest]


def separate(rows: FloatArray, known: BoolArray, tau: float, window: int) -> tuple[BoolArray, Float64Array]:
    """Part the samples of a class into suspects and the rest.

    Args:
        rows: gradients ``(n, channels)``.
        known: ``(n,)``: those that make the reference.
        tau: share of the range of r within which samples join.
        window: rounds over which the change of r must be small.

    Returns:
        ``(n,)`` whether a sample is a suspect, and its closeness r to them in [0, 1]: 0 is one of them.
    """
    apart, unit = 1 - _likeness(rows, known), _unit(rows)
    turn = np.where(apart == apart.max(), 0, len(rows))
    before: Float64Array | None = None
    changes: list[float] = []
    while (left := np.flatnonzero(turn == len(rows))).size:
        r = _closeness(rows, unit, turn < len(rows), apart)[left]
        near = r - r.min() <= tau * (r.max() - r.min())
        changes.append(_difference(r if before is None else before, r[~near]))
        before = r[~near]
        turn[left[near]] = len(changes)
    joined = turn <= _calm(np.array(changes), window)
    return joined, _closeness(rows, unit, joined, apart)


def _slopes(model: Classifier, evidence: Evidence) -> list[FloatArray]:
    """Return the gradients of every layer ``(N, channels)``."""
    size, parts = len(evidence.labels), []
    if not isinstance(model, ShowsSlopes):
        raise CannotScoreError("The model shows no gradients of its activations, and this detector compares them.")
    few = images_at_once(evidence.images.shape, _CHUNK)
    for start in range(0, size, few):
        part = slice(start, min(start + few, size))
        parts.append(model.channel_slopes(evidence.images[part], evidence.labels[part]))
        evidence.on_progress("following gradients", part.stop, size)
    if not parts[0]:
        raise CannotScoreError("The network has no convolution, so it has no activations to compare gradients of.")
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]


def _dispersion(rows: FloatArray, known: BoolArray) -> float:
    likeness = _likeness(rows, known)
    first = likeness == likeness.min()
    suspect = _unit(rows) @ _unit(rows[first].mean(0))
    return float(np.linalg.norm((likeness - suspect)[~first]) / np.sqrt(len(rows)))


def _likeness(rows: FloatArray, known: BoolArray) -> Float64Array:
    """Return the cosine with the reference ``(n,)``; a sample of the reference is compared with the others of it."""
    total, unit = rows[known].sum(0), _unit(rows)
    found = unit @ _unit(total)
    if known.sum() > 1:
        found[known] = (unit[known] * _unit(total - rows[known])).sum(1)
    return found.astype(np.float64)


def _closeness(rows: FloatArray, unit: FloatArray, suspects: BoolArray, apart: Float64Array) -> Float64Array:
    away = np.maximum(1 - unit @ _unit(rows[suspects].mean(0)), 0).astype(np.float64)
    total = away + np.maximum(apart, 0)
    # A sample that is both the reference and the suspects is neither.
    closeness: Float64Array = np.divide(away, total, out=np.full(len(rows), 0.5), where=total > 1e-12)
    return closeness


def _difference(one: Float64Array, other: Float64Array) -> float:
    if not (len(one) and len(other)):
        return 1.0
    return float(jensenshannon(np.histogram(one, _EDGES)[0], np.histogram(other, _EDGES)[0]))


def _calm(changes: Float64Array, window: int) -> int:
    """Return where the window begins in which changes are smallest and most even."""
    if not len(changes):
        return 0
    windows = np.lib.stride_tricks.sliding_window_view(changes, min(window, len(changes)))
    return int((windows.mean(1) + 5 * windows.std(1)).argmin())


def _unit(rows: FloatArray) -> FloatArray:
    unit: FloatArray = rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + np.float32(1e-12))
    return unit
