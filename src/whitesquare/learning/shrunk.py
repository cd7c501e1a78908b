"""The images that a network is trained on, averaged down before there are many: most need a few pixels of each."""

import numpy as np
import torch

from whitesquare.data.pixels import Pixels, parts_of
from whitesquare.data.room import check_room
from whitesquare.learning.recipes import COLOUR, Recipe
from whitesquare.learning.train import TensorData, borrowed
from whitesquare.learning.whitened import shrinking, shrunk
from whitesquare.types import IntArray


def training_data(images: Pixels, labels: IntArray, recipe: Recipe, device: str) -> TensorData:
    """Return samples on a device, as small as the network of a recipe reads them, and shared by all that are trained.

    Args:
        images: ``(N, C, H, W)``; of an array that is not averaged down, memory on the processor is shared, not copied.
        labels: ``(N,)``.
        recipe: which network.
        device: where they are used.

    Raises:
        DataError: they do not fit into memory.
    """
    _, channels, height, width = images.shape
    wanted = torch.from_numpy(labels.copy()).to(device)
    shrink = shrinking(max(height, width))
    if recipe.model == COLOUR.model and not isinstance(shrink, torch.nn.Identity) and len(images):
        parts = [shrunk(borrowed(part).to(device), shrink) for _, part in parts_of(images)]
        return TensorData(torch.cat(parts), wanted, shape=(channels, height, width))
    if not isinstance(images, np.ndarray):
        check_room(len(images), (channels, height, width), "The training of the scan's models")
    return TensorData(borrowed(images[slice(None)]).to(device), wanted)
