"""The passes of a step, side by side: what a training learns does not depend on how many run at a time."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")
import torch
from torch import nn

from whitesquare.learning.passes import Passes
from whitesquare.learning.recipes import COLOUR
from whitesquare.learning.tensors import TensorData
from whitesquare.learning.train import make_card, train_tensors


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def images_of(count):
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(count))


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    )


def pull(one, images):
    loss = one(images).square().mean()
    loss.backward()
    return float(loss.detach())


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("at_a_time", [1, 2])
def test_a_step_is_what_passes_one_after_the_other_give(threads, count, at_a_time):
    threads(at_a_time)
    plain, ours = network(), network()
    passes = [images_of(number) for number in (5, 9, 3, 7)[:count]]
    wanted = [pull(plain, images) for images in passes]
    with Passes(ours, 4) as side_by_side:
        found = side_by_side.run(pull, passes)
        # Weights are shared, not copied: what an optimiser does to them is seen by the next step.
        with torch.no_grad():
            for weight, other in zip(ours.parameters(), plain.parameters(), strict=True):
                assert torch.allclose(weight.grad, other.grad, atol=1e-7)
                weight.zero_()
        assert side_by_side.run(pull, passes) == [0.0] * count
    assert torch.get_num_threads() == at_a_time
    assert found == pytest.approx(wanted)
    assert int(ours[1].num_batches_tracked) == 2 * count
    with torch.no_grad():
        plain[0].weight.zero_()
        plain[0].bias.zero_()
        for images in passes:
            plain(images)
    assert torch.allclose(ours[1].running_mean, plain[1].running_mean, atol=1e-6)
    assert torch.allclose(ours[1].running_var, plain[1].running_var, atol=1e-6)


@pytest.mark.parametrize("change", [{}, {"sharpness": 0.1}, {"accumulate": 3}])
def test_a_training_is_the_same_to_the_bit_on_one_thread_and_on_two(threads, change):
    images = torch.randint(0, 255, (330, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = TensorData(images, torch.arange(330) % 10)
    recipe = replace(COLOUR, epochs=1, batch_size=50, precision="float32", **change)
    card = make_card(data, recipe, tuple("abcdefghij"), seed=1)

    def trained(count):
        threads(count)
        return train_tensors(data, recipe, card).network.state_dict()

    one, two = trained(1), trained(2)
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_an_error_of_a_pass_ends_the_step(threads):
    threads(2)

    def fails(one, images):
        raise ValueError(f"{len(images)} images are too many")

    with pytest.raises(ValueError, match="5 images are too many"), Passes(network(), 2) as side_by_side:
        side_by_side.run(fails, [images_of(5), images_of(6)])
    assert torch.get_num_threads() == 2


def test_no_pass_is_of_one_image():
    data = TensorData(torch.randint(0, 255, (51, 3, 12, 12), dtype=torch.uint8), torch.arange(51) % 2)
    recipe = replace(COLOUR, epochs=1, batch_size=50, accumulate=2)
    network = train_tensors(data, recipe, make_card(data, recipe, ("a", "b"), seed=1)).network
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
