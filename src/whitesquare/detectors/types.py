"""What a detector is given and what it returns. Read this before any other file of the package.

A detector scores and never flags: the threshold is the scan's business, and the verdict is the gate's.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.pixels import Pixels
from whitesquare.errors import WhitesquareError
from whitesquare.records import Progress, silent
from whitesquare.types import Classifier, Differentiable, FloatArray, IntArray

BoolArray = NDArray[np.bool_]

FAMILIES = ("pixel", "residual", "latent", "dynamics", "label", "response")
"""Kinds of evidence. Detectors of one family see the same thing and are counted once when scores are fused."""

NEEDS = ("images", "features", "model", "gradients", "trajectories", "reference")
"""What a detector may need of the evidence; ``reference`` means trusted samples, ``gradients`` those of the model."""


class CannotScoreError(WhitesquareError):
    """A detector cannot say anything about this evidence; the message is the reason the report shows."""


@dataclass(frozen=True)
class Evidence:
    """All there is to know about the samples under suspicion. Arrays are read, never written.

    Attributes:
        images: ``(N, C, H, W)`` uint8: an array, or, of many images, what reads some of them from a file; ask for a few
            at a time, by a slice or an array of positions.
        labels: ``(N,)`` int64, the labels given, in ``0..K-1``.
        classes: the K class names; a class may have no sample.
        trusted: ``(N,)`` bool: samples known to be clean. They took part in the training like all others, so their
            scores are exchangeable with those of clean samples. All false where there is no reference.
        seed: of everything random in a detector.
        model: the model trained on the samples; ``None`` in a model-free scan.
        features: ``(N, D)`` float32 penultimate activations of that model, possibly a memory-mapped file.
        logits: ``(N, K)`` float32 of that model.
        pred_probs: ``(N, K)`` float32 probabilities by models that had not seen the sample; ``None`` if none were
            given.
        losses: ``(E, N)`` float32: cross-entropy of every sample at E moments of the training, in order.
        on_progress: told how far a step is that takes more than a second.
    """

    images: Pixels
    labels: IntArray
    classes: tuple[str, ...]
    trusted: BoolArray
    seed: int = 0
    model: Classifier | None = None
    features: FloatArray | None = None
    logits: FloatArray | None = None
    pred_probs: FloatArray | None = None
    losses: FloatArray | None = None
    on_progress: Progress = field(default=silent, compare=False)

    @property
    def has(self) -> frozenset[str]:
        """The members of :data:`NEEDS` that this evidence holds."""
        present = {
            "images": True,
            "features": self.features is not None,
            "model": self.model is not None,
            "gradients": isinstance(self.model, Differentiable),
            "trajectories": self.losses is not None,
            "reference": bool(self.trusted.any()),
        }
        return frozenset(name for name, there in present.items() if there)

    def members(self, label: int) -> IntArray:
        """Positions of the samples of one class, ascending."""
        return np.flatnonzero(self.labels == label)


@dataclass(frozen=True)
class Hint:
    """Where a trigger may be: what the scan reconstructs and puts to the test.

    Attributes:
        label: the class it belongs to.
        strength: how much it stands out; only compared with hints of the same detector.
        carriers: positions of samples of the class that seem to carry it; empty where only the place is known.
        mask: ``(H, W)`` float32 in [0, 1]: the pixels it may cover; ``None`` where only the carriers are known.
        places: ``(len(carriers), 2)`` row and column of the trigger in each carrier, where it has no fixed place.
    """

    label: int
    strength: float
    carriers: IntArray
    mask: FloatArray | None = None
    places: IntArray | None = None


@dataclass(frozen=True)
class Suspicion:
    """What one detector says.

    Attributes:
        scores: ``(N,)`` float32, higher is more suspicious. NaN: not scored, for example because the class is too
            small; never used to mean "clean".
        class_stats: ``(K,)`` float32, one statistic per class, higher is more suspicious; NaN where not computed.
        hints: candidates for a trigger; most detectors have none.
    """

    scores: FloatArray
    class_stats: FloatArray
    hints: tuple[Hint, ...] = ()


class Detector(Protocol):
    """A frozen dataclass whose fields are its parameters; ``score`` is the published formula and nothing else.

    The same evidence gives the same scores. A detector that cannot work on the evidence as a whole raises
    :class:`CannotScoreError`; it never returns scores it does not mean.
    """

    name: ClassVar[str]
    """Column name: lower case with dashes."""
    rule_id: ClassVar[str]
    """Short and stable: two letters, two digits."""
    family: ClassVar[str]
    """One of :data:`FAMILIES`."""
    needs: ClassVar[frozenset[str]]
    """Subset of :data:`NEEDS`."""

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample and every class."""


def by_class(evidence: Evidence) -> list[tuple[int, IntArray]]:
    """Return label and positions of every class that has a sample, in order of the label."""
    return [(label, found) for label in range(len(evidence.classes)) if len(found := evidence.members(label))]


def unscored(evidence: Evidence) -> Suspicion:
    """Return a suspicion that says nothing yet, to be filled class by class."""
    return Suspicion(
        np.full(len(evidence.labels), np.nan, np.float32), np.full(len(evidence.classes), np.nan, np.float32)
    )
