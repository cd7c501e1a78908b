"""What a model makes of every sample: its features, which may be many, in a file."""

from pathlib import Path

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.errors import DataError
from whitesquare.types import Classifier, FloatArray, OnePass, UInt8Array

_BATCH = 1000


def read_answers(model: Classifier, evidence: Evidence, folder: Path) -> tuple[FloatArray, FloatArray]:
    """Return features ``(N, D)`` in a memory-mapped file below ``folder``, and logits ``(N, K)``.

    Raises:
        DataError: an output is not a finite number: it would count as an answer.
    """
    size = len(evidence.labels)
    features: FloatArray | None = None
    logits = np.empty((size, len(evidence.classes)), np.float32)
    for start in range(0, size, _BATCH):
        part = slice(start, min(start + _BATCH, size))
        found, logits[part] = both_of(model, evidence.images[part])
        if not (np.isfinite(logits[part]).all() and np.isfinite(found).all()):
            raise DataError("The model's outputs are not finite numbers (NaN or infinity); give a trained model.")
        if features is None:
            path, shape = folder / "features.npy", (size, found.shape[1])
            features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        features[part] = found
        evidence.on_progress("reading features", part.stop, size)
    assert features is not None  # noqa: S101 - narrows the type: there are samples
    return features, logits


def both_of(model: Classifier, images: UInt8Array) -> tuple[FloatArray, FloatArray]:
    """Return features ``(B, D)`` and logits ``(B, K)``, of one computation where the model can."""
    return model.answers(images) if isinstance(model, OnePass) else (model.features(images), model.logits(images))
