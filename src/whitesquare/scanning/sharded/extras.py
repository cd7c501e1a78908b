"""What a scan in shards is given beside its data: trusted samples, losses, features, what its data must be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whitesquare.provenance.dataset import SignedDataset
from whitesquare.types import FloatArray, ImageDataset


@dataclass(frozen=True)
class Extras:
    """What a scan is given beside its data; nothing, by default.

    Attributes:
        reference: opens samples said to be clean, in the size of the data set that it is given.
        losses: what a training on the data recorded.
        signed: what the data must be.
        pred_probs: ``(N, K)`` probabilities by models that had not seen the sample.
        features: ``(N, D)`` by a model that is not given.
        told: by name, what a folder is of that keeps such a scan, in words.
    """

    reference: Callable[[ImageDataset], ImageDataset] | None = None
    losses: Path | None = None
    signed: SignedDataset | None = None
    pred_probs: FloatArray | None = None
    features: FloatArray | None = None
    told: Mapping[str, str] = field(default_factory=dict)


NO_EXTRAS = Extras()
