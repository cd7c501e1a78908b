"""Trusted samples: put beside the data under suspicion, so that what happens to clean samples happens to them too."""

import hashlib

import numpy as np

from whitesquare.detectors.types import BoolArray
from whitesquare.errors import UsageError
from whitesquare.types import ImageDataset, IntArray, UInt8Array


def joined(
    dataset: ImageDataset, reference: ImageDataset | None
) -> tuple[UInt8Array, IntArray, BoolArray, tuple[str, ...]]:
    """Return images, labels and trust of the data followed by the reference, and warnings.

    Trusted samples that are also in the data are left out and told: a sample cannot be suspect and witness.

    Raises:
        UsageError: a reference with other classes or another image size.
    """
    images, labels = dataset.images(slice(None)), dataset.labels
    if reference is None:
        return images, labels, np.zeros(len(labels), np.bool_), ()
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
    known = {_digest(image) for image in images}
    fresh = np.array([_digest(image) not in known for image in trusted], np.bool_)
    warnings: tuple[str, ...] = ()
    if overlap := int((~fresh).sum()):
        warnings = (
            f"{overlap} of the {len(fresh)} trusted samples are in the scanned data as well; they were left out of "
            "the reference.",
        )
    everything = np.concatenate([images, trusted[fresh]])
    all_labels = np.concatenate([labels, own[fresh]]).astype(np.int64)
    return everything, all_labels, np.arange(len(all_labels)) >= len(labels), warnings


def _digest(image: UInt8Array) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
