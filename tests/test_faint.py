"""A faint pattern over the whole image: rebuilt from twenty images, found again, and proven or not by a model."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.scanning.alarms import raise_alarms
from whitesquare.scanning.marks.faint import FaintKind, free_of, high_pass, rebuilt
from whitesquare.scanning.marks.types import AS_FOUND, FULL, Compared
from whitesquare.scanning.transplant import TransplantTest

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


class Excitable(Obeying):
    """Calls the target, in addition, whatever is rough."""

    def logits(self, images):
        found = super().logits(images)
        found[np.abs(high_pass(images)).mean((1, 2, 3)) > 4, TARGET] = 2
        return found


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
    assert (trigger.kind, trigger.images) == (FaintKind(), 20)
    shown = trigger.pattern.mean(0)
    assert np.corrcoef(shown.ravel(), BOARD.ravel())[0, 1] > 0.9
    assert np.abs(shown).mean() == pytest.approx(8, rel=0.25)
    assert np.array_equal(trigger.kind.carriers(evidence, trigger, Hint(TARGET, 1.0, truth[:2])), truth)


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
    made = list(trigger.kind.controls(Compared(evidence, TARGET, truth, trigger, FULL, 30), np.random.default_rng(0)))
    assert len(made) == 30
    assert {one.images for one in made} == {20}
    assert all(abs(np.corrcoef(one.pattern.mean(0).ravel(), BOARD.ravel())[0, 1]) < 0.6 for one in made)
    driven = trigger.kind.strengths(trigger)[FULL]
    assert np.abs(driven.pattern).mean() == pytest.approx(12, rel=0.01)
    assert [np.abs(one.pattern).mean() for one in made] == pytest.approx([12] * 30, rel=0.01)


def test_carriers_that_were_missed_are_nothing_to_make_controls_of(evidence):
    truth = carriers(evidence.labels)
    trigger = rebuilt(evidence, truth[:10])
    left = free_of(Compared(evidence, TARGET, truth[:10], trigger, FULL, 30))
    missed = high_pass(evidence.images[truth[10:]])
    assert 170 <= len(left) <= 180
    assert not (left[:, None] == missed[None]).all((2, 3, 4)).any()


def test_it_is_tried_as_strong_as_it_is_farthest_ahead_of_controls(evidence):
    truth = carriers(evidence.labels)
    trigger, test = rebuilt(evidence, truth), TransplantTest(images=60, controls=99)
    most = test.flip_rates(evidence, Excitable(), trigger, TARGET)[FULL]
    strength, ahead = test.lead(evidence, Excitable(), trigger, TARGET, truth)
    assert most == 1
    assert strength == AS_FOUND
    assert ahead > 0.8
    found = test.run(evidence, Excitable(), trigger, TARGET, truth)
    assert (found.strength, found.p_value) == (AS_FOUND, 1 / 100)
    driven = test.run(evidence, Excitable(), trigger, TARGET, truth, FULL)
    assert driven.control_worst == 1


def ranked(evidence, apart):
    """What the matched filter would say if it set these samples of the target apart, and nobody else."""
    scores = np.random.default_rng(3).uniform(0, 3, len(evidence.labels)).astype(np.float32)
    scores[apart] = 9
    statistics = np.float32([2.0, 2.1, 40.0, 1.9])
    truth = carriers(evidence.labels)
    hints = (Hint(TARGET, 40.0, truth[:10]), Hint(TARGET, 40.0, truth))
    return {"MF01": Suspicion(scores, statistics, hints)}


def test_whom_the_filter_sets_apart_is_flagged_though_the_rebuilt_pattern_is_faint_in_them(evidence):
    truth = carriers(evidence.labels)
    fainter = np.setdiff1d(evidence.members(TARGET), truth)[:30]
    (found,), _ = raise_alarms(evidence, ranked(evidence, np.union1d(truth, fainter)), (), TransplantTest())
    assert np.array_equal(found.carriers, np.union1d(truth, fainter))


def test_an_alarm_without_proof_says_what_its_trigger_did_whichever_hint_it_was_rebuilt_from(evidence):
    suspicions = ranked(evidence, carriers(evidence.labels))
    (found,), _ = raise_alarms(evidence, suspicions, (Excitable(), Ignoring()), TransplantTest(images=60, controls=99))
    assert found.alarm.tier == "suspicious"
    assert found.alarm.transplant is not None
    assert any(reason.startswith("Not confirmed") for reason in found.alarm.reasons)


def test_it_is_added_and_stays_within_the_range(evidence):
    trigger = rebuilt(evidence, carriers(evidence.labels))
    black = np.zeros((2, 3, SIDE, SIDE), np.uint8)
    pasted = trigger.kind.paste(black, trigger.kind.strengths(trigger)[FULL], np.random.default_rng(0))
    assert pasted.dtype == np.uint8
    assert pasted[0, 0][BOARD < 0].mean() < 0.5
    assert pasted[0, 0][BOARD > 0].min() > 0


@pytest.mark.parametrize("frequency", [5, 6, 11])
def test_a_wave_is_rebuilt_as_high_as_it_was_though_residuals_show_a_part_of_it(frequency):
    rng = np.random.default_rng(5)
    wave = 20 * np.sin(2 * np.pi * frequency * (np.arange(32) + 0.5) / 32)[None, None, None, :]
    content = np.cumsum(rng.normal(0, 9, (400, 3, 32, 32)), axis=3) + rng.uniform(90, 160, (400, 1, 1, 1))
    labels = np.arange(400) % 4
    content[labels == TARGET] += wave
    evidence = Evidence(np.clip(content, 0, 255).astype(np.uint8), labels, tuple("abcd"), np.zeros(400, bool))
    shown = rebuilt(evidence, np.flatnonzero(labels == TARGET)).pattern.mean(0)
    height = 2 * (shown * wave[0, 0] / 20).mean()
    assert 0.7 * 20 < height < 1.1 * 20


class Reluctant(Obeying):
    """Obeys in a share of the images alone: it learned less of the trigger."""

    def __init__(self, evidence, share):
        self.brightest = np.quantile(evidence.images.mean((1, 2, 3)), share)

    def logits(self, images):
        found = super().logits(images)
        found[images.mean((1, 2, 3)) > self.brightest, TARGET] = 0
        return found


@pytest.mark.long
@pytest.mark.parametrize(("share", "tier"), [(0.2, "confirmed"), (0.04, "suspicious")])
def test_a_second_model_that_learned_less_is_a_witness_if_it_is_clear_of_all_controls(evidence, share, tier):
    suspicions, models = ranked(evidence, carriers(evidence.labels)), (Obeying(), Reluctant(evidence, share))
    (found,), _ = raise_alarms(evidence, suspicions, models, TransplantTest(images=200, controls=99))
    assert found.alarm.tier == tier
