"""What a scan trains is chosen by the data: the network by their shape, mirroring by whether left and right matter."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import from_arrays, write_dataset
from whitesquare.learning.augment import augment, mirrored
from whitesquare.learning.choice import recipe_for, told
from whitesquare.learning.optimisers import Lookahead
from whitesquare.learning.probe import probe
from whitesquare.learning.recipes import COLOUR, ENOUGH_PASSES, MOST_EPOCHS, PATCHED, Recipe
from whitesquare.learning.whitened import PATCHED_SIDE, SIDE, Whitened, Whitening, shrinking
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings


def blobs(count, *, turned, channels=3):
    """Two classes: bright left or right halves of ever other brightness, or bright upper or lower ones."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = rng.integers(0, 90, (count, channels, 24, 24))
    half = np.zeros((2, 24, 24), np.int64)
    half[0, :12], half[1, 12:] = 60, 60
    images += half[labels][:, None] if not turned else half.transpose(0, 2, 1)[labels][:, None]
    return images.astype(np.uint8), labels


def test_images_are_mirrored_only_where_left_and_right_do_not_matter(small_train):
    upright, labels = blobs(600, turned=False)
    assert probe(upright, labels, 0).symmetric
    sideways, labels = blobs(600, turned=True)
    assert not probe(sideways, labels, 0).symmetric
    digits = probe(small_train.images(slice(None)), small_train.labels, 0)
    assert digits.accuracy.value > 0.6
    assert not digits.symmetric


def test_random_labels_are_no_reason_to_mirror():
    images, labels = blobs(600, turned=False)
    assert not probe(images, np.random.default_rng(1).permutation(labels), 0).symmetric


@pytest.mark.parametrize(("count", "labels"), [(59, None), (600, 0)])
def test_too_little_to_probe(count, labels):
    images, given = blobs(count, turned=False)
    assert probe(images, given if labels is None else np.zeros_like(given), 0) is None


def test_small_grey_images_get_the_simple_network_and_others_the_one_for_colour():
    assert recipe_for((1, 28, 28), None) == Recipe()
    for shape, model in (((3, 32, 32), COLOUR.model), ((3, 41, 20), PATCHED), ((1, 300, 300), PATCHED)):
        assert recipe_for(shape, None).model == model
        assert not recipe_for(shape, None).flip
    assert told(recipe_for((3, 32, 32), None)) == "whitened, 3 epochs, images shifted by up to 2 pixels"
    assert told(Recipe(sharpness=0.05)) == "cnn, 2 epochs, sharpness-aware (0.05)"


def test_a_scan_says_what_it_trained():
    images, labels = blobs(60, turned=False)
    images = np.ascontiguousarray(images[:, :, ::2, ::2])
    scan = run_scan(from_arrays(images, labels, layout="NCHW"), ScanSettings(detectors=("residual-components",)))
    assert scan.result.trained == "whitened, 40 epochs, images mirrored and shifted by up to 2 pixels"


def test_whitened_patches_are_uncorrelated_and_of_one_size():
    rng = np.random.default_rng(0)
    mixed = torch.from_numpy(rng.normal(size=(200, 3, 3)) @ rng.normal(size=(3, 3)) * 0.1 + 0.5).float()
    images = (mixed.mean(2)[:, :, None, None] + 0.05 * torch.from_numpy(rng.normal(size=(200, 3, 16, 16)))).float()
    layer = Whitening(3)
    layer.fit(images)
    found = layer(images)[:, :12, ::2, ::2].permute(0, 2, 3, 1).reshape(-1, 12)
    covariance = torch.cov(found.T)
    assert torch.allclose(covariance, torch.eye(12), atol=0.05)
    assert torch.allclose(found.mean(0), torch.zeros(12), atol=0.05)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_images_of_one_colour_give_numbers(level):
    network = Whitened(3, 32, 10, 1.0)
    network.prepare(torch.full((4, 3, 32, 32), level))
    assert torch.isfinite(network.eval()(torch.full((2, 3, 32, 32), level))).all()


def test_large_images_cost_little_more_than_small_ones():
    network = Whitened(3, 300, 4, 1.0).eval()
    assert network[0](torch.zeros(1, 3, 300, 300)).shape[2:] == (38, 38)


def test_no_image_is_read_at_many_more_pixels_than_it_needs():
    """Behind the first layer an image has about the pixels of CIFAR, which is what a training costs."""
    for side in (41, 50, 56, 64, 83, 84, 139, 140, 224, 300, 499):
        network = Whitened(3, side, 2, 1.0, patched=True)
        shrunk = network[0](torch.zeros(1, 3, side, side))
        assert 20 <= network[1](shrunk).shape[2] <= 42


@pytest.mark.parametrize("side", [42, 50, 51, 83])
def test_patches_side_by_side_leave_no_pixel_out(side):
    torch.manual_seed(0)
    network = Whitened(1, side, 5, 1.0, patched=True).eval()
    images = torch.rand(1, 1, side, side, requires_grad=True)
    features = network[1](network[0](images))
    features.abs().sum().backward()
    assert (images.grad != 0).all()


