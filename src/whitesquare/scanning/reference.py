"""Trusted samples: a yardstick for p-values, and never part of what is judged.

Alarms, class statistics, triggers and models come of the data under suspicion alone, so that no reference can hide
what the data carry. Only for p-values are both scored side by side, in a training of their own.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from whitesquare.data.pixels import Pixels, joined, parts_of
from whitesquare.detectors.types import BoolArray, Evidence
from whitesquare.errors import UsageError
from whitesquare.types import ImageDataset, IntArray, Shape, UInt8Array


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
    """Read a reference in the labels of the data; see :func:`fitted_to`.

    Args:
        dataset: the data under suspicion.
        images: all of its images.
        reference: the trusted samples.

    Raises:
        UsageError: a reference with other classes or another image size.
    """
    _, channels, height, width = images.shape
    shape = channels, height, width
    return fitted_to(dataset.classes, shape, (part for _, part in parts_of(images)), reference)


def fitted_to(
    classes: tuple[str, ...], shape: Shape, parts: Iterable[UInt8Array], reference: ImageDataset
) -> Reference:
    """Read a reference in the labels of data that are looked through part by part.

    Samples that are also in the data are told: a sample cannot be suspect and witness.

    Args:
        classes: of the data under suspicion.
        shape: ``(C, H, W)`` of their images.
        parts: all of their images, ``(B, C, H, W)`` at a time.
        reference: the trusted samples.

    Raises:
        UsageError: a reference with other classes or another image size.
    """
    if unknown := sorted(set(reference.classes) - set(classes)):
        raise UsageError(
            f"The reference has the class {unknown[0]!r}, which the data set does not have; expected the classes "
            f"{', '.join(classes)}."
        )
    trusted = reference.images(slice(None))
    if trusted.shape[1:] != shape:
        raise UsageError(
            f"The reference has images of {trusted.shape[1:]} and the data set of {shape}; expected one "
            "size and number of channels."
        )
    translation = np.array([classes.index(name) for name in reference.classes])
    own = translation[reference.labels] if len(reference.labels) else reference.labels
    digests = [_digest(image) for image in trusted]
    wanted, known = set(digests), set[bytes]()  # of the few that are trusted, and not of all that is scanned
    for part in parts:
        known.update(digest for image in part if (digest := _digest(image)) in wanted)
    fresh = np.array([digest not in known for digest in digests], np.bool_)
    warnings: tuple[str, ...] = ()
    if overlap := int((~fresh).sum()):
        warnings = (
            f"{overlap} of the {len(fresh)} trusted samples are in the scanned data as well; they were left out of "
            "the reference.",
        )
    return Reference(trusted, own, fresh, warnings)


def _digest(image: UInt8Array) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
