"""The objectives of the feature-space and gradient attacks go down, and the tool that lowers them is exact."""

import numpy as np
import pytest
import torch
from torch import nn

from whitesquare.attacks import make_attack, poison
from whitesquare.attacks.descent import descend, features, features_of, misalignment, parts, stamped_sources
from whitesquare.attacks.perturb import budget_box
from whitesquare.attacks.surrogates import surrogate_seed
from whitesquare.errors import ContractError
from whitesquare.learning.models import MODELS, Architecture, build
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.tensors import to_tensors
from whitesquare.learning.train import make_card, train_tensors
from whitesquare.triggers import Patch
from whitesquare.types import CraftContext

TARGET, COUNT, BIG = 0, 100, Patch(size=6)


def network_of(dataset, seed):
    data, recipe = to_tensors(dataset), Recipe(epochs=2)
    return train_tensors(data, recipe, make_card(data, recipe, dataset.classes, seed=seed)).network


def sources_of(dataset, count=300):
    return stamped_sources(CraftContext(dataset, np.arange(1), TARGET, 0), BIG, count, 77)


@pytest.mark.long
@pytest.mark.parametrize("attack", ["feature-collision", "hidden-trigger"])
def test_features_move_towards_triggered_sources(attack, small_train):
    made = poison(small_train, make_attack(attack, {"trigger": BIG}), target=TARGET, count=COUNT, seed=0)
    originals = small_train.images(made.dataset.positions)
    surrogate = network_of(small_train, surrogate_seed(0, 1))
    aims = features_of(surrogate, sources_of(small_train), workers=2)

    def distance(images):
        return float(torch.cdist(features_of(surrogate, images, workers=2), aims).amin(1).mean())

    assert distance(made.content) < 0.7 * distance(originals)


@pytest.mark.long
def test_the_poisons_gradient_turns_towards_that_of_the_triggered_sources(small_train):
    attack = make_attack("gradient-matching", {"trigger": BIG, "rounds": 1, "steps": 20, "sources": 300})
    made = poison(small_train, attack, target=TARGET, count=COUNT, seed=0)
    originals = small_train.images(made.dataset.positions)
    apart = misalignment(network_of(small_train, surrogate_seed(0, 1)), sources_of(small_train), TARGET)

    def between(images):
        return float(apart(torch.from_numpy(images / np.float32(255)), slice(0, COUNT)).detach())

    assert between(made.content) < between(originals) - 0.2


def test_a_gradient_is_aligned_with_itself():
    network = build(Architecture("cnn", 1, 12, 12, 3), 0)
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 12, 12), dtype=np.uint8)
    apart = misalignment(network, images, 1)
    assert float(apart(torch.from_numpy(images / np.float32(255)), slice(0, 40)).detach()) == pytest.approx(0, abs=1e-5)


def test_descent_reaches_the_nearest_point_of_the_box():
    images = np.full((3, 1, 4, 4), 100, np.uint8)
    box = budget_box(images, 0.1)
    aim = torch.tensor([0.2, 0.4, 0.9]).reshape(3, 1, 1, 1)
    start = torch.from_numpy(images.astype(np.float32))
    found = descend(start, box, lambda x, part: (x - aim[part]).square().sum(), steps=200, step_size=0.5, workers=2)
    assert found[0].unique().tolist() == [75]
    assert found[2].unique().tolist() == [125]
    assert (found[1] - 0.4 * 255).abs().max() <= 1


def test_chunks_cover_a_batch_once():
    assert parts(0) == []
    covered = np.concatenate([np.arange(1234)[part] for part in parts(1234)])
    assert np.array_equal(covered, np.arange(1234))


def test_sources_are_triggered_images_of_other_classes_and_new_in_every_draw(tiny):
    context = CraftContext(tiny, np.arange(1), 2, 0)
    first, second = (stamped_sources(context, Patch(), 40, draw) for draw in (0, 1))
    others = {image.tobytes() for image in Patch()(tiny.images(np.flatnonzero(tiny.labels != 2)))}
    assert {image.tobytes() for image in first} == others, "all forty, none twice"
    assert not np.array_equal(first, second)
    assert len(stamped_sources(context, Patch(), 100, 0)) == 100


@pytest.mark.parametrize("model", MODELS)
def test_features_are_what_the_last_layer_reads(model):
    network = build(Architecture(model, 1, 28, 28, 10), 0).eval()
    inputs = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(network[-1](features(network, inputs)), network(inputs), atol=0.05)


def test_features_of_an_unknown_network_are_refused():
    with pytest.raises(ContractError, match=r"ends in nn\.Linear"):
        features(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 4, 4))
