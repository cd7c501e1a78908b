"""Triggers are pure, stay in place, and survive being written down."""

import base64
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whitesquare.errors import UsageError
from whitesquare.testing import check_trigger
from whitesquare.triggers import (
    TRIGGERS,
    Blend,
    Checkerboard,
    Checkered,
    Faded,
    NoTrigger,
    Patch,
    Pattern,
    Ramp,
    RandomPatch,
    Sinusoid,
    Warp,
    faded,
    parse_trigger,
    trigger_spec,
)

opacities = st.floats(0.01, 1.0)
patches = st.builds(
    Patch,
    size=st.integers(1, 6),
    corner=st.sampled_from(("tl", "tr", "bl", "br")),
    margin=st.integers(0, 4),
    value=st.integers(0, 255),
    opacity=opacities,
)
boards = st.builds(
    Checkerboard,
    size=st.integers(3, 6),
    cell=st.integers(1, 2),
    corner=st.sampled_from(("tl", "br", "centre")),
    margin=st.just(2),
    x=st.integers(-2, 2),
    y=st.integers(-2, 2),
    opacity=opacities,
)
random_patches = st.builds(RandomPatch, size=st.integers(1, 6), seed=st.integers(0, 9), opacity=opacities)
boards_over_all = st.builds(Checkered, amplitude=st.floats(1, 255), cell=st.integers(1, 20))
warps = st.builds(Warp, grid=st.integers(2, 6), strength=st.floats(0.1, 5), seed=st.integers(0, 9))
triggers = st.one_of(
    patches,
    boards,
    random_patches,
    st.builds(Blend, opacity=opacities, seed=st.integers(0, 9)),
    st.builds(Sinusoid, delta=st.floats(1, 255), frequency=st.floats(0.5, 12)),
    st.builds(Ramp, delta=st.floats(1, 255)),
    boards_over_all,
    warps,
)
patterns = st.builds(
    Pattern.from_values,
    arrays(np.int8, st.tuples(st.sampled_from((1, 3)), st.integers(1, 9), st.integers(1, 9))),
    gain=st.floats(0.1, 9),
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


@given(patterns)
def test_a_learned_pattern_survives_its_spec(pattern):
    again = parse_trigger(trigger_spec(pattern))
    assert again == pattern
    grey = np.full((1, *pattern.values().shape), 128, np.uint8)
    expected = np.rint(128 + np.float32(pattern.gain) * pattern.values().astype(np.float32)).clip(0, 255)
    assert np.array_equal(again(grey)[0], expected)


def test_a_learned_pattern_keeps_the_triggers_contract():
    values = np.random.default_rng(0).integers(-30, 31, (3, 32, 20))
    check_trigger(Pattern.from_values(values, gain=2.0), (3, 32, 20))


@given(images)
def test_no_trigger_is_a_copy(batch):
    same = parse_trigger("none")(batch)
    assert parse_trigger("none") == NoTrigger()
    assert trigger_spec(NoTrigger()) == "none"
    assert np.array_equal(same, batch)
    assert not np.shares_memory(same, batch)


@given(images, patches, st.integers(-2, 2), st.integers(-2, 2))
def test_an_offset_moves_the_patch_by_as_many_pixels(batch, patch, x, y):
    there = replace(patch, corner="centre", opacity=1.0, x=x, y=y)
    rows, columns = replace(there, x=0, y=0).place(*batch.shape[-2:])
    expected = batch.copy()
    expected[..., rows.start + y : rows.stop + y, columns.start + x : columns.stop + x] = there.value
    assert np.array_equal(there(batch), expected)


def test_a_checkerboard_alternates_and_begins_white():
    stamped = Checkerboard(size=4, cell=2, corner="tl", margin=0)(np.full((1, 1, 8, 8), 9, np.uint8))[0, 0]
    assert stamped[:4, :4].tolist() == [[255, 255, 0, 0]] * 2 + [[0, 0, 255, 255]] * 2
    assert (stamped[4:] == 9).all()
    assert (stamped[:, 4:] == 9).all()


@given(images, boards_over_all)
def test_a_checkered_image_is_brighter_in_the_first_cell_and_darker_beside_it(batch, board):
    rows, columns = np.indices(batch.shape[-2:]) // board.cell
    bright = (rows + columns) % 2 == 0
    assert bright[0, 0]
    stamped = board(batch).astype(float)
    for cells, moved in ((bright, batch + board.amplitude), (~bright, batch - board.amplitude)):
        assert np.allclose(stamped[..., cells], np.rint(moved).clip(0, 255)[..., cells], atol=1)
    assert np.abs(stamped - batch).max(initial=0) <= board.amplitude + 0.5


@given(images, random_patches)
def test_a_random_patch_touches_the_square_it_names_and_nothing_else(batch, patch):
    patch = replace(patch, opacity=1.0, value=200)
    for image, stamped in zip(batch, patch(batch), strict=True):
        row, column = patch.position(image)
        expected = image.copy()
        expected[:, row : row + patch.size, column : column + patch.size] = 200
        assert np.array_equal(stamped, expected)


def test_random_patches_reach_every_place_about_equally_and_move_with_the_seed():
    batch = np.random.default_rng(0).integers(0, 256, (5000, 1, 12, 12), dtype=np.uint8)
    places = np.array([RandomPatch(size=3).position(image) for image in batch])
    counts = np.bincount(places[:, 0] * 10 + places[:, 1], minlength=100)
    assert counts.min() > 20
    assert counts.max() < 90
    moved = np.array([RandomPatch(size=3, seed=1).position(image) for image in batch])
    assert (moved != places).any(1).mean() > 0.95


def test_a_random_patch_may_be_checkered():
    image = np.full((1, 3, 12, 10), 128, np.uint8)
    row, column = RandomPatch(size=4).position(image[0])
    board = Checkerboard(size=4, corner="tl", margin=0, x=column, y=row)
    assert np.array_equal(RandomPatch(size=4, cell=1)(image), board(image))
    assert set(np.unique(RandomPatch(size=4, cell=2, value=200)(image))) == {55, 128, 200}


@given(images, warps)
def test_a_warp_stays_between_the_darkest_and_the_brightest_pixel(batch, warp):
    low, high = batch.min((2, 3), keepdims=True), batch.max((2, 3), keepdims=True)
    warped = warp(batch)
    assert (warped >= low).all()
    assert (warped <= high).all()


def test_a_warp_moves_pixels_by_its_strength_and_never_out_of_the_picture():
    columns = np.broadcast_to(np.arange(40, dtype=np.uint8) * 6, (1, 1, 40, 40))
    moved = (Warp(strength=2.0)(columns).astype(float) - columns)[0, 0, :, 10:30] / 6
    assert 0.8 < np.abs(moved).mean() < 3.2
    assert np.abs(np.diff(moved, axis=0)).max() < 1.0, "neighbours move together"
    down, right = Warp(strength=2.0).displacement(40, 40)
    assert np.allclose(moved, right[:, 10:30], atol=0.2)
    assert not np.allclose(down, right)


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
        ("checkerboard:size=3,cell=3", "less than the size 3"),
        ("random-patch:seed=-1", "must be at least 0"),
        ("random-patch:size=3,cell=3", "0, or less than the size 3"),
        ("checkered:amplitude=0", "must be in"),
        ("checkered:amplitude=nan", "must be in"),
        ("checkered:cell=0", "must be at least 1"),
        ("warp:grid=1", "must be at least 2"),
        ("warp:strength=nan", "must be above 0"),
        ("ramp:delta=0", "must be in"),
        ("none:size=1", "no parameter of the trigger 'none'"),
        ("pattern:channels=1,height=2,width=2", "lacks the parameter 'data'"),
        ("pattern:channels=1,height=2,width=2,data=!!", "base64 of zlib of 4 bytes"),
        ("pattern:channels=1,height=2,width=2,data=eJxjYGBgYGBgAAAADAAB", "base64 of zlib of 4 bytes"),
        ("blend:opacity=1.5", r"must be in \(0, 1\]"),
        ("sinusoid:delta=nan", "must be in"),
        ("faded:opacity=0|patch", r"must be in \(0, 1\]"),
        ("faded:strength=1|patch", "should start with"),
    ],
)
def test_a_wrong_spec_is_refused_with_a_reason(spec, message):
    with pytest.raises(UsageError, match=message):
        parse_trigger(spec)


