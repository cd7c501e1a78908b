"""The attacker's models fit the data: simple for small grey images, the network for colour for all others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from whitesquare.attacks.descent import features
from whitesquare.attacks.surrogates import Moved, SurrogateFactory, reference_recipe
from whitesquare.data import from_arrays
from whitesquare.learning.choice import SHORT
from whitesquare.learning.recipes import COLOUR, PATCHED, Recipe
from whitesquare.types import CraftContext


def context_of(shape, *, sided=False):
    """Three hundred images, each class brighter than the one before; or bright on one side instead."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    images = rng.integers(0, 80, (300, *shape)) + (0 if sided else 60 * labels[:, None, None, None])
    if sided:
        for label, columns in enumerate((slice(0, 3), slice(-3, None), slice(0, 0))):
            images[labels == label, ..., columns] += 150
    return CraftContext(from_arrays(images.astype(np.uint8), labels, layout="NCHW"), np.arange(3), 0, 5)


@pytest.mark.parametrize("epochs", [1, 2, 9])
def test_small_grey_images_have_the_surrogate_that_they_always_had(epochs):
    assert reference_recipe(context_of((1, 28, 28)), epochs) == Recipe(epochs=epochs)


@pytest.mark.parametrize(("shape", "model"), [((3, 16, 20), COLOUR.model), ((1, 48, 48), PATCHED)])
def test_other_images_have_the_network_for_colour_and_enough_epochs(shape, model):
    recipe = reference_recipe(context_of(shape), 1)
    assert recipe.model == model
    assert recipe.epochs == SHORT
    assert reference_recipe(context_of(shape), 7).epochs == 7


def test_surrogates_are_mirrored_only_where_left_and_right_do_not_matter():
    assert reference_recipe(context_of((3, 16, 16)), 1).flip
    assert not reference_recipe(context_of((3, 16, 16), sided=True), 1).flip


def test_a_surrogate_that_trained_on_mirrored_images_sees_some_of_them_mirrored_and_always_the_same():
    images = torch.arange(40 * 12.0).view(40, 1, 3, 4)
    moved = Moved(torch.nn.Identity(), Recipe(flip=True), 3)
    seen = moved(images)
    sides = [torch.equal(one, image.flip(2)) for one, image in zip(seen, images, strict=True)]
    assert all(
        torch.equal(one, image.flip(2) if side else image) for one, image, side in zip(seen, images, sides, strict=True)
    )
    assert 5 < sum(sides) < 35
    assert torch.equal(seen, moved(images))


def test_the_features_of_a_surrogate_in_colour_are_the_input_of_its_last_layer():
    factory = SurrogateFactory.of_epochs(context_of((3, 16, 20)), 1)
    (surrogate,) = factory.train(1)
    assert isinstance(surrogate, Moved)
    inputs = torch.rand(7, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    last = surrogate.network[-1]
    with torch.inference_mode():
        logits = surrogate(inputs)
        found = last(features(surrogate, inputs))
    # Logits are the last layer's outputs, scaled: the direction is what must agree.
    agree = torch.nn.functional.cosine_similarity(found, logits.float())
    assert agree.min() > 0.99


def test_surrogates_in_turn_are_moved_only_if_they_trained_so():
    context = context_of((3, 16, 20))
    recipes = (replace(Recipe(), epochs=1), replace(COLOUR, epochs=1))
    plain, moved = SurrogateFactory.for_context(context, recipes).train(2)
    assert not isinstance(plain, Moved)
    assert isinstance(moved, Moved)
    assert moved.recipe.flip
