"""Triggers are pure, stay in place, and survive being written down."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whitesquare.errors import UsageError
from whitesquare.testing import check_trigger
from whitesquare.triggers import TRIGGERS, Blend, Faded, Patch, Sinusoid, faded, parse_trigger, trigger_spec

opacities = st.floats(0.01, 1.0)
patches = st.builds(
    Patch,
    size=st.integers(1, 6),
    corner=st.sampled_from(("tl", "tr", "bl", "br")),
    margin=st.integers(0, 4),
    value=st.integers(0, 255),
    opacity=opacities,
)
triggers = st.one_of(
    patches,
    st.builds(Blend, opacity=opacities, seed=st.integers(0, 9)),
    st.builds(Sinusoid, delta=st.floats(1, 255), frequency=st.floats(0.5, 12)),
)
images = arrays(
    np.uint8, st.tuples(st.integers(0, 3), st.sampled_from((1, 3)), st.integers(10, 14), st.integers(10, 14))
)


@pytest.mark.parametrize("kind", TRIGGERS.values())
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 20)])
def test_every_registered_trigger_keeps_its_contract(kind, shape):
    check_trigger(kind(), shape)
    check_trigger(Faded(kind(), 0.5), shape)


def test_the_studys_square_is_where_it_should_be():
    stamped = Patch()(np.zeros((1, 1, 28, 28), np.uint8))[0, 0]
    assert np.argwhere(stamped == 255).tolist() == [[25, 25], [25, 26], [26, 25], [26, 26]]
    assert stamped.sum() == 4 * 255


@given(images, patches)
def test_a_patch_touches_its_square_and_nothing_else(batch, patch):
    changed = np.argwhere((patch(batch) != batch).any((0, 1)))
    assert len(changed) <= patch.size**2
    if len(changed):
        height, width = batch.shape[-2:]
        reach = patch.size + patch.margin
        row, column = changed.min(0)
        assert row >= (patch.margin if patch.corner[0] == "t" else height - reach)
        assert column >= (patch.margin if patch.corner[1] == "l" else width - reach)


@given(images, patches)
def test_stamping_an_opaque_patch_twice_is_stamping_it_once(batch, patch):
    patch = replace(patch, opacity=1.0)
    once = patch(batch)
    assert np.array_equal(patch(once), once)


@given(images, triggers, opacities)
def test_a_faded_trigger_lies_between_the_image_and_the_trigger(batch, trigger, opacity):
    dim, full = Faded(trigger, opacity)(batch).astype(int), trigger(batch).astype(int)
    assert (dim >= np.minimum(batch, full)).all()
    assert (dim <= np.maximum(batch, full)).all()


@given(triggers, opacities)
def test_a_trigger_survives_its_spec(trigger, opacity):
    assert parse_trigger(trigger_spec(trigger)) == trigger
    dim = faded(trigger, opacity)
    assert parse_trigger(trigger_spec(dim)) == dim


def test_defaults_need_not_be_written():
    assert parse_trigger("patch") == Patch()
    assert parse_trigger("patch:size=3") == Patch(size=3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pach:size=2", "Did you mean 'patch'"),
        ("patch:siz=2", "Did you mean 'size'"),
        ("patch:size=two", "expected a value of type int"),
        ("patch:size", "expected parameter=value"),
        ("patch:size=0", "must be at least 1"),
        ("patch:margin=-1", "must be at least 0"),
        ("patch:corner=middle", "must be one of"),
        ("patch:value=300", "must be in 0..255"),
        ("blend:opacity=1.5", r"must be in \(0, 1\]"),
        ("sinusoid:delta=nan", "must be in"),
        ("faded:opacity=0|patch", r"must be in \(0, 1\]"),
        ("faded:strength=1|patch", "should start with"),
    ],
)
def test_a_wrong_spec_is_refused_with_a_reason(spec, message):
    with pytest.raises(UsageError, match=message):
        parse_trigger(spec)


@pytest.mark.parametrize("patch", [Patch(size=29), Patch(margin=27), Patch(size=10, margin=19)])
def test_a_patch_that_does_not_fit_is_refused_with_both_sizes(patch):
    with pytest.raises(UsageError, match=r"needs \d+ x \d+ pixels and the images are 28 x 28"):
        patch(np.zeros((1, 1, 28, 28), np.uint8))


def test_an_unregistered_trigger_cannot_be_written():
    with pytest.raises(UsageError, match="not registered"):
        trigger_spec(lambda images: images)
