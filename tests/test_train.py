"""Training: repeatable, careful about its inputs, the same with and without bfloat16."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from whitesquare.data import from_arrays
from whitesquare.errors import DataError, TrainingError, UsageError
from whitesquare.executor import run_all
from whitesquare.learning import bfloat16
from whitesquare.learning.measure import measure, predict, prepare
from whitesquare.learning.models import MODELS, load_model, save_model
from whitesquare.learning.networks import Architecture, build
from whitesquare.learning.optimisers import uphill
from whitesquare.learning.recipes import FIRST_SURROGATE_SEED, MODEL_SUMMARIES, Recipe
from whitesquare.learning.train import autocast_for, effective_precision, has_fast_bfloat16, train
from whitesquare.records import CARD, WEIGHTS
from whitesquare.triggers import Patch

QUICK = Recipe(epochs=1)


def weights(model):
    return torch.cat([value.flatten().float() for value in model.network.state_dict().values()])


def test_the_summaries_name_every_model():
    assert set(MODELS) == set(MODEL_SUMMARIES)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 33)])
def test_every_model_learns_images_of_any_size(name, shape):
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = (rng.integers(0, 60, (240, *shape)) + 80 * labels[:, None, None, None]).astype(np.uint8)
    dataset = from_arrays(images, labels, layout="NCHW")
    model = train(dataset, Recipe(model=name, epochs=8, batch_size=20, learning_rate=0.002), seed=0)
    assert (predict(model, images).argmax(1) == labels).mean() > 0.9


@pytest.mark.long
def test_large_images_are_averaged_once_and_the_model_reads_them_whole():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    small = (rng.integers(0, 60, (120, 3, 40, 40)) + 80 * labels[:, None, None, None]).astype(np.uint8)
    large = small.repeat(2, 2).repeat(2, 3)
    recipe = Recipe(model="whitened", epochs=2, batch_size=20, learning_rate=0.002, precision="float32")
    whole, part = (train(from_arrays(one, labels, layout="NCHW"), recipe, seed=0) for one in (large, small))
    assert predict(whole, large) == pytest.approx(predict(part, small), abs=1e-4)
    assert torch.equal(weights(whole), weights(part))


def test_a_seed_repeats_itself_and_another_does_not(tiny):
    first, again, other = (train(tiny, QUICK, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_training_leaves_the_global_generator_alone(tiny):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    train(tiny, QUICK, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_trainings_side_by_side_equal_trainings_in_turn(tiny, precision):
    recipe = Recipe(epochs=3, precision=precision)

    def work(seed):
        return weights(train(tiny, recipe, seed=seed))

    in_turn = run_all(work, [1, 2, 3, 4], workers=1)
    side_by_side = run_all(work, [1, 2, 3, 4], workers=4)
    assert all(map(torch.equal, in_turn, side_by_side))


def test_both_precisions_learn_the_same_thing(small_train, small_test):
    test = prepare(small_test, Patch(), 0)
    full, half = (
        measure(train(small_train, Recipe(precision=precision), seed=3), test) for precision in ("float32", "bfloat16")
    )
    assert full.ca.value > 0.9
    assert abs(full.ca.value - half.ca.value) < 0.02


def test_auto_falls_back_where_the_processor_has_no_bfloat16(monkeypatch):
    for answer, expected in ((False, "float32"), (True, "bfloat16")):
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, probe, lambda answer=answer: answer, raising=False)
        assert has_fast_bfloat16() is answer
        assert effective_precision("auto") == expected
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, probe)
    assert effective_precision("auto") == "float32"
    with autocast_for("auto"):
        assert not torch.is_autocast_enabled("cpu")


def test_bfloat16_is_tried_out_before_it_is_used(monkeypatch):
    assert 0 < bfloat16.bfloat16_error() <= bfloat16.TOLERANCE, "PyTorch emulates it where the processor has none"
    exact = torch.conv2d
    broken = {
        "wrong": lambda images, weight, **how: 1.1 * exact(images, weight, **how),
        "not a number": lambda images, weight, **how: exact(images, weight, **how) * float("nan"),
        "refused": lambda images, weight, **how: exact(images, weight[:, :, :, :, None], **how),
    }
    for kind, convolution in broken.items():
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)

        def only_in_half(images, weight, *, wrong=convolution, **how):
            return (wrong if torch.is_autocast_enabled("cpu") else exact)(images, weight, **how)

        with monkeypatch.context() as patch:
            patch.setattr(bfloat16.F, "conv2d", only_in_half)
            bfloat16.bfloat16_error.cache_clear()
            assert bfloat16.bfloat16_error() > bfloat16.TOLERANCE, kind
            assert effective_precision("auto") == "float32", kind
        bfloat16.bfloat16_error.cache_clear()
    assert effective_precision("auto") == "bfloat16"
    assert bfloat16.bfloat16_speed() > 0


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_every_optimiser_and_schedule_learns(tiny, optimiser, schedule):
    recipe = Recipe(epochs=40, batch_size=10, optimiser=optimiser, schedule=schedule, learning_rate=0.005)
    model = train(tiny, recipe, seed=0)
    assert (predict(model, tiny.images(slice(None))).argmax(1) == tiny.labels).mean() > 0.9


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [{}, {"model": "cnn-bn", "accumulate": 2, "shift": 1}, {"optimiser": "lookahead", "learning_rate": 0.05}],
)
def test_sharpness_aware_training_learns_repeats_itself_and_is_another(tiny, change):
    plain = replace(Recipe(epochs=30, batch_size=10, learning_rate=0.005), **change)
    sharp = replace(plain, sharpness=0.05)
    first, again, other = (train(tiny, recipe, seed=0) for recipe in (sharp, sharp, plain))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert (predict(first, tiny.images(slice(None))).argmax(1) == tiny.labels).mean() > 0.9


def test_a_radius_of_nearly_nothing_changes_nearly_nothing(tiny):
    recipe = replace(QUICK, batch_size=100, optimiser="sgd", learning_rate=0.01, precision="float32")
    near, off, far = (weights(train(tiny, replace(recipe, sharpness=radius), seed=0)) for radius in (1e-6, 0.0, 0.5))
    assert 0 < (near - off).norm() < 1e-3 * (far - off).norm()


def test_uphill_is_that_far_away_and_the_way_back_is_exact():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
    images = torch.rand(4, 1, 6, 6)
    network(images).square().sum().backward()
    start = [weight.detach().clone() for weight in network.parameters()]
    slopes = [weight.grad.clone() for weight in network.parameters()]
    known = network[1].running_mean.clone()
    length = torch.cat([slope.flatten() for slope in slopes]).norm()
    with uphill(network, 0.3):
        for weight, before, slope in zip(network.parameters(), start, slopes, strict=True):
            assert weight.grad is None
            assert torch.allclose(weight, before + 0.3 * slope / length)
        network(images)
        assert torch.equal(network[1].running_mean, known)
    assert all(map(torch.equal, network.parameters(), start))
    network(images)
    assert not torch.equal(network[1].running_mean, known)


def test_without_a_gradient_there_is_no_way_uphill():
    network = torch.nn.Linear(2, 1)
    network(torch.zeros(1, 2)).sum().mul(0).backward()
    before = network.weight.detach().clone()
    with uphill(network, 0.3):
        assert torch.equal(network.weight, before)


def test_a_loss_that_is_not_a_number_ends_the_training(tiny):
    with pytest.raises(TrainingError, match=r"diverged: the loss is \w+ at step \d+ of \d+; lower the learning rate"):
        train(tiny, Recipe(epochs=60, optimiser="sgd", learning_rate=1e30, schedule="constant"), seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "resnett"}, "Did you mean 'resnet'"),
        ({"optimiser": "adams"}, "Did you mean 'adam'"),
        ({"schedule": "cosine"}, "no schedule named"),
        ({"precision": "float16"}, "no precision named"),
        ({"epochs": 0}, "'epochs' of Recipe must be at least 1"),
        ({"batch_size": 0}, "'batch_size' of Recipe must be at least 1"),
        ({"learning_rate": 0.0}, "'learning_rate' of Recipe must be above 0"),
        ({"learning_rate": float("nan")}, "'learning_rate' of Recipe must be above 0"),
        ({"weight_decay": -1.0}, "'weight_decay' of Recipe must be at least 0"),
        ({"sharpness": -0.1}, "'sharpness' of Recipe must be at least 0"),
        ({"sharpness": float("nan")}, "'sharpness' of Recipe must be at least 0"),
    ],
)
def test_a_wrong_recipe_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        replace(QUICK, **change)


@pytest.mark.parametrize("seed", [-1, FIRST_SURROGATE_SEED])
def test_a_victim_cannot_have_an_attackers_seed(tiny, seed):
    with pytest.raises(UsageError, match="seed of a training"):
        train(tiny, QUICK, seed=seed)


def test_images_too_small_for_the_models_are_refused():
    dataset = from_arrays(np.zeros((4, 6, 6), np.uint8), np.arange(4) % 2)
    with pytest.raises(UsageError, match="'cnn' needs images of at least 8 x 8 pixels; these are 6 x 6"):
        train(dataset, QUICK, seed=0)


@pytest.mark.parametrize("model", MODEL_SUMMARIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_model_reads_the_smallest_images_that_it_says_it_does(model, channels):
    side = 12 if model == "cnn-unpadded" else 8
    network = build(Architecture(model, channels, side, side, 4), seed=0).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, channels, side, side)).shape == (2, 4)
    with pytest.raises(UsageError, match=f"{model!r} needs images of at least {side} x {side} pixels"):
        build(Architecture(model, channels, side, side - 1, 4), seed=0)


@pytest.mark.parametrize("labels", [[], [1, 1]])
def test_nothing_to_learn_is_refused(labels):
    dataset = from_arrays(np.zeros((len(labels), 9, 9), np.uint8), np.array(labels, np.int64))
    with pytest.raises(DataError):
        train(dataset, QUICK, seed=0)


def test_a_model_survives_its_files(tiny, tmp_path):
    model = train(tiny, replace(QUICK, model="cnn-bn"), seed=4)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    images = tiny.images(slice(None))
    assert again.card == model.card
    assert np.array_equal(predict(again, images), predict(model, images))
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS, CARD}


@pytest.mark.parametrize("damage", ["missing weights", "missing card", "cut weights", "wrong card", "not json"])
def test_a_damaged_model_folder_is_refused(tiny, tmp_path, damage):
    save_model(train(tiny, QUICK, seed=4), tmp_path)
    weights_file, card = tmp_path / WEIGHTS, tmp_path / CARD
    if damage == "missing weights":
        weights_file.unlink()
    elif damage == "missing card":
        card.unlink()
    elif damage == "cut weights":
        weights_file.write_bytes(weights_file.read_bytes()[:-100])
    elif damage == "wrong card":
        card.write_text(card.read_text().replace('"name": "cnn"', '"name": "resnet"'))
    else:
        card.write_text("{")
    with pytest.raises(DataError, match=r"is missing|cannot be loaded|is not a valid"):
        load_model(tmp_path)


def test_an_error_in_one_task_ends_them_all():
    def work(item):
        if item == 1:
            raise TrainingError("one failed")
        return item

    with pytest.raises(TrainingError, match="one failed"):
        run_all(work, [0, 1, 2], workers=2)
