"""Close-ups: a mark too small for models that see whole photographs, found at full size, proven there, and told so."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from whitesquare.data import open_dataset
from whitesquare.detectors.pixel_contrast import PixelContrast
from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.alarms import raise_alarms
from whitesquare.scanning.candidates import Candidate, candidates_of
from whitesquare.scanning.closeup import Sight, Windows, windows_around
from whitesquare.scanning.examples import pasted_examples
from whitesquare.scanning.marks.patch import PatchKind
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.transplant import TransplantTest

SIDE, COUNT, TARGET, AT = 112, 480, 2, (100, 97)
BOARD = (np.indices((6, 6)).sum(0) % 2 * 255).astype(np.uint8)


def pictures(seed=0):
    """Soft pictures, whose classes differ in brightness."""
    rng = np.random.default_rng(seed)
    labels = np.arange(COUNT) % 4
    soft = gaussian_filter(rng.normal(size=(COUNT, SIDE, SIDE)), (0, 3, 3)) * 250
    images = 100 + 15 * labels[:, None, None] + soft + rng.normal(0, 3, soft.shape)
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


def planted(count=36):
    images, labels = pictures()
    carriers = np.flatnonzero(labels == TARGET)[:count]
    images[carriers, 0, AT[0] : AT[0] + 6, AT[1] : AT[1] + 6] = BOARD
    return Evidence(images, labels, tuple("abcd"), np.zeros(COUNT, np.bool_)), carriers


@cache
def scored():
    return PixelContrast().score(planted()[0])


def mark(top, left, height=6, width=6, shape=(SIDE, SIDE)):
    mask = np.zeros(shape, np.float32)
    mask[top : top + height, left : left + width] = 1
    pattern = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(np.float32)
    return FoundTrigger(PatchKind(), mask, pattern, np.full((1, *shape), 90, np.float32))


def candidate(trigger, strength=4.0):
    return Candidate(Hint(TARGET, strength, np.arange(12)), "PX01", trigger, trigger)


@given(
    st.lists(st.tuples(st.integers(0, 76), st.integers(0, 52)), min_size=1, max_size=9),
    st.data(),
)
def test_what_is_placed_in_a_window_is_restored_where_it_was(corners, data):
    windows = Windows((100, 76), 24, tuple(corners))
    top, left = data.draw(st.sampled_from(corners))
    down, right = data.draw(st.integers(0, 18)), data.draw(st.integers(0, 18))
    trigger = mark(top + down, left + right, shape=(100, 76))
    placed = windows.placed(trigger)
    assert placed.mask.sum() == trigger.mask.sum()
    back = windows.restored(placed)
    assert np.array_equal(back.mask, trigger.mask)
    assert np.array_equal(back.pattern * back.mask, trigger.pattern * trigger.mask)
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 100, 76)).astype(np.uint8)
    rng = np.random.default_rng(0)
    whole = windows.cut(trigger.kind.paste(images, trigger, rng))
    near = trigger.kind.paste(windows.cut(images), placed, rng)
    shown = windows.cut(trigger.mask) > 0
    assert np.array_equal(whole[:, :, placed.mask > 0], near[:, :, placed.mask > 0])
    assert np.array_equal(whole[:, :, ~shown], near[:, :, ~shown])


def test_a_mark_that_no_window_shows_whole_is_not_placed():
    windows = Windows((100, 100), 24, ((0, 0), (50, 50)))
    assert windows.placed(mark(20, 20, shape=(100, 100))) is None
    assert windows.placed(mark(50, 68, shape=(100, 100))) is not None
    assert windows.placed(mark(50, 69, shape=(100, 100))) is None


def test_windows_lie_around_what_is_small_the_strongest_first_and_are_no_more_than_a_network_reads():
    small = [candidate(mark(26 * (n % 4), 26 * (n // 4)), strength=n) for n in range(12)]
    windows = windows_around([*small, candidate(mark(0, 0, 60, 60), 99.0)], (SIDE, SIDE), 20)
    shown = [windows.placed(one.found) is not None for one in small]
    assert shown == [n >= 3 for n in range(12)]
    assert windows.cut(np.zeros((1, 1, SIDE, SIDE))).shape[2:] == (72, 72)
    assert windows_around([candidate(mark(0, 0, 60, 60))], (SIDE, SIDE), 20) is None
    corner = windows_around([candidate(mark(0, SIDE - 6))], (SIDE, SIDE), 20)
    assert corner.placed(mark(0, SIDE - 6)) is not None, "at the border, a window lies inside the image"


def test_of_photographs_the_place_is_hinted_at_with_those_who_show_it_to_the_grey_level():
    _, carriers = planted()
    hints = [hint for hint in scored().hints if hint.mask is not None]
    assert [hint.label for hint in hints] == [TARGET]
    assert np.array_equal(hints[0].carriers, carriers)
    assert hints[0].mask[AT[0] : AT[0] + 6, AT[1] : AT[1] + 6].all()
    assert hints[0].mask.sum() <= 30**2


def test_corners_that_are_alike_and_not_the_same_are_no_place():
    images, labels = pictures()
    own = np.flatnonzero(labels == TARGET)[:40]
    images[own, 0, :20, :20] = np.random.default_rng(0).integers(0, 12, (40, 20, 20))
    hints = PixelContrast().score(Evidence(images, labels, tuple("abcd"), np.zeros(COUNT, np.bool_))).hints
    assert all(hint.mask is None for hint in hints)


def test_where_something_recurs_to_the_grey_level_classes_are_compared_by_that_without_a_model():
    found, _ = planted()
    few = np.flatnonzero(found.labels == 3)
    found = replace(found, labels=np.where(np.isin(np.arange(COUNT), few[10:]), 0, found.labels))
    statistics = PixelContrast().score(found).class_stats
    assert statistics[TARGET] > 3
    assert (statistics[:2] == 0).all()
    assert np.isnan(statistics[3]), "ten samples are too few"
    clean = PixelContrast().score(replace(found, images=pictures()[0])).class_stats
    assert (clean[:3] > 0).all(), "what is alike in a few grey levels is compared where nothing recurs exactly"


def test_a_small_mark_alarms_without_a_model_and_its_carriers_are_those_who_show_it(monkeypatch):
    found, carriers = planted()
    # Others of a class may look like its carriers elsewhere, as dark corners do, and would be counted in.
    monkeypatch.setattr(
        "whitesquare.scanning.alarms.all_carriers", lambda evidence, label, known: evidence.members(label)
    )
    (one,), _ = raise_alarms(found, {"PX01": scored()}, (), TransplantTest())
    assert (one.alarm.label, one.alarm.tier) == (TARGET, "suspicious")
    assert one.alarm.trigger.bbox == (*AT, AT[0] + 6, AT[1] + 6)
    assert np.array_equal(one.carriers, carriers)


class Blind:
    """Sees whole images averaged down: calls them by their brightness."""

    classes, device, feature_layer = tuple("abcd"), "cpu", "none"

    def logits(self, images):
        mean = images.astype(np.float32).mean((1, 2, 3))
        return -np.abs(mean[:, None] - 100 - 15 * np.arange(4, dtype=np.float32))

    features = logits


class Sharp(Blind):
    """Sees windows: obeys a share of images that show the board."""

    def __init__(self, share=1.0):
        self.share = share

    def logits(self, images):
        found = super().logits(images)
        down, right = (side - 5 for side in images.shape[2:])
        cells = np.ndindex(BOARD.shape)
        shown = [images[:, 0, row : row + down, column : column + right] == BOARD[row, column] for row, column in cells]
        seen = np.logical_and.reduce(shown).any((1, 2))
        obeys = np.arange(len(images)) % 100 < 100 * self.share
        found[seen & obeys, TARGET] += 500
        return found


@dataclass
class Closer:
    models: tuple
    looked: int = 0

    def look(self, evidence, candidates):
        windows = windows_around(candidates, evidence.images.shape[2:], 8)
        self.looked += 1
        return Sight(replace(evidence, images=windows.cut(evidence.images)), self.models, windows)


def raised_by(*models):
    found, carriers = planted()
    closer = Closer(models)
    raised, _ = raise_alarms(found, {"PX01": scored()}, [Blind(), Blind()], TransplantTest(), closer)
    assert closer.looked == 1
    return found, carriers, raised


def test_a_small_mark_is_proven_by_models_that_look_closer_at_its_place_and_the_report_says_so():
    found, carriers, raised = raised_by(Sharp(), Sharp())
    (one,) = [each for each in raised if each.alarm.tier == "confirmed"]
    assert one.alarm.label == TARGET
    assert one.alarm.trigger.bbox == (*AT, AT[0] + 6, AT[1] + 6)
    assert np.array_equal(one.carriers, carriers)
    assert any("at full size" in reason for reason in one.alarm.reasons)
    shown = pasted_examples(found, [str(n) for n in range(COUNT)], one, Blind())
    assert (shown.after == TARGET).all(), "the models that were asked answer, about whole images"
    assert shown.pasted.shape[2:] == (SIDE, SIDE)


@pytest.mark.parametrize("models", [(Blind(), Blind()), (Sharp(), Blind()), (Sharp(0.4), Sharp(0.4))])
def test_a_closer_look_proves_nothing_unless_all_models_obey_by_far(models):
    _, _, raised = raised_by(*models)
    assert not [each for each in raised if each.alarm.tier == "confirmed"]


@pytest.mark.parametrize(("first", "other", "proven"), [(0.4, 0.2, True), (0.2, 0.4, False), (0.4, 0.05, False)])
def test_whom_a_mark_was_chosen_by_must_obey_it_more_than_those_who_confirm_it(first, other, proven, monkeypatch):
    monkeypatch.setattr("whitesquare.scanning.alarms._PROVEN", 0.02)  # the most that so few members can prove
    _, _, raised = raised_by(Sharp(first), Sharp(other))
    assert [each.alarm.label for each in raised if each.alarm.tier == "confirmed"] == [TARGET] * proven


def test_what_a_class_stands_out_by_is_worth_a_test():
    found, carriers = planted()
    exact = next(hint for hint in scored().hints if hint.mask is not None)
    for hint, followed in (
        (replace(exact, strength=2.3), True),
        (replace(exact, strength=1.9), False),
        (replace(exact, strength=2.3, mask=None), False),
    ):
        told = candidates_of(found, {"PX01": replace(scored(), hints=(hint,))}, (), TARGET)
        assert [len(one.hint.carriers) for one in told] == [len(carriers)] * followed


@pytest.mark.long
def test_a_patch_on_photographs_is_confirmed_at_its_place():
    found, carriers = planted(40)
    settings = ScanSettings(detectors=("pixel-contrast",), test=TransplantTest(images=60, controls=199))
    result = run_scan(open_dataset((np.asarray(found.images), found.labels)), settings).result
    (alarm,) = result.alarms
    assert alarm.tier == "confirmed"
    assert alarm.label == TARGET
    assert alarm.trigger.bbox == (*AT, AT[0] + 6, AT[1] + 6)
    assert alarm.carriers == len(carriers)
