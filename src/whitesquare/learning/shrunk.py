"""The images that a network is trained on, averaged down before there are many: most need a few pixels of each."""

import torch

from whitesquare.data.pixels import Pixels, parts_of
from whitesquare.learning.recipes import COLOUR, WHITENED, Recipe
from whitesquare.learning.tensors import TensorData, as_tensors, borrowed
from whitesquare.learning.whitened import PATCHED_SIDE, SIDE, averaged_pixels, shrinking, shrunk
from whitesquare.types import IntArray


def training_data(images: Pixels, labels: IntArray, recipe: Recipe, device: str) -> TensorData:
    """Return samples on a device, as small as the network of a recipe reads them, and shared by all that are trained.

    Args:
        images: ``(N, C, H, W)``; of an array that is not averaged down, memory on the processor is shared, not copied;
            what lies in a file is read batch by batch.
        labels: ``(N,)``.
        recipe: which network.
        device: where they are used.

    Raises:
        DataError: an image that is decoded again is another than it was.
    """
    _, channels, height, width = images.shape
    if averaged(images.shape, recipe) > 1 and len(images):
        shrink = shrinking(max(height, width), _side(recipe))
        parts = [shrunk(borrowed(part).to(device), shrink) for _, part in parts_of(images)]
        wanted = torch.from_numpy(labels.copy()).to(device)
        return TensorData(torch.cat(parts), wanted, shape=(channels, height, width))
    return as_tensors(images, labels, device)


def averaged(shape: tuple[int, ...], recipe: Recipe) -> int:
    """Return how many pixels of a side of images ``(..., H, W)`` the network of a recipe sees as one."""
    return averaged_pixels(max(shape[-2:]), _side(recipe)) if recipe.model in WHITENED else 1


def _side(recipe: Recipe) -> int:
    return SIDE if recipe.model == COLOUR.model else PATCHED_SIDE
