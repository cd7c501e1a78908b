"""Which network the images ask for; what is asked for by name is not chosen here."""

from dataclasses import replace

from whitesquare.learning.probe import Probed
from whitesquare.learning.recipes import COLOUR, PATCHED, Recipe

_LARGE = 40
"""Pixels of a side above which the simple network, whose first linear layer grows with the image, is not used, and the
network for colour reads patches that do not overlap."""
SHORT = 3
"""Epochs after which the network for colour has learned enough to be asked; see docs/natural.md."""


def recipe_for(shape: tuple[int, ...], probed: Probed | None) -> Recipe:
    """Return how the scan's models are trained on images ``(C, H, W)``.

    Args:
        shape: of an image.
        probed: what a linear probe makes of them; without one they are not mirrored.
    """
    is_large = max(shape[1:]) > _LARGE
    if shape[0] == 1 and not is_large:
        return Recipe()
    model = PATCHED if is_large else COLOUR.model
    return replace(COLOUR, model=model, epochs=SHORT, flip=probed is not None and probed.symmetric)


def told(recipe: Recipe) -> str:
    """Say in a few words what is trained, and how the images are changed in training."""
    changes = [
        *(["mirrored"] if recipe.flip else []),
        *([f"shifted by up to {recipe.shift} pixels"] if recipe.shift else []),
    ]
    epochs = f"{recipe.epochs} epoch{'s' * (recipe.epochs != 1)}"
    sharp = f", sharpness-aware ({recipe.sharpness:g})" if recipe.sharpness else ""
    return f"{recipe.model}, {epochs}{sharp}" + (f", images {' and '.join(changes)}" if changes else "")
