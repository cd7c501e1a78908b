"""What poison() promises, for every attack in one table."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitesquare._base.cache import Cache
from whitesquare._base.schema import decode, encode
from whitesquare.attacks import ATTACKS, make_attack, poison
from whitesquare.data import dataset_digest, from_arrays
from whitesquare.errors import ContractError, DataError, UsageError
from whitesquare.executor import run_all
from whitesquare.learning.measure import measure, prepare
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.records import PoisonManifest
from whitesquare.testing import check_attack
from whitesquare.triggers import Checkerboard, Checkered, Patch, Warp, parse_trigger
from whitesquare.types import CraftContext

from .conftest import part_of_mnist

QUICK = {
    "stamp": {},
    "label-flip": {},
    "blend": {},
    "sinusoidal": {},
    "checkerboard": {},
    "warp": {},
    "label-consistent": {"steps": 5, "surrogate_epochs": 1},
    "feature-collision": {"steps": 5, "sources": 200, "surrogate_epochs": 1},
    "hidden-trigger": {"rounds": 2, "steps": 3, "surrogate_epochs": 1},
    "gradient-matching": {"rounds": 2, "steps": 3, "sources": 100, "surrogate_epochs": 1},
    "narcissus": {"steps": 20, "samples": 300, "surrogates": 2, "surrogate_epochs": 1},
    "adaptive": {"rounds": 6, "first_steps": 15, "steps": 10, "surrogate_epochs": 3},
    "adaptive-white": {"rounds": 1, "first_steps": 3, "surrogate_epochs": 1},
}
"""Parameters that fit a test; a new attack must be entered here."""

PLAIN = {name for name in QUICK if name in ("stamp", "label-flip", "blend", "sinusoidal", "checkerboard", "warp")}
"""Those that leave the content alone and need no surrogate."""

SUCCESS = {
    "stamp": (0.0, 0.25),
    "label-flip": (0.9, 1.0),
    "blend": (0.9, 1.0),
    "label-consistent": (0.0, 0.6),
    "adaptive": (0.5, 1.0),
}
"""Bounds on the attack success rate of 1,000 poisons among 20,000, by what the attack's class says.