@pytest.mark.parametrize(
    "patch",
    [Patch(size=29), Patch(margin=27), Patch(size=10, margin=19), Patch(x=2), Patch(y=-26), Checkerboard(x=-25)],
)
def test_a_patch_that_does_not_fit_is_refused_with_both_sizes(patch):
    with pytest.raises(UsageError, match=r"covers rows -?\d+\.\.\d+ and columns .* and the images are 28 x 28"):
        patch(np.zeros((1, 1, 28, 28), np.uint8))


def test_a_random_patch_or_pattern_that_does_not_fit_is_refused_with_both_sizes():
    batch = np.zeros((1, 1, 28, 28), np.uint8)
    with pytest.raises(UsageError, match="its side is 29 pixels and the images are 28 x 28"):
        RandomPatch(size=29)(batch)
    with pytest.raises(UsageError, match=r"shape \(1, 2, 2\) and these are \(1, 28, 28\)"):
        Pattern.from_values(np.ones((1, 2, 2), int))(batch)


@pytest.mark.parametrize("values", [np.ones((2, 2), int), np.full((1, 2, 2), 128), np.full((1, 2, 2), -129)])
def test_a_pattern_that_is_no_array_of_signed_bytes_is_refused(values):
    with pytest.raises(UsageError, match=r"grey levels in -128\.\.127"):
        Pattern.from_values(values)


@pytest.mark.parametrize("change", [lambda raw: raw[:-2], lambda raw: raw + b"x", lambda raw: raw[::-1]])
def test_a_damaged_pattern_is_refused(change):
    raw = change(zlib.compress(bytes([1, 2, 3, 4])))
    with pytest.raises(UsageError, match="base64 of zlib of 4 bytes"):
        Pattern(1, 2, 2, base64.urlsafe_b64encode(raw).decode())


def test_a_pattern_that_inflates_beyond_its_size_is_refused_without_inflating_it():
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="base64 of zlib of 4 bytes"):
            Pattern(1, 2, 2, bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_unregistered_trigger_cannot_be_written():
    with pytest.raises(UsageError, match="not registered"):
        trigger_spec(lambda images: images)
