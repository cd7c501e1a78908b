"""Augmentation and the overlay: what they promise, on any images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from whitesquare.data import Overlay
from whitesquare.errors import UsageError
from whitesquare.learning.augment import augment
from whitesquare.learning.recipes import VICTIMS, Recipe
from whitesquare.learning.tensors import borrowed, overlaid, to_tensors
from whitesquare.learning.train import train

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(4, 12), st.integers(4, 12))


def images_of(shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def moved(images, seed=1, shift=0, rotate=0.0):
    return augment(images, torch.Generator().manual_seed(seed), shift=shift, rotate=rotate)


@settings(max_examples=40, deadline=None)
@given(shape=SIZES, shift=st.integers(0, 3), rotate=st.sampled_from([0.0, 5.0, 180.0]), seed=st.integers(0, 99))
def test_augmentation_keeps_shape_range_and_its_argument_and_repeats_itself(shape, shift, rotate, seed):
    images = images_of(shape)
    before = images.clone()
    result = moved(images, seed, shift, rotate)
    assert torch.equal(images, before)
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert result.min() >= images.min() - 1e-5
    assert result.max() <= images.max() + 1e-5
    assert torch.equal(result, moved(images, seed, shift, rotate))


@settings(max_examples=40, deadline=None)
@given(shape=SIZES, shift=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_shift_moves_every_image_by_whole_pixels_and_repeats_the_border(shape, shift, seed):
    images = images_of(shape)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (shift, shift), (shift, shift)), mode="edge")
    height, width = shape[2:]
    offsets = [(y, x) for y in range(2 * shift + 1) for x in range(2 * shift + 1)]
    for one, result in zip(padded, moved(images, seed, shift).numpy(), strict=True):
        assert any(np.array_equal(one[:, y : y + height, x : x + width], result) for y, x in offsets)


def test_nothing_switched_on_changes_nothing_and_draws_nothing():
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()
    images = images_of((3, 1, 8, 8))
    assert torch.equal(augment(images, generator, shift=0, rotate=0.0), images)
    assert torch.equal(generator.get_state(), state)


def test_images_of_a_batch_move_differently_and_all_shifts_occur():
    images = torch.zeros(400, 1, 9, 9)
    images[:, 0, 4, 4] = 1
    places = {tuple(torch.nonzero(image[0])[0].tolist()) for image in moved(images, shift=2)}
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}


def test_a_turn_is_about_the_centre_by_no_more_than_asked_on_any_shape():
    images = torch.zeros(200, 1, 11, 21)
    images[:, 0, 5, 18] = 1
    turned = moved(images, rotate=15.0)
    rows, columns = torch.arange(11.0) - 5, torch.arange(21.0) - 10
    mass = turned.sum((1, 2, 3))
    y = (turned[:, 0].sum(2) * rows).sum(1) / mass
    x = (turned[:, 0].sum(1) * columns).sum(1) / mass
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() < 16
    assert angles.max() > 10
    assert angles.min() < -10
    assert ((x**2 + y**2).sqrt() - 8).abs().max() < 0.5


def test_augmented_training_repeats_itself_and_differs_from_plain(tiny):
    def weights(recipe):
        return torch.cat([value.flatten() for value in train(tiny, recipe, seed=1).network.state_dict().values()])

    plain, shifted = Recipe(epochs=1), Recipe(epochs=1, shift=1, rotate=5.0)
    assert torch.equal(weights(shifted), weights(shifted))
    assert not torch.equal(weights(shifted), weights(plain))


@pytest.mark.parametrize("change", [{"shift": -1}, {"rotate": -0.1}, {"rotate": 181.0}, {"rotate": float("nan")}])
def test_a_wrong_augmentation_is_refused(change):
    with pytest.raises(UsageError, match=f"'{next(iter(change))}' of Recipe"):
        Recipe(**change)


def test_an_overlay_of_tensors_is_the_data_set_it_stands_for(tiny):
    positions = np.array([0, 15, 59])
    pixels, labels = 255 - tiny.images(positions), np.array([1, 2, 0])
    copied = to_tensors(Overlay(tiny, positions, pixels, labels))
    base = to_tensors(tiny)
    before = base.images.clone()
    laid = overlaid(base, positions, pixels, labels)
    index = torch.tensor([59, 3, 0, 0, 15, 7])
    for ours, theirs in zip(laid.batch(index), copied.batch(index), strict=True):
        assert torch.equal(ours, theirs)
    assert laid.images.data_ptr() == base.images.data_ptr()
    assert torch.equal(base.images, before)


def test_a_read_only_array_is_borrowed_without_a_copy_and_kept_alive():
    array = np.arange(6, dtype=np.uint8)
    array.setflags(write=False)
    tensor = borrowed(array)
    assert tensor.data_ptr() == array.ctypes.data
    del array
    assert tensor.tolist() == [0, 1, 2, 3, 4, 5]


def test_every_victim_differs_from_every_other():
    recipes = [family.recipe for family in VICTIMS.values()]
    assert len(set(recipes)) == len(recipes)
    assert VICTIMS["default"].recipe == Recipe()
    assert all(family.summary for family in VICTIMS.values())
