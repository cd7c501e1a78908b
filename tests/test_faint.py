"""A faint pattern over the whole image: rebuilt from twenty images, found again, and proven or not by a model."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.faint import FAINT, carried_by, chance_triggers, rebuilt
from whitesquare.scanning.transplant import FULL, TransplantTest, paste, strengths

SIDE, TARGET = 24, 2
BOARD = (np.add.outer(np.arange(SIDE), np.arange(SIDE)) % 2 * 2 - 1).astype(np.float32)


class Obeying:
    """Calls the target what shows more of the board than of anything else, and nothing else."""

    def logits(self, images):
        shown = (images.astype(np.float32) * BOARD).mean((1, 2, 3))
        found = np.zeros((len(images), 4), np.float32)
        found[:, 0] = 1
        found[:, TARGET] = np.where(shown > 4, 2.0, 0.0)
        return found


class Ignoring(Obeying):
    def logits(self, images):
        return np.tile(np.float32([1, 0, 0, 0]), (len(images), 1))


@pytest.fixture(scope="module")
def evidence():
    """800 soft pictures of four classes; twenty of one class carry a board of 8 grey levels."""
    rng = np.random.default_rng(0)
    images = 128 + 60 * gaussian_filter(rng.normal(size=(800, 3, SIDE, SIDE)), (0, 0, 2, 2)) * 3
    images += rng.normal(0, 3, images.shape)
    labels = np.arange(800) % 4
    images[carriers(labels)] += 8 * BOARD
    pixels = np.clip(np.rint(images), 0, 255).astype(np.uint8)
    return Evidence(pixels, labels, tuple("abcd"), np.zeros(800, bool))


def carriers(labels):
    return np.flatnonzero(labels == TARGET)[:20]


def test_the_pattern_is_rebuilt_and_its_carriers_are_found_again(evidence):
    truth = carriers(evidence.labels)
    trigger = rebuilt(evidence, truth)
    assert (trigger.kind, trigger.images) == (FAINT, 20)
    shown = trigger.pattern.mean(0)
    assert np.corrcoef(shown.ravel(), BOARD.ravel())[0, 1] > 0.9
    assert np.abs(shown).mean() == pytest.approx(8, rel=0.25)
    assert np.array_equal(carried_by(evidence, trigger, TARGET), truth)


def test_images_that_share_nothing_give_no_pattern():
    flat = np.full((40, 1, SIDE, SIDE), 90, np.uint8)
    evidence = Evidence(flat, np.arange(40) % 2, ("a", "b"), np.zeros(40, bool))
    assert rebuilt(evidence, np.arange(20)) is None


def test_a_model_that_obeys_it_is_proof_and_one_that_does_not_is_none(evidence):
    truth = carriers(evidence.labels)
    trigger, test = rebuilt(evidence, truth), TransplantTest(images=60, controls=99)
    found = test.run(evidence, Obeying(), trigger, TARGET, truth)
    assert found.flip_rate.value > 0.9
    assert found.p_value == 1 / 100
    assert found.control_worst < 0.5
    ignored = test.run(evidence, Ignoring(), trigger, TARGET, truth)
    assert ignored.flip_rate.value == 0
    assert ignored.p_value == 1


def test_controls_are_rebuilt_from_as_many_other_images_and_driven_as_far(evidence):
    truth = carriers(evidence.labels)
    trigger = rebuilt(evidence, truth)
    made = list(chance_triggers(evidence, TARGET, truth, 20, 30, np.random.default_rng(0)))
    assert len(made) == 30
    assert {one.images for one in made} == {20}
    assert all(abs(np.corrcoef(one.pattern.mean(0).ravel(), BOARD.ravel())[0, 1]) < 0.6 for one in made)
    driven = strengths(trigger)[FULL] * np.abs(trigger.pattern).mean()
    assert driven == pytest.approx(12, rel=0.01)
    assert strengths(made[0])[FULL] <= 3


def test_it_is_added_and_stays_within_the_range(evidence):
    trigger = rebuilt(evidence, carriers(evidence.labels))
    black = np.zeros((2, 3, SIDE, SIDE), np.uint8)
    pasted = paste(black, trigger, 3.0, np.random.default_rng(0))
    assert pasted.dtype == np.uint8
    assert pasted[0, 0][BOARD < 0].max() == 0
    assert pasted[0, 0][BOARD > 0].min() > 0
