"""Trusted samples: a yardstick for p-values, and never part of what is judged.

Alarms, class statistics, triggers and models come of the data under suspicion alone, so that no reference can hide
what the data carry. Only for p-values are both scored side by side, in a training of their own.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from whitesquare.data.pixels import Pixels, joined, parts_of
from whitesquare.detectors.types import BoolArray, Evidence
from whitesquare.errors import UsageError
from whitesquare.types import ImageDataset, IntArray, UInt8Array


@dataclass(frozen=True)
class Reference:
    """Trusted samples that fit the data.

    Attributes:
        images: ``(M, C, H, W)`` uint8.
        labels: ``(M,)``, in the labels of the data set.
        fresh: ``(M,)``: those that are not in the data as well.
        warnings: what the reader must know of them.
    """

    images: UInt8Array
    labels: IntArray
    fresh: BoolArray
    warnings: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of samples that p-values may be computed against."""
        return int(self.fresh.sum())

    def beside(self, evidence: Evidence) -> Evidence:
        """Return the data followed by the fresh samples, without anything that a model gave."""
        images = joined(evidence.images, self.images[self.fresh])
        labels = np.concatenate([evidence.labels, self.labels[self.fresh]]).astype(np.int64)
        trusted = np.arange(len(labels)) >= len(evidence.labels)
        return replace(
            evidence, images=images, labels=labels, trusted=trusted, model=None, features=None, logits=None, losses=None
        )


def fitted(dataset: ImageDataset, images: Pixels, reference: ImageDataset) -> Reference:
    """Read a reference in the labels of the data.

    Samples that are also in the data are told: a sample cannot be suspect and witness.

    Args:
        dataset: the data under suspicion.
        images: all of its images.
        reference: the trusted samples.

    Raises:
        UsageError: a reference with other classes or another image size.
    """
    if unknown := sorted(set(reference.classes) - set(dataset.classes)):
        raise UsageError(
            f"The reference has the class {unknown[0]!r}, which the data set does not have; expected the classes "
            f"{', '.join(dataset.classes)}."
        )
    trusted = reference.images(slice(None))
    if trusted.shape[1:] != images.shape[1:]:
        raise UsageError(
            f"The reference has images of {trusted.shape[1:]} and the data set of {images.shape[1:]}; expected one "
            "size and number of channels."
        )
    translation = np.array([dataset.classes.index(name) for name in reference.classes])
    own = translation[reference.labels] if len(reference.labels) else reference.labels
    known = {_digest(image) for _, part in parts_of(images) for image in part}
    fresh = np.array([_digest(image) not in known for image in trusted], np.bool_)
    warnings: tuple[str, ...] = ()
    if overlap := int((~fresh).sum()):
        warnings = (
            f"{overlap} of the {len(fresh)} trusted samples are in the scanned data as well; they were left out of "
            "the reference.",
        )
    return Reference(trusted, own, fresh, warnings)


def _digest(image: UInt8Array) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
