"""Overlay: the same as a dense copy, without one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whitesquare.data import Overlay
from whitesquare.errors import UsageError
from whitesquare.types import ImageDataset


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_overlay_equals_a_dense_copy(data, make):
    base = make(9, 3, 2, 3)
    chosen = data.draw(st.lists(st.integers(0, 8), unique=True))
    positions = np.array(sorted(chosen), dtype=np.int64)
    pixels = data.draw(arrays(np.uint8, (len(positions), 3, 2, 3)))
    labels = data.draw(arrays(np.int64, len(positions), elements=st.integers(0, 2)))
    overlay = Overlay(base, positions, pixels, labels)
    assert isinstance(overlay, ImageDataset)

    dense, dense_labels = base.pixels.copy(), base.labels.copy()
    dense[positions], dense_labels[positions] = pixels, labels
    index = data.draw(
        st.one_of(st.slices(9), st.lists(st.integers(-9, 8)).map(lambda wanted: np.array(wanted, dtype=np.int64)))
    )
    np.testing.assert_array_equal(overlay.images(index), dense[index])
    np.testing.assert_array_equal(overlay.labels, dense_labels)
    assert [overlay.content(i) for i in range(-9, 9)] == [dense[i].tobytes() for i in range(-9, 9)]
    assert (overlay.ids, overlay.classes) == (base.ids, base.classes)


def test_overlay_leaves_its_parts_alone(make):
    base = make(4)
    before = base.pixels.copy()
    overlay = Overlay(base, np.array([2]), np.zeros((1, 1, 5, 7), np.uint8), np.array([0]))
    overlay.images(slice(None))[:] = 9
    np.testing.assert_array_equal(base.pixels, before)
    assert overlay.pixels.max() == 0
    assert np.shares_memory(overlay.images(slice(0, 2)), base.pixels)
    with pytest.raises(ValueError, match="read-only"):
        overlay.labels[0] = 1
    with pytest.raises(IndexError):
        overlay.content(4)


@pytest.mark.parametrize(
    ("positions", "pixels", "labels", "message"),
    [
        ([2, 1], (2, 1, 5, 7), (2,), "sorted and unique"),
        ([1, 1], (2, 1, 5, 7), (2,), "sorted and unique"),
        ([1, 4], (2, 1, 5, 7), (2,), "run from 1 to 4, expected 0 to 3"),
        ([-1, 2], (2, 1, 5, 7), (2,), "run from -1 to 2"),
        ([0], (2, 1, 5, 7), (1,), "one image for each position"),
        ([0], (1, 3, 5, 7), (1,), r"images are \(3, 5, 7\), expected \(1, 5, 7\)"),
        ([0], (1, 1, 5, 7), (2,), "one label for each position"),
    ],
)
def test_overlay_parts_that_do_not_fit(make, positions, pixels, labels, message):
    with pytest.raises(UsageError, match=message):
        Overlay(make(4), np.array(positions), np.zeros(pixels, np.uint8), np.zeros(labels, np.int64))
