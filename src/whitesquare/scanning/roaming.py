"""A mark of a few pixels that has no fixed place: put together from its copies, and looked for everywhere."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from whitesquare.types import FloatArray, UInt8Array

_CHUNK = 250


def nearest(images: UInt8Array, mask: FloatArray, pattern: FloatArray) -> FloatArray:
    """Return how far each image is from a mark at the place where it fits best.

    Args:
        images: ``(N, C, H, W)``.
        mask: ``(H, W)``; above 0 where the mark's pixels are.
        pattern: ``(C, H, W)`` with the mark's grey levels there.

    Returns:
        Root mean square ``(N,)`` of the difference over the mark's pixels, in grey levels.
    """
    rows, columns = np.nonzero(mask > 0)
    part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    weight = np.broadcast_to(mask[part] > 0, (len(pattern), *mask[part].shape)).ravel().astype(np.float32)
    wanted = pattern[:, *part].ravel().astype(np.float32) * weight
    # |x - p|^2 over the mask is x^2 . mask - 2 x . p + p^2: two products for all places at once.
    both = np.column_stack([weight, -2 * wanted])
    found = [
        _nearest(images[start : start + _CHUNK], mask[part].shape, both) for start in range(0, len(images), _CHUNK)
    ]
    squares = np.concatenate(found or [np.empty(0, np.float32)]) + float(wanted @ wanted)
    apart: FloatArray = np.sqrt(np.maximum(squares, 0) / weight.sum()).astype(np.float32)
    return apart


def _nearest(images: UInt8Array, shape: tuple[int, ...], both: FloatArray) -> FloatArray:
    windows = sliding_window_view(images, shape, axis=(2, 3))
    best = np.full(len(images), np.inf, np.float32)
    for down in range(windows.shape[2]):
        pixels = windows[:, :, down].transpose(0, 2, 1, 3, 4).reshape(-1, len(both)).astype(np.float32)
        apart = (pixels * pixels) @ both[:, 0] + pixels @ both[:, 1]
        best = np.minimum(best, apart.reshape(len(images), -1).min(1))
    return best
