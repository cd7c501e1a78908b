"""Images are turned into numbers a few at a time: how many follows from their size, and no score from how many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import halved, part_of_mnist
from whitesquare.detectors import common
from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import Evidence

BOUND = 1 << 24
SIDES = st.integers(1, 5000)


@given(st.lists(st.integers(1, 10**6), max_size=2), st.sampled_from([1, 3]), SIDES, SIDES, st.integers(1, 10**5))
def test_as_many_as_fit_and_never_none(before, channels, height, width, most):
    few = images_at_once((*before, channels, height, width), most)
    numbers = channels * height * width
    assert 1 <= few <= most
    assert few == 1 or few * numbers <= BOUND, "no more than the memory that is meant"
    assert few == most or (few + 1) * numbers > BOUND, "and no fewer than would fit"


def test_small_images_are_not_held_back_and_photographs_are():
    assert images_at_once((60_000, 1, 28, 28), 4096) == 4096
    assert images_at_once((2600, 3, 1024, 1024), 4096) == 5
    assert images_at_once((10, 3, 8000, 8000), 4096) == 1


@pytest.mark.parametrize("name", ["noise-residual", "matched-filter"])
def test_scores_do_not_depend_on_how_many_are_taken_at_a_time(name, monkeypatch):
    dataset = halved(part_of_mnist("train", 1200), 300, digits=5)
    detector = DETECTORS[name]
    none = np.zeros(len(dataset.labels), np.bool_)
    evidence = Evidence(dataset.images(slice(None)), dataset.labels, dataset.classes, none)
    whole = detector.score(evidence)
    monkeypatch.setattr(common, "_AT_ONCE", 7 * 14 * 14)
    few = detector.score(evidence)
    np.testing.assert_allclose(few.scores, whole.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(few.class_stats, whole.class_stats, rtol=1e-4, atol=1e-5)
