"""A mark without a fixed place: where it fits best, and what a scan without a model makes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from whitesquare.data import from_arrays
from whitesquare.scanning.marks.roaming import nearest
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings

CLASSES, PER_CLASS, TARGET = 10, 300, 4


def clouds(seed=0):
    rng = np.random.default_rng(seed)
    soft = gaussian_filter(rng.normal(size=(CLASSES * PER_CLASS, 3, 24, 24)), (0, 0, 2, 2))
    images = 128 + 160 * soft + rng.normal(0, 4, soft.shape)
    return np.clip(images, 0, 255).astype(np.uint8), np.arange(len(images)) % CLASSES


def strewn(images, chosen, seed=1):
    """Put one patch of 4 x 4 pixels at a place of its own into each of the chosen images."""
    rng = np.random.default_rng(seed)
    patch = rng.integers(0, 256, (3, 4, 4))
    for number in chosen:
        down, right = rng.integers(0, images.shape[2] - 3, 2)
        images[number, :, down : down + 4, right : right + 4] = patch


@given(st.integers(0, 2**31), st.sampled_from([1, 3]), st.integers(1, 4), st.integers(1, 4))
def test_the_best_place_is_the_best_of_all_places(seed, channels, height, width):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (3, channels, 7, 9), dtype=np.uint8)
    mask, pattern = np.zeros((7, 9), np.float32), rng.uniform(0, 255, (channels, 7, 9)).astype(np.float32)
    mask[2 : 2 + height, 3 : 3 + width] = rng.random((height, width)) < 0.7
    mask[2, 3] = mask[1 + height, 2 + width] = 1
    shown = mask[2 : 2 + height, 3 : 3 + width] > 0
    wanted = pattern[:, 2 : 2 + height, 3 : 3 + width][:, shown]
    for image, found in zip(images, nearest(images, mask, pattern), strict=True):
        apart = [
            np.sqrt(((image[:, row : row + height, column : column + width][:, shown] - wanted) ** 2).mean())
            for row in range(8 - height)
            for column in range(10 - width)
        ]
        assert found == pytest.approx(min(apart), abs=0.05)


@pytest.mark.long
def test_a_patch_that_wanders_is_found_without_a_model_and_nobody_else_is_flagged():
    images, labels = clouds()
    chosen = np.flatnonzero(labels == TARGET)[:80]
    strewn(images, chosen)
    found = run_scan(from_arrays(images, labels, layout="NCHW"), ScanSettings(model_free=True))
    (alarm,) = found.result.alarms
    assert (alarm.label, alarm.rule_id, alarm.trigger.kind) == (TARGET, "PC01", "roaming")
    assert sorted(flag.position for flag in found.result.flagged if flag.tier == "suspicious") == chosen.tolist()


@pytest.mark.long
def test_the_same_patch_in_every_class_says_nothing_of_one():
    images, labels = clouds()
    strewn(images, np.arange(CLASSES * 80))
    found = run_scan(from_arrays(images, labels, layout="NCHW"), ScanSettings(model_free=True))
    assert found.result.alarms == ()
