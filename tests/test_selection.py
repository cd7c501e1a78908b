"""Which samples are poisoned: the measures, the order, and what an attack's parameter ``select`` changes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import convolve1d

from whitesquare._base.cache import Cache, no_cache
from whitesquare.attacks import make_attack, poison
from whitesquare.attacks.selection import RANDOM, SELECTIONS, complexity, forgetting_events
from whitesquare.attacks.stamp import Stamp
from whitesquare.data import from_arrays
from whitesquare.errors import UsageError
from whitesquare.testing import check_attack
from whitesquare.triggers import Sinusoid
from whitesquare.types import CraftContext

SHAPES = st.tuples(st.integers(1, 3), st.sampled_from((1, 3)), st.integers(1, 9), st.integers(1, 9))
DEEP = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [1, 1, 1, 0, 0], [1, 0, 1, 0, 0]], bool)
"""Right or wrong in four epochs: never forgotten, twice, never, once, and never learned."""


@dataclass(frozen=True)
class Known(Cache):
    """A cache that knows the answer."""

    kept: dict[str, np.ndarray] | None = None

    def arrays(self, kind, key, compute):
        return self.kept


@pytest.fixture(scope="module")
def rough():
    """Forty images in two classes; the higher the position, the rougher, whatever the class."""
    rng = np.random.default_rng(0)
    images = 128 + np.arange(40)[:, None, None, None] * rng.choice([-1, 1], (40, 3, 10, 12))
    return from_arrays(images.astype(np.uint8), np.arange(40) % 2, layout="NCHW")


@pytest.fixture(scope="module")
def odd():
    """Three classes of 100 bright, grey and dark images; five of the dark ones are bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    seen = np.where(np.isin(np.arange(300), ODD), 2, labels)
    images = rng.integers(0, 60, (300, 12, 12)) + 90 * seen[:, None, None]
    return from_arrays(images.astype(np.uint8), labels)


ODD = (30, 60, 90, 150, 210)


def chosen(dataset, name, **arguments):
    attack = make_attack(arguments.pop("attack", "stamp"), {"select": name})
    return poison(dataset, attack, **({"target": 0, "count": 5, "seed": 0} | arguments)).dataset.positions.tolist()


@given(arrays(np.uint8, SHAPES))
def test_complexity_is_the_mean_residual_of_a_binomial_blur(images):
    blurred = images.astype(float)
    for axis in (2, 3):
        blurred = convolve1d(blurred, np.array([1, 2, 1]) / 4, axis=axis, mode="nearest")
    assert np.allclose(complexity(images), np.abs(images - blurred).mean((1, 2, 3)), atol=1e-3)


@given(arrays(np.uint8, SHAPES, elements=st.integers(0, 200)), st.integers(0, 55))
def test_complexity_is_zero_for_a_flat_image_and_does_not_change_with_brightness(images, more):
    flat = np.full_like(images, more)
    assert np.array_equal(complexity(flat), np.zeros(len(images)))
    assert np.allclose(complexity(images), complexity(images + np.uint8(more)), atol=1e-3)


def test_a_sample_is_forgotten_when_it_goes_from_right_to_wrong_and_most_when_it_was_never_right():
    assert forgetting_events(DEEP).tolist() == [0, 2, 0, 1, 4]


