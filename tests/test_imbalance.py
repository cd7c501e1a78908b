"""Classes of very different sizes: the largest shares more with itself, by number, and is not poisoned for that."""

import numpy as np
import pytest

from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays, open_dataset
from whitesquare.scanning.criteria import CRITERIA, stands_out
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.triggers import parse_trigger

LARGE, SMALL = 120, 20
SETTINGS = ScanSettings(model_free=True, detectors=("pixel-contrast", "patch-contrast"))


@pytest.fixture(scope="module")
def digits():
    dataset = open_dataset("mnist")
    return dataset.images(slice(20_000)), dataset.labels[:20_000], dataset.classes


def imbalanced(digits, large, seed):
    """One digit a hundred and twenty times, every other twenty times."""
    images, labels, classes = digits
    rng = np.random.default_rng(seed)
    each = [np.flatnonzero(labels == label) for label in range(10)]
    chosen = [rng.choice(own, LARGE if label == large else SMALL, replace=False) for label, own in enumerate(each)]
    at = np.sort(np.concatenate(chosen))
    return from_arrays(images[at], labels[at], classes=classes, layout="NCHW")


@pytest.mark.parametrize("seed", [4, 5, 10, 14, 20, 21, 24, 26, 34, 35])
def test_the_largest_class_of_clean_digits_is_not_alarmed(digits, seed):
    """The ten of forty sets in which it was, when every class was measured by all others."""
    assert run_scan(imbalanced(digits, seed % 10, seed), SETTINGS).result.alarms == ()


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_a_mark_on_half_of_the_largest_class_is_alarmed(digits, seed):
    attack = make_attack("stamp", {"trigger": parse_trigger("checkerboard:size=3,corner=tl")})
    poisoned = poison(imbalanced(digits, seed, seed), attack, target=seed, count=60, seed=seed).dataset
    scan = run_scan(poisoned, SETTINGS).result
    assert {alarm.label for alarm in scan.alarms} == {seed}
    assert scan.alarms[0].p_value < 0.05
    flagged = {flag.id for flag in scan.flagged if flag.tier == "suspicious"}
    assert flagged <= {poisoned.ids[i] for i in poisoned.positions}
    assert len(flagged) >= 45


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda one: one.rule_id)
def test_only_what_is_carried_by_a_number_of_samples_minds_the_sizes(criterion):
    """Of ten classes one lies far beyond the others, below the bound that was found on digits."""
    statistics = np.array([criterion.above + 1.2] + [0.1] * 9, np.float32)
    equal, one_large = np.full(10, 1000), np.array([10_000] + [1000] * 9)
    assert stands_out(criterion, statistics, equal, 0)
    assert stands_out(criterion, statistics, one_large, 0) is (criterion.ceiling is None)
