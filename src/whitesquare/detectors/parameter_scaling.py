"""IBD-PSC: what a trigger decides stays decided when the normalisations of the network are turned up.

Citation: Hou et al., "IBD-PSC: input-level backdoor detection via parameter-oriented scaling consistency", ICML 2024
(arXiv:2405.09786), here on the training set, as in the evaluation of FLARE (TIFS 2025), instead of on inputs in use.
Formula: scales and shifts of the last k batch normalisations are multiplied by omega = 1.5; k is the smallest number
with which more than xi = 60 % of the trusted samples are read as something else than their label. PSC(x) is the mean,
over the ``models`` networks with k, k + 1, ... normalisations turned up, of the probability of what the network itself
reads in x. The score is PSC, in [0, 1]; the authors flag from 0.9 on. Class statistic: the mean score.
Deviations: none in the formula. The authors' code starts one normalisation deeper than the k it has found; the paper,
which is followed here, does not. Where k and more exceed what the network has, all of them are turned up, as there.
Cost: at most one pass of the trusted samples for every normalisation, and ``models`` + 1 passes of all.
Failure modes: networks without batch normalisation. With few of them, turning up all may not confuse the network, and
then nothing is scored: so it was with four of them on MNIST, where 99 % of the trusted samples were still read; on
6,000 images of CIFAR-10 the small residual network was confused from the fourth of seven on, that for colour by all
six only (tried once each). Attacks that answer differently by source class, and clean samples that are very sure of
themselves. Clean-label poison is read as its class with and without a trigger, so only a strong trigger makes a
difference.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from scipy.special import softmax

from whitesquare.detectors.common import class_means, finite, images_at_once, model_of
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion
from whitesquare.errors import UsageError
from whitesquare.types import FloatArray, UInt8Array

_CHUNK = 4000


@runtime_checkable
class Amplifies(Protocol):
    """What a classifier has in addition if it is a network whose batch normalisations can be turned up."""

    @property
    def normalisations(self) -> int:
        """Number of batch normalisations."""

    def amplified(self, images: UInt8Array, layers: int, factor: float) -> FloatArray:
        """Return the logits ``(B, K)`` with scales and shifts of the last ``layers`` of them multiplied."""


@dataclass(frozen=True)
class ParameterScaling:
    """Certainty that survives larger parameters.

    Attributes:
        omega: what scales and shifts are multiplied by, above 1.
        xi: share of trusted samples misread from which on the network is confused, in (0, 1).
        models: networks asked, at least 1.
    """

    name: ClassVar[str] = "ibd-psc"
    rule_id: ClassVar[str] = "PS01"
    family: ClassVar[str] = "response"
    needs: ClassVar[frozenset[str]] = frozenset({"model", "reference"})

    omega: float = 1.5
    xi: float = 0.6
    models: int = 5

    def __post_init__(self) -> None:
        """Refuse parameters out of range."""
        if not self.omega > 1 or not 0 < self.xi < 1 or self.models < 1:
            raise UsageError(
                f"omega must be above 1, xi in (0, 1) and the models at least 1; got {self.omega}, {self.xi} and "
                f"{self.models}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample by how sure confused networks are of its reading.

        Raises:
            CannotScoreError: no trusted samples, no batch normalisation, or none that confuses the network.
        """
        model, size = model_of(evidence), len(evidence.labels)
        if not evidence.trusted.any():
            raise CannotScoreError("There are no trusted samples: this detector needs a few to see when it misreads.")
        if not isinstance(model, Amplifies) or not model.normalisations:
            raise CannotScoreError("The network has no batch normalisation, and this detector turns them up.")
        first, total = self._depth(model, evidence), np.zeros(size)
        depths = [min(first + more, model.normalisations) for more in range(self.models)]
        few = images_at_once(evidence.images.shape, _CHUNK)
        for start in range(0, size, few):
            part = slice(start, min(start + few, size))
            images = evidence.images[part]
            read = model.logits(images).argmax(1)[:, None]
            for depth in sorted(set(depths)):
                sure = softmax(model.amplified(images, depth, self.omega).astype(np.float64), axis=1)
                total[part] += depths.count(depth) * np.take_along_axis(sure, read, 1)[:, 0]
            evidence.on_progress("turning up parameters", part.stop, size)
        scores = finite(total / self.models)
        return Suspicion(scores, class_means(evidence, scores))

    def _depth(self, model: Amplifies, evidence: Evidence) -> int:
        """Find how many normalisations confuse the network about trusted samples."""
        trusted = np.flatnonzero(evidence.trusted)
        images, labels = evidence.images[trusted], evidence.labels[trusted]
        errors = []
        for depth in range(1, model.normalisations + 1):
            errors.append(float((model.amplified(images, depth, self.omega).argmax(1) != labels).mean()))
            if errors[-1] > self.xi:
                return depth
        raise CannotScoreError(
            f"Whichever of its {model.normalisations} batch normalisations are turned up, the network still reads "
            f"{100 * (1 - max(errors)):.0f} % of the trusted samples as their label, expected less than "
            f"{100 * (1 - self.xi):.0f} %: there is no confusion that a trigger could survive."
        )