@given(arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(0, 5))))
def test_no_sample_that_was_learned_is_forgotten_as_often_as_one_that_never_was(right):
    events = forgetting_events(right)
    assert (events[~right.any(0)] == len(right)).all()
    assert (events[right.any(0)] <= len(right) // 2).all()
    assert (events[right.all(0)] == 0).all()


def test_the_smoothest_of_the_right_classes_are_chosen(rough):
    assert chosen(rough, "complexity") == [0, 2, 4, 6, 8]
    assert chosen(rough, "complexity", seed=9) == [0, 2, 4, 6, 8]
    assert chosen(rough, "complexity", attack="label-flip") == [1, 3, 5, 7, 9]


def test_the_smoothest_are_the_same_when_an_image_is_a_batch_of_its_own(rough, monkeypatch):
    monkeypatch.setattr("whitesquare.attacks.selection._CHUNK_VALUES", 1)
    assert chosen(rough, "complexity") == [0, 2, 4, 6, 8]


def test_checkerboard_takes_the_smoothest_unless_told_otherwise(rough):
    made = poison(rough, "checkerboard", target=0, count=5, seed=0)
    assert made.dataset.positions.tolist() == [0, 2, 4, 6, 8]
    assert made.manifest.parameters["select"] == "complexity"
    assert chosen(rough, RANDOM, attack="checkerboard") == chosen(rough, RANDOM)


@pytest.mark.parametrize("attack", ["stamp", "label-flip", "blend", "sinusoidal", "warp"])
def test_by_chance_means_the_draw_that_it_always_was(attack, rough):
    # Six periods, as it has by default, are nothing in twelve pixels: every one of them is at a zero.
    settings = {"trigger": Sinusoid(delta=80, frequency=1)} if attack == "sinusoidal" else {}
    made = poison(rough, make_attack(attack, settings), target=0, count=7, seed=4)
    of_target = np.arange(0, 40, 2) if made.manifest.clean_label else np.arange(1, 40, 2)
    expected = np.sort(np.random.default_rng(4).choice(of_target, 7, replace=False))
    assert made.dataset.positions.tolist() == expected.tolist()
    assert made.manifest.parameters["select"] == RANDOM


def test_the_hardest_come_first_and_equals_go_by_their_loss(tiny):
    events, loss = np.array([0, 2, 2, 0, 4, 0]), np.array([0.9, 0.1, 0.3, 0.5, 0.2, 0.9])
    cache = Known(None, kept={"events": events, "loss": loss})
    context = CraftContext(tiny, np.arange(6), 0, 0)
    assert SELECTIONS["forgetting"](context, 6, cache).tolist() == [4, 2, 1, 0, 5, 3]
    assert SELECTIONS["loss"](context, 6, cache).tolist() == [0, 5, 3, 2, 4, 1]
    some = replace(context, index=np.array([1, 3, 5]))
    assert SELECTIONS["forgetting"](some, 2, cache).tolist() == [1, 5]
    assert SELECTIONS["loss"](some, 2, cache).tolist() == [5, 3]


@pytest.mark.parametrize("name", ["loss", "forgetting"])
def test_samples_that_look_like_another_class_are_the_hardest_of_theirs(name, odd):
    assert chosen(odd, name) == list(ODD)
    assert not set(chosen(odd, name, target=1)) & set(ODD)


def test_hardness_is_measured_once_for_all_attacks_targets_and_counts(odd, tmp_path):
    cache = Cache(tmp_path)
    chosen(odd, "loss", cache=cache)
    chosen(odd, "forgetting", cache=cache, attack="blend", target=1, count=9)
    assert cache.misses.count("hardness") == 1
    assert cache.hits.count("hardness") == 1
    chosen(odd, "loss", cache=cache, seed=1)
    assert cache.misses.count("hardness") == 2


@pytest.mark.long
def test_hardness_does_not_depend_on_the_number_of_threads(small_train):
    import torch

    part = from_arrays(small_train.images(slice(0, 1500)), small_train.labels[:1500], classes=small_train.classes)
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(chosen(part, "forgetting", count=40))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]
    assert found[0] != chosen(part, RANDOM, count=40)


@pytest.mark.parametrize("name", SELECTIONS)
def test_an_attack_keeps_its_contract_whatever_is_selected(name, tiny):
    check_attack(make_attack("stamp", {"select": name}), tiny, target=1, count=4)


def test_an_unknown_selection_is_refused_with_the_nearest_name(tiny):
    with pytest.raises(UsageError, match=r"no selection named 'forgeting'.* Did you mean 'forgetting'"):
        make_attack("stamp", {"select": "forgeting"})
    with pytest.raises(UsageError, match="no selection named 'hard'"):
        poison(tiny, Stamp(select="hard"), target=0, count=2, seed=0, cache=no_cache)
    with pytest.raises(UsageError, match=r"'select' .* must be of type str"):
        make_attack("stamp", {"select": 3})
