"""Feature maps of the last convolution, and their Gram features; see :mod:`whitesquare.detectors.gram_density`."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from whitesquare.data.pixels import Pixels
from whitesquare.detectors.types import CannotScoreError
from whitesquare.types import Classifier, FloatArray, IntArray, UInt8Array

_PRODUCTS = 2**24


def gram_features(maps: FloatArray, order: int) -> FloatArray:
    """Return the signed order-th roots of the products of powered feature maps.

    Args:
        maps: ``(B, channels, places)``.
        order: the power p.

    Returns:
        ``(B, channels, channels)`` float32, symmetric.
    """
    scale = scale_of(maps)
    return signed_power(products_of(maps / scale, order), 1 / order) * scale**2


def scale_of(maps: FloatArray) -> np.float32:
    """Return the largest magnitude in the maps, above 0."""
    # The features go with the square of the maps: with maps in [-1, 1] no power overflows.
    return np.float32(max(float(np.abs(maps).max(initial=0)), 1e-18))


def products_of(maps: FloatArray, order: int) -> FloatArray:
    """Return the products ``(B, channels, channels)`` of maps in [-1, 1] raised to a power, entry by entry."""
    # Repeated squaring: numpy's own power takes thirty times as long.
    powered, square = np.ones_like(maps), maps
    for bit in reversed(f"{order:b}"):
        powered = powered * square if bit == "1" else powered
        square = square * square
    products: FloatArray = powered @ powered.transpose(0, 2, 1)
    return products


def signed_power(values: FloatArray, exponent: float) -> FloatArray:
    """Raise magnitudes to a power and keep the signs."""
    # A bound far outside the maps at hand becomes infinite, as it should.
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.sign(values) * np.abs(values) ** np.float32(exponent), np.float32)


@runtime_checkable
class ShowsMaps(Protocol):
    """What a classifier has in addition if it is a network with convolutions."""

    def maps(self, images: UInt8Array) -> FloatArray | None:
        """Return what the last convolution gives, ``(B, channels, places)``; ``None`` where there is none."""


def feature_maps(model: Classifier, images: Pixels, index: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield positions and the maps ``(B, channels, places)`` of the last convolution, batch by batch.

    Raises:
        CannotScoreError: if the model has no convolution, or shows none.
    """
    first = model.maps(images[index[:1]]) if isinstance(model, ShowsMaps) else None
    if not isinstance(model, ShowsMaps) or first is None:
        raise CannotScoreError("The network has no convolution, so it has no feature maps to compare.")
    batch = max(1, min(500, _PRODUCTS // first.shape[1] ** 2))
    for start in range(0, len(index), batch):
        part = index[start : start + batch]
        found = model.maps(images[part])
        assert found is not None  # noqa: S101 - narrows the type: the first was there
        yield part, found
