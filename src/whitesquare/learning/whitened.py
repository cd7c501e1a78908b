"""The reference network for colour: a whitening of small patches, six convolutions, global pooling.

Source: Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU" (2024, arXiv:2404.00498), whose layout, identity
initialisation and frozen scales are kept. Ours differs in that the bias of the whitening is not trained (a pass less
over the largest tensor), images stay even in size (odd ones are slow on processors), the mean and deviation of the
data are part of the whitening, and images above 60 pixels are averaged down first.

For images above 40 pixels there is a second one, which reads patches side by side instead of at every pixel: nothing of
an image is lost by that, a pattern as fine as a pixel is still seen, and all layers behind have a quarter of the work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_PATCH = 2
_PART = 100
SIDE, PATCHED_SIDE = 40, 56
"""Pixels that a side should have, where patches overlap and where they do not; larger images are averaged down by the
nearest whole factor."""
_EPSILON = 5e-4
_WIDTHS = (64, 128, 128)
_TEMPERATURE = 9.0


class Whitening(nn.Module):
    """A frozen convolution whose outputs, over patches of 2 x 2 pixels, are uncorrelated and of equal size.

    Before :meth:`fit` it passes on every value of a patch, and its negative.

    Attributes:
        step: pixels from one patch to the next: 1, or 2 for patches side by side.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int, step: int = 1) -> None:
        super().__init__()
        self.size, self.step = channels * _PATCH**2, step
        every = torch.eye(self.size).view(self.size, channels, _PATCH, _PATCH)
        self.register_buffer("weight", torch.cat([every, -every]))
        self.register_buffer("bias", torch.zeros(2 * self.size))

    def fit(self, images: Tensor) -> None:
        """Learn the filters from float images ``(N, C, H, W)`` as the layer is given them."""
        patches = F.unfold(images[:, :, : images.shape[2] // 2 * 2, : images.shape[3] // 2 * 2], _PATCH, stride=_PATCH)
        rows = patches.transpose(1, 2).reshape(-1, self.size).double()
        spread = rows.std().clamp_min(1e-3)
        rows = (rows - rows.mean(0)) / spread
        # On the processor: a GPU's solver is made when it is first called, and two threads must not call it at once.
        values, vectors = (found.to(rows.device) for found in torch.linalg.eigh((rows.T @ rows / len(rows)).cpu()))
        filters = (vectors / (values.clamp_min(0) + _EPSILON).sqrt()).flip(1).T / spread
        filters = torch.cat([filters, -filters])
        self.bias.copy_(-(filters @ patches.transpose(1, 2).reshape(-1, self.size).double().mean(0)))
        self.weight.copy_(filters.view_as(self.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs ``(N, 8 C, H / step, W / step)``, rounded up."""
        height, width = x.shape[2:]
        beyond = (1, 1) if self.step == 1 else (width % _PATCH, height % _PATCH)
        padded = F.pad(x, (0, beyond[0], 0, beyond[1]), mode="replicate") if any(beyond) else x
        return F.conv2d(padded, self.weight, self.bias, stride=self.step)


class _Norm(nn.BatchNorm2d):
    """Batch normalisation that shifts and does not scale."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6, momentum=0.4)
        self.weight.requires_grad_(False)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:inputs])
    return layer


def averaged_pixels(side: int, wanted: int = SIDE) -> int:
    """Return how many pixels of images of that larger side become one, along a side."""
    return max(1, round(side / wanted))


def shrinking(side: int, wanted: int = SIDE) -> nn.Module:
    """Return what averages down images of that larger side to about the wanted one, and leaves small ones alone."""
    factor = averaged_pixels(side, wanted)
    # What is left at the right and at the bottom where a side is no multiple counts, too: a mark may stand there.
    return nn.AvgPool2d(factor, ceil_mode=True) if factor > 1 else nn.Identity()


def shrunk(images: Tensor, shrink: nn.Module) -> Tensor:
    """Return uint8 images ``(N, C, H, W)`` averaged down, a part at a time."""
    if isinstance(shrink, nn.Identity):
        return images
    parts = [shrink(part.float()).round_().to(torch.uint8) for part in torch.split(images, _PART)]
    return torch.cat(parts) if parts else images


class Whitened(nn.Sequential):
    """Images averaged down if they are large, whitened, then three blocks, global pooling and a linear layer."""

    def __init__(self, channels: int, side: int, classes: int, scale: float, *, patched: bool = False) -> None:
        widths = [max(1, round(width * scale)) for width in _WIDTHS]
        first = Whitening(channels, _PATCH if patched else 1)
        layers: list[nn.Module] = [shrinking(side, PATCHED_SIDE if patched else SIDE), first, nn.GELU()]
        inputs = 2 * channels * _PATCH**2
        for width in widths:
            # An odd side has a last row, and a mark may stand there.
            layers += [_convolution(inputs, width), nn.MaxPool2d(2, ceil_mode=patched), _Norm(width), nn.GELU()]
            layers += [_convolution(width, width), _Norm(width), nn.GELU()]
            inputs = width
        super().__init__(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(inputs, classes, bias=False))

    def prepare(self, images: Tensor) -> None:
        """Learn the whitening from images ``(N, C, H, W)``, float in [0, 1], averaged down already."""
        with torch.no_grad():
            cast(Whitening, self[1]).fit(images)

    def averaged(self, images: Tensor) -> Tensor:
        """Return uint8 images ``(N, C, H, W)`` averaged down as the network would, a part at a time."""
        return shrunk(images, self[0])

    @contextmanager
    def given_averaged(self) -> Iterator[None]:
        """Let the network be given images that are averaged down already: once, not at every pass of a training."""
        shrink, self[0] = self[0], nn.Identity()
        try:
            yield
        finally:
            self[0] = shrink

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, K)``."""
        logits: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return logits / _TEMPERATURE