def test_patches_side_by_side_show_a_board_of_single_pixels():
    """Averaged down by two it would be gone; it is a direction of its own in every patch."""
    board = (np.indices((50, 50)).sum(0) % 2 * 20 - 10) / 255
    rng = np.random.default_rng(0)
    smooth = torch.from_numpy(rng.random((64, 1, 1, 1)) * np.linspace(0.2, 0.8, 50)).float().expand(64, 1, 50, 50)
    network = Whitened(1, 50, 2, 1.0, patched=True)
    network.prepare(smooth + 0.01 * torch.from_numpy(rng.normal(size=(64, 1, 50, 50))).float())
    before, after = (network[1](images).mean((2, 3)) for images in (smooth, smooth + torch.from_numpy(board).float()))
    assert (after - before).abs().max() > 1


@given(samples=st.integers(1, 200_000), passes=st.integers(100, 600))
def test_few_samples_take_fewer_images_and_no_fewer_steps(samples, passes):
    def images(recipe):
        return samples * recipe.epochs

    def steps(recipe):
        return recipe.epochs * -(-samples // (recipe.batch_size * recipe.accumulate))

    alone = replace(COLOUR, accumulate=1)
    one, other = COLOUR.for_size(samples, passes), alone.for_size(samples, passes)
    before = max(COLOUR.epochs, min(MOST_EPOCHS, round(passes / -(-samples // COLOUR.batch_size))))
    assert COLOUR.epochs <= one.epochs <= before
    assert images(one) <= before * samples
    assert one.learning_rate <= COLOUR.learning_rate
    if one.epochs > COLOUR.epochs:
        assert steps(one) >= before * -(-samples // (COLOUR.batch_size * COLOUR.accumulate)) * 0.9 or steps(one) > 120
    assert (other.accumulate, other.learning_rate, other.epochs) == (1, alone.learning_rate, before)
    assert one.accumulate > 1


def test_the_simple_network_learns_as_before():
    assert Recipe().for_size(60_000) == Recipe()
    assert Recipe().for_size(6_000) == replace(Recipe(), epochs=round(ENOUGH_PASSES / 24))


def test_every_image_is_mirrored_in_every_second_epoch():
    sides = torch.tensor([True, False, True])
    index = torch.tensor([2, 1])
    assert mirrored(sides, index, 0).tolist() == [True, False]
    assert mirrored(sides, index, 1).tolist() == [False, True]
    images = torch.rand(2, 3, 12, 12)
    found = augment(images, torch.Generator(), shift=0, rotate=0, mirror=torch.tensor([True, False]))
    assert torch.equal(found[0], images[0].flip(2))
    assert torch.equal(found[1], images[1])


def test_at_the_end_the_weights_are_their_slow_average():
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    slow = Lookahead(network, 10)
    network.weight.data.fill_(1.0)
    slow.after(3)
    assert network.weight.item() == 1.0
    slow.after(5)
    between = network.weight.item()
    assert 0 < between < 1
    network.weight.data.fill_(5.0)
    slow.after(10)
    assert network.weight.item() == pytest.approx(between)


@pytest.mark.parametrize(("recipe", "code"), [("colour", 0), ("colur", 2)])
def test_a_recipe_is_taken_by_name_and_changed_by_what_is_given(tmp_path, recipe, code):
    images, labels = blobs(120, turned=False)
    write_dataset(tmp_path / "data", from_arrays(images, labels, layout="NCHW"), None, "npz")
    asked = ["train", tmp_path / "data", "--recipe", recipe, "--epochs", "1", "--no-flip", "--sharpness", "0.05"]
    asked += ["-o", tmp_path / "model"]
    done = CliRunner().invoke(app, [str(one) for one in asked])
    assert done.exit_code == code, done.output
    if code:
        assert "colour" in done.stderr
        assert not (tmp_path / "model").exists()
        return
    said = json.loads((tmp_path / "model" / "model.json").read_text())["recipe"]
    assert {**said, "epochs": COLOUR.epochs, "flip": True, "sharpness": 0.0} == asdict(COLOUR)
    assert (said["epochs"], said["flip"], said["sharpness"]) == (1, False, 0.05)


@pytest.mark.parametrize("side", [70, 101, 250, 299, 512])
@pytest.mark.parametrize("wanted", [SIDE, PATCHED_SIDE])
def test_images_that_are_averaged_down_keep_what_stands_in_their_last_pixels(side, wanted):
    """A trigger in the lower right corner that no model is shown could never be confirmed."""
    image, corner = torch.full((1, 1, side, side), 0.5), torch.zeros(1, 1, side, side)
    corner[..., -3:, -3:] = 1
    shrink = shrinking(side, wanted)
    assert torch.equal(shrink(image).unique(), torch.tensor([0.5]))
    assert shrink(corner)[..., -1, -1] > 0.05
