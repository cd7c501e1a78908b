"""A data set as tensors: a uint8 pair in memory, shared by all trainings that run at the same time; or in a file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whitesquare.data.holding import pixels_of
from whitesquare.data.pixels import Pixels, parts_of
from whitesquare.types import ImageDataset, IntArray, Shape, UInt8Array


@dataclass(frozen=True)
class TensorData:
    """A data set on the device: uint8 images ``(N, C, H, W)`` and int64 labels ``(N,)``.

    ``overlay`` replaces some images when a batch is taken, so that any number of poisoned data sets share one tensor.
    ``shape`` is that of an image before it was averaged down, where that was done already.
    """

    images: Tensor
    labels: Tensor
    overlay: "TensorOverlay | None" = None
    shape: Shape | None = None

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return float images in [0, 1], channels last, and their labels."""
        images = self.images[index]
        if self.overlay is not None:
            self.overlay.stamp(images, index)
        return to_float(images), self.labels[index]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "TensorData":
        """Return the same with all images changed, those that replace some as well."""
        overlay = self.overlay and replace(self.overlay, images=change(self.overlay.images))
        return TensorData(change(self.images), self.labels, overlay)


@dataclass(frozen=True)
class TensorOverlay:
    """Images that replace those of a shared tensor.

    Attributes:
        images: ``(B, C, H, W)`` uint8.
        slots: ``(N,)`` int64: for each position of the data set its replacement in ``images``, or -1.
    """

    images: Tensor
    slots: Tensor

    def stamp(self, batch: Tensor, index: Tensor) -> None:
        """Write the replacements into the images taken at ``index``; the tensor they came from stays as it is."""
        slots = self.slots[index]
        replaced = slots >= 0
        batch[replaced] = self.images[slots[replaced]]


def overlaid(data: TensorData, positions: IntArray, pixels: UInt8Array, labels: IntArray) -> TensorData:
    """Present ``data`` with ``pixels`` and ``labels`` at ``positions``, without a copy of its images.

    Args:
        data: what lies underneath; it is not changed.
        positions: ``(B,)``, unique.
        pixels: ``(B, C, H, W)`` uint8.
        labels: ``(B,)``.
    """
    at = torch.from_numpy(np.array(positions))
    slots = torch.full((len(data.labels),), -1)
    slots[at] = torch.arange(len(positions))
    changed = data.labels.clone()
    changed[at.to(changed.device)] = torch.from_numpy(np.array(labels)).to(changed.device)
    device = data.images.device
    return replace(data, labels=changed, overlay=TensorOverlay(borrowed(pixels).to(device), slots.to(device)))


def to_float(images: Tensor) -> Tensor:
    """Turn uint8 images into float32 in [0, 1], in channels-last layout."""
    return images.to(torch.float32).div_(255).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class FiledData(TensorData):
    """A data set whose images lie in a file: a batch is read when it is used, and ``images`` holds none."""

    pixels: Pixels | None = None

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return float images in [0, 1], channels last, and their labels."""
        assert self.pixels is not None  # noqa: S101 - narrows the type
        images = borrowed(self.pixels[index.cpu().numpy()]).to(self.images.device)
        if self.overlay is not None:
            images = images.clone()  # what was read is not ours to write to
            self.overlay.stamp(images, index)
        return to_float(images), self.labels[index]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> TensorData:
        """Return the same with all images changed, in memory; what a change leaves as large stays in its file."""
        assert self.pixels is not None  # noqa: S101 - narrows the type
        if change(self.images).shape == self.images.shape:
            return self
        parts = [change(borrowed(part).to(self.images.device)) for _, part in parts_of(self.pixels)]
        overlay = self.overlay and replace(self.overlay, images=change(self.overlay.images))
        return TensorData(torch.cat(parts), self.labels, overlay)


def to_tensors(dataset: ImageDataset, device: str = "cpu") -> TensorData:
    """Decode a data set once, onto the device; on the CPU its memory is shared, not copied, and a file stays one."""
    return as_tensors(pixels_of(dataset), dataset.labels, device)


def as_tensors(pixels: Pixels, labels: IntArray, device: str = "cpu") -> TensorData:
    """Present images ``(N, C, H, W)`` and labels ``(N,)`` on a device; see :func:`to_tensors`."""
    wanted = torch.from_numpy(labels.copy()).to(device)
    if isinstance(pixels, np.ndarray):
        return TensorData(borrowed(np.ascontiguousarray(pixels)).to(device), wanted)
    return FiledData(torch.zeros((0, *pixels.shape[1:]), dtype=torch.uint8, device=device), wanted, pixels=pixels)


def borrowed(array: NDArray[Any]) -> Tensor:
    """Present an array as a tensor in the same memory, whether or not the array may be written to; never write to it.

    PyTorch knows no read-only tensors, and warns of every array that is: a data set, a memory map, a shared object.
    """
    whole = array if min(array.strides, default=0) >= 0 else array.copy()  # PyTorch knows no steps backwards
    return torch.from_numpy(np.asarray(_Borrowed(whole)))


class _Borrowed:
    """An array's memory under the claim that it may be written to; it keeps the array alive."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.__array_interface__ = array.__array_interface__ | {"data": (array.ctypes.data, False)}
