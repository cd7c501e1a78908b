"""Light augmentation of a batch on tensors: every image mirrored, shifted or turned a little, differently each time.

What moves into the picture repeats its border, so nothing is assumed about what a background looks like.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(
    images: Tensor, generator: torch.Generator, *, shift: int, rotate: float, mirror: Tensor | None = None
) -> Tensor:
    """Mirror, shift and turn each image of a batch by its own random amount.

    Args:
        images: float images ``(N, C, H, W)``, on any device; not changed.
        generator: a CPU generator, the only source of randomness; nothing is drawn for what is switched off.
        shift: largest shift in whole pixels, down and to the right or the reverse; 0 is off.
        rotate: largest turn in degrees about the centre, either way, with bilinear interpolation; 0 is off.
        mirror: ``(N,)`` bool: the images whose left and right are exchanged; ``None`` for none.

    Returns:
        Images of the same shape and dtype, in channels-last layout.
    """
    if mirror is not None:
        images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    if rotate:
        images = _turned(images, _uniform(len(images), generator) * math.radians(rotate))
    if shift:
        moves = torch.randint(-shift, shift + 1, (2, len(images)), generator=generator)
        images = _shifted(images, moves.to(images.device))
    return images.contiguous(memory_format=torch.channels_last)


def mirrored(sides: Tensor, index: Tensor, epoch: int) -> Tensor:
    """Tell which images of a batch are mirrored in an epoch: each in every second one (arXiv:2404.00498).

    Args:
        sides: ``(N,)`` bool: those that are mirrored in the first epoch.
        index: ``(B,)`` positions of the batch.
        epoch: from 0.
    """
    return sides[index] ^ bool(epoch % 2)


def _uniform(count: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(count, generator=generator) - 1


def _shifted(images: Tensor, moves: Tensor) -> Tensor:
    """Move each image by whole pixels, exactly: a copy of pixels, not an interpolation."""
    count, _, height, width = images.shape
    rows = _sources(height, moves[0]).view(count, height, 1)
    columns = _sources(width, moves[1]).view(count, 1, width)
    number = torch.arange(count, device=images.device).view(count, 1, 1)
    # Indexing around the channel axis puts it last, which is the layout the networks want anyway.
    return images[number, :, rows, columns].permute(0, 3, 1, 2)


def _sources(size: int, moves: Tensor) -> Tensor:
    return (torch.arange(size, device=moves.device) - moves[:, None]).clamp_(0, size - 1)


def _turned(images: Tensor, angles: Tensor) -> Tensor:
    _, _, height, width = images.shape
    cosine, sine = angles.cos(), angles.sin()
    nothing = torch.zeros_like(angles)
    # The grid's axes both run from -1 to 1: on images that are not square, a turn has to allow for their ratio.
    upper = torch.stack([cosine, -sine * height / width, nothing], dim=1)
    lower = torch.stack([sine * width / height, cosine, nothing], dim=1)
    affine = torch.stack([upper, lower], dim=1).to(images)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