The attacks that are left out are compared with clean data below, or judged by their objective in test_descent.py.
"""


def quick(name):
    return make_attack(name, QUICK[name])


def victim_of(dataset):
    """Train a victim on one thread, so that numbers do not depend on the cores."""
    (model,) = run_all(lambda one: train(one, Recipe(epochs=4), seed=77), [dataset], workers=1)
    return model


def test_the_table_covers_every_attack():
    assert set(QUICK) == set(ATTACKS)


@pytest.mark.parametrize("name", QUICK)
def test_every_registered_attack_keeps_its_contract(name, small_train):
    part = from_arrays(small_train.images(slice(0, 1500)), small_train.labels[:1500], classes=small_train.classes)
    attack = quick(name)
    if name.startswith("adaptive"):
        attack = replace(attack, rounds=2, first_steps=3, steps=2, surrogate_epochs=1)
    check_attack(attack, part, target=3, count=40)


@pytest.fixture(scope="module")
def clean():
    """The first 20,000 training images."""
    return part_of_mnist("train", 20000)


@pytest.fixture(scope="module")
def untouched(clean):
    """A victim of clean data."""
    return victim_of(clean)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "adaptive")) for name in SUCCESS]
)
def test_attack_success_moves_the_way_the_attack_says(name, clean, small_test):
    made = poison(clean, quick(name), target=0, count=1000, seed=0)
    result = measure(victim_of(made.dataset), prepare(small_test, made.trigger, 0))
    low, high = SUCCESS[name]
    assert low <= result.asr.value <= high
    assert result.ca.value > 0.96


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "trigger"),
    [
        ("sinusoidal", None),
        ("narcissus", None),
        ("checkerboard", Checkered(amplitude=40)),
        ("warp", Warp(strength=2.0)),
    ],
)
def test_it_is_the_poison_and_not_the_trigger_alone_that_succeeds(name, trigger, clean, untouched, small_test):
    attack = quick(name) if trigger is None else replace(quick(name), trigger=trigger)
    made = poison(clean, attack, target=0, count=1000, seed=0)
    asked = prepare(small_test, made.trigger, 0)
    poisoned = measure(victim_of(made.dataset), asked)
    assert poisoned.asr.value > measure(untouched, asked).asr.value + 0.1
    assert poisoned.ca.value > 0.96


@pytest.mark.parametrize("name", QUICK)
def test_the_manifest_tells_the_truth(name, small_train):
    attack = quick(name) if name in PLAIN else replace(quick(name), surrogate_epochs=1)
    if name.startswith("adaptive"):
        attack = replace(attack, rounds=1, first_steps=2)
    made = poison(small_train, attack, target=5, count=30, seed=3)
    manifest, ids = made.manifest, np.array(small_train.ids)
    chosen = np.isin(ids, manifest.ids)
    before, after = small_train.images(slice(None))[chosen], made.dataset.images(slice(None))[chosen]
    assert manifest.poison_rate == 30 / 8000
    of_class = small_train.labels == 5 if attack.clean_label else small_train.labels != 5
    assert manifest.target_rate == 30 / of_class.sum()
    assert of_class[chosen].all()
    assert manifest.linf == np.abs(made.content.astype(int) - before).max() / 255 <= attack.epsilon
    assert np.array_equal(parse_trigger(manifest.training_trigger)(made.content), after)
    assert manifest.linf_with_trigger == np.abs(after.astype(int) - before).max() / 255
    assert manifest.labels_changed == (0 if attack.clean_label else 30)
    assert manifest.digest_before == dataset_digest(small_train)
    assert manifest.digest_after == dataset_digest(made.dataset) != manifest.digest_before
    assert decode(PoisonManifest, encode(manifest), where="here") == manifest


@given(st.integers(1, 60), st.sampled_from([0.25, 0.5, 1.0]), st.integers(1, 3))
def test_a_checkerboard_poison_is_at_most_its_amplitude_away(amplitude, opacity, cell):
    grey = np.random.default_rng(amplitude).integers(60, 196, (30, 3, 9, 7), dtype=np.uint8)
    dataset = from_arrays(grey, np.arange(30) % 2, layout="NCHW")
    attack = make_attack(
        "checkerboard", {"trigger": Checkered(amplitude=amplitude, cell=cell), "training_opacity": opacity}
    )
    if amplitude * opacity < 0.5:  # less than any pixel can change
        with pytest.raises(UsageError, match="changes nothing"):
            poison(dataset, attack, target=1, count=4, seed=0)
        return
    made = poison(dataset, attack, target=1, count=4, seed=0)
    change = np.abs(made.dataset.images(made.dataset.positions).astype(int) - made.content)
    assert np.array_equal(np.unique(np.abs(change - amplitude * opacity) <= 0.5), [True])
    assert made.manifest.linf == 0
    assert made.manifest.linf_with_trigger == change.max() / 255


def test_a_weaker_warp_is_a_shorter_one_and_not_a_faded_one(small_train):
    made = poison(small_train, make_attack("warp", {"training_share": 0.5}), target=3, count=5, seed=0)
    assert made.manifest.trigger == "warp:grid=4,strength=1.0,seed=0"
    assert made.manifest.training_trigger == "warp:grid=4,strength=0.5,seed=0"


def test_keep_sides_leaves_the_drawing_in_black_and_white_untouched(small_train):
    attack = make_attack("adaptive", {"rounds": 1, "first_steps": 5, "surrogate_epochs": 1})
    made = poison(small_train, attack, target=0, count=50, seed=0)
    originals = small_train.images(made.dataset.positions)
    assert not np.array_equal(made.content, originals)
    assert np.array_equal(made.content >= 128, originals >= 128)


def test_rate_and_count_mean_the_same(small_train):
    by_rate = poison(small_train, make_attack("stamp"), target=0, rate=0.01, seed=0)
    by_count = poison(small_train, make_attack("stamp"), target=0, count=80, seed=0)
    assert by_rate.manifest == by_count.manifest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0.0}, "above 0 and below 1"),
        ({"rate": -0.1}, "above 0 and below 1"),
        ({"rate": 1.0}, "above 0 and below 1"),
        ({"rate": float("nan")}, "above 0 and below 1"),
        ({"count": 0}, "at least 1"),
        ({"count": -3}, "at least 1"),
        ({"rate": 0.5}, r"there are \d+ and 4000 were asked for"),
        ({"count": 7999}, r"there are \d+ and 7999 were asked for"),
        ({}, "either a poison rate or a count"),
        ({"rate": 0.1, "count": 3}, "either a poison rate or a count"),
        ({"count": 1, "target": 10}, "target class 10 has no sample"),
        ({"count": 1, "target": -1}, "target class -1 has no sample"),
        ({"count": 1, "seed": -1}, "seed must be a whole number from 0 on"),
        ({"count": 1, "seed": 2**64}, "seed must be a whole number from 0 on"),
        ({"count": 1, "seed": 1.5}, "seed must be a whole number from 0 on"),
    ],
)
def test_an_impossible_request_is_refused_with_the_numbers(arguments, message, small_train):
    with pytest.raises(UsageError, match=message):
        poison(small_train, make_attack("stamp"), **({"target": 0, "seed": 0} | arguments))


def test_a_class_that_exists_but_is_empty_is_refused():
    images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 0, 1, 1])
    dataset = from_arrays(images, labels, classes=("a", "b", "c"))
    with pytest.raises(UsageError, match="target class 2 has no sample"):
        poison(dataset, make_attack("stamp"), target=2, count=1, seed=0)


@pytest.mark.parametrize("labels", [[], [0, 0, 0]])
def test_a_data_set_without_two_classes_is_refused(labels):
    dataset = from_arrays(np.zeros((len(labels), 8, 8), np.uint8), np.array(labels, np.int64))
    with pytest.raises(DataError, match=r"no images|of the class"):
        poison(dataset, make_attack("stamp"), target=0, count=1, seed=0)


@pytest.mark.parametrize("epsilon", [1.0, 1.5, -0.1, float("nan")])
@pytest.mark.parametrize(
    "name", ["adaptive", "label-consistent", "feature-collision", "hidden-trigger", "gradient-matching"]
)
def test_a_budget_outside_the_range_is_refused(name, epsilon):
    with pytest.raises(UsageError, match=r"'epsilon' .* must be in \[0, 1\)"):
        make_attack(name, {"epsilon": epsilon})


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("adaptve", {}, "Did you mean 'adaptive'"),
        ("adaptive", {"epsilom": 0.1}, "Did you mean 'epsilon'"),
        ("adaptive", {"rounds": "many"}, "must be of type int"),
        ("adaptive", {"rounds": True}, "must be of type int"),
        ("adaptive", {"rounds": 0}, "'rounds' of Adaptive must be at least 1"),
        ("adaptive", {"surrogates": "cnn+resnett"}, "Did you mean 'resnet'"),
        ("adaptive", {"refresh": 0.0}, r"'refresh' of Adaptive must be in"),
        ("adaptive", {"training_opacity": 0.0}, r"must be in \(0, 1\]"),
        ("stamp", {"training_opacity": 2.0}, r"must be in \(0, 1\]"),
        ("blend", {"trigger": Patch()}, "has a trigger of its own kind; got 'patch:"),
        ("sinusoidal", {"trigger": Patch()}, "expected for example 'sinusoid:"),
        ("checkerboard", {"trigger": Checkerboard()}, "expected for example 'checkered:"),
        ("checkerboard", {"training_opacity": 0.0}, r"'training_opacity' of FullCheckerboard must be in \(0, 1\]"),
        ("warp", {"trigger": Checkered()}, "expected for example 'warp:"),
        ("warp", {"training_share": 1.5}, r"'training_share' of Warped must be in \(0, 1\]"),
        ("narcissus", {"trigger": Patch()}, "expected for example 'none'"),
        ("narcissus", {"strength": 0.6}, r"'strength' of Narcissus must be in \[1/255, 127/255\]"),
        ("narcissus", {"gain": 0.0}, "'gain' of Narcissus must be above 0"),
        ("feature-collision", {"proximity": -1.0}, "'proximity' of FeatureCollision must be at least 0"),
        ("hidden-trigger", {"training_opacity": 0.5}, "no parameter of the attack 'hidden-trigger'"),
    ],
)
def test_a_wrong_parameter_is_refused_with_the_nearest_name(name, parameters, message):
    with pytest.raises(UsageError, match=message):
        make_attack(name, parameters)


@pytest.mark.parametrize("name", ["stamp", "warp"])
def test_an_attack_that_changes_nothing_is_refused(name):
    """A white square on white images, and a bend of a single pixel, are ground truth of nothing."""
    side = {"stamp": 8, "warp": 1}[name]
    dataset = from_arrays(np.full((20, 1, side, side), 255, np.uint8), np.arange(20) % 2, layout="NCHW")
    with pytest.raises(UsageError, match=f"'{name}' changes nothing of the 3 samples"):
        poison(dataset, make_attack(name), target=0, count=3, seed=0)


def test_a_trigger_larger_than_the_images_is_refused(tiny):
    attack = make_attack("stamp", {"trigger": Patch(size=20)})
    with pytest.raises(UsageError, match="does not fit"):
        poison(tiny, attack, target=0, count=2, seed=0)


@dataclass(frozen=True)
class Cheat:
    """An attack that breaks one promise."""

    name: ClassVar[str] = "cheat"
    clean_label: ClassVar[bool] = True
    how: str = ""
    trigger: Patch = field(default_factory=Patch)
    epsilon: float = 0.1

    @property
    def training_trigger(self):
        return self.trigger

    def craft(self, images, labels, context: CraftContext):
        crafted = images.copy()
        if self.how == "budget":
            crafted[0, 0, 0, 0] ^= 128
        if self.how == "shape":
            return crafted[:-1]
        if self.how == "dtype":
            return crafted.astype(np.float32)
        if self.how == "data":
            context.dataset.images(slice(None)).base[0] += 1
        return crafted


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("budget", "its budget is 0.1"),
        ("shape", "expected uint8"),
        ("dtype", "expected uint8"),
        ("data", "changed the data"),
    ],
)
def test_a_broken_promise_is_caught(how, message):
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 12, 12), dtype=np.uint8)
    dataset = from_arrays(images, np.arange(40) % 2, layout="NCHW")
    with pytest.raises(ContractError, match=message):
        poison(dataset, Cheat(how), target=0, count=5, seed=0)


def test_one_crafting_serves_every_training_opacity(tmp_path, small_train):
    cache = Cache(tmp_path)
    quick_white = make_attack("adaptive-white", QUICK["adaptive-white"])
    quick_dim = replace(quick_white, training_opacity=0.5)
    white = poison(small_train, quick_white, target=0, count=20, seed=0, cache=cache)
    dim = poison(small_train, quick_dim, target=0, count=20, seed=0, cache=cache)
    assert cache.hits == ["poison"]
    assert np.array_equal(white.content, dim.content)
    assert white.manifest.digest_after != dim.manifest.digest_after


MOVED = {"rounds": 2, "first_steps": 2, "steps": 2, "surrogates": "cnn+augmented", "surrogate_epochs": 1}

THREADED = [item for item in QUICK.items() if item[0] not in PLAIN | {"adaptive"}] + [("adaptive", MOVED)]


@pytest.mark.long
@pytest.mark.parametrize(("name", "settings"), THREADED)
def test_crafting_does_not_depend_on_the_number_of_threads(name, settings, small_train):
    import torch

    attack = make_attack(name, settings)
    part = from_arrays(small_train.images(slice(0, 6000)), small_train.labels[:6000], classes=small_train.classes)
    threads = torch.get_num_threads()
    made = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            # More than one chunk, so that the chunks are really shared out.
            made.append(poison(part, attack, target=1, count=600, seed=0))
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(made[0].content, made[1].content)
    assert made[0].manifest == made[1].manifest


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(QUICK))
def test_nothing_assumes_digits_size_or_one_channel(name):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = rng.integers(0, 120, (120, 16, 20, 3)) + 60 * labels[:, None, None, None]
    dataset = from_arrays(images.astype(np.uint8), labels)
    attack = quick(name)
    if name.startswith("adaptive"):
        attack = replace(attack, rounds=2, first_steps=2, steps=2, surrogate_epochs=1, surrogates="colour+cnn")
    check_attack(attack, dataset, target=2, count=8)
