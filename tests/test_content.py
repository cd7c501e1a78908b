"""What the rest of the images says of a mark: put there, a class's own, or nothing at all."""

import numpy as np
import pytest

from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays, load_mnist
from whitesquare.detectors.contrast import ceiling
from whitesquare.detectors.patch_contrast import PatchContrast
from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.candidates import Candidate, Carried
from whitesquare.scanning.content import NATURAL, can_tell, content_test, shown_by
from whitesquare.scanning.criteria import ALPHA, CRITERIA, is_exclusive
from whitesquare.scanning.marks.field import FieldKind
from whitesquare.scanning.marks.patch import PatchKind
from whitesquare.scanning.marks.roaming import RoamingKind, nearest, places_of
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.triggers import parse_trigger

FREE = ScanSettings(model_free=True)
PIXELS = next(criterion for criterion in CRITERIA if criterion.rule_id == "PX01")
CLASS = 3


@pytest.fixture(scope="module")
def digits():
    """A thousand samples of each of five digits: images and labels."""
    mnist = load_mnist("train")
    known = np.asarray(mnist.labels)
    chosen = np.concatenate([np.flatnonzero(known == label)[:1000] for label in range(5)])
    return mnist.images(chosen), known[chosen]


def square(top=26, left=26, size=2, kind=None):
    mask = np.zeros((28, 28), np.float32)
    mask[top : top + size, left : left + size] = 1
    return FoundTrigger(kind or PatchKind(), mask, 255 * mask[None], np.zeros((1, 28, 28), np.float32))


def told(digits, carriers, trigger=None, images=None):
    found, labels = digits
    images = found.copy() if images is None else images
    if trigger is None:
        images[carriers, :, 26:28, 26:28] = 255
    evidence = Evidence(images, labels, tuple("01234"), np.zeros(len(labels), bool))
    return content_test(evidence, Carried("PX01", trigger or square(), np.sort(carriers)), CLASS)


def members(digits):
    return np.flatnonzero(digits[1] == CLASS)


@pytest.mark.parametrize("seed", range(5))
def test_a_mark_on_images_picked_at_random_was_put_there(digits, seed):
    found = told(digits, np.random.default_rng(seed).permutation(members(digits))[:500])
    assert abs(found.auc - 0.5) < 3 * found.error
    assert found.p_value(5) <= ALPHA
    assert not found.natural


def test_a_mark_that_goes_with_the_content_is_the_class_s_own(digits):
    images, own = digits[0], members(digits)
    slant = (images[own, 0, :14, 14:].sum((1, 2)) - images[own, 0, 14:, :14].sum((1, 2), dtype=np.int64)).argsort()
    found = told(digits, own[slant[:150]])
    assert found.auc > 0.8
    assert found.p_value(5) > 0.99
    assert found.natural


def test_carriers_with_wrong_labels_are_no_natural_group(digits):
    images, labels = digits[0], digits[1].copy()
    foreign = np.flatnonzero(labels == 0)[:100]
    labels[foreign] = CLASS
    found = told((images, labels), foreign)
    assert found.auc > 0.9
    assert found.foreign > 0.9
    assert not found.natural


def test_a_patch_that_wanders_is_covered_where_it_lies(digits):
    rng = np.random.default_rng(2)
    carriers, images = rng.permutation(members(digits))[:500], digits[0].copy()
    at = rng.integers(0, 24, (500, 2))
    piece = rng.integers(0, 256, (1, 4, 4), np.uint8)
    for image, (row, column) in zip(carriers, at, strict=True):
        images[image, :, row : row + 4, column : column + 4] = piece
    mask = np.zeros((28, 28), np.float32)
    mask[3:7, 5:9] = 1
    pattern = np.zeros((1, 28, 28), np.float32)
    pattern[:, 3:7, 5:9] = piece
    trigger = FoundTrigger(RoamingKind(), mask, pattern, pattern)
    assert np.array_equal(places_of(images[carriers], mask, pattern), at)
    assert nearest(images[carriers], mask, pattern).max() == 0
    found = told(digits, carriers, trigger, images)
    assert abs(found.auc - 0.5) < 3 * found.error
    assert found.p_value(5) <= ALPHA


def test_nothing_is_said_of_too_few_of_all_or_of_a_mark_over_the_image(digits):
    own = members(digits)
    assert told(digits, own[:15]) is None
    assert told(digits, own[:-15]) is None
    assert told(digits, own[:150], square(4, 4, 18, FieldKind())) is None
    labels = np.random.default_rng(0).permutation(digits[1])
    assert told((digits[0], labels), np.flatnonzero(labels == CLASS)[:150]) is None, "content says nothing of classes"


def test_a_mark_of_a_whole_class_is_said_to_be_that(digits):
    images, own = digits[0].copy(), members(digits)
    images[own, :, 26:28, 26:28] = 255
    evidence = Evidence(images, digits[1], tuple("01234"), np.zeros(len(digits[1]), bool))
    shown = shown_by(evidence, Candidate(Hint(CLASS, 9.0, own), "PX01", square(), square()))
    assert (shown.carriers, shown.by_all, shown.content) == (1000, True, None)
    assert shown.is_natural


def test_what_others_show_as_well_is_not_exclusive():
    sizes = np.full(5, 600)
    most = ceiling(sizes, CLASS, 150)
    assert most == pytest.approx(np.log((150 - 2 * 150**0.5) / 600 * 2401))
    assert is_exclusive(PIXELS, most - 1, sizes, CLASS, 150)
    assert not is_exclusive(PIXELS, 0.7 * most, sizes, CLASS, 150)
    assert ceiling(sizes, CLASS, 600) == ceiling(sizes, CLASS)


def test_the_patch_rule_counts_some_of_a_class_and_its_ceiling_is_that_of_these():
    patches = next(criterion for criterion in CRITERIA if criterion.rule_id == "PC01")
    large, counted = np.full(10, 6000), np.full(10, PatchContrast.sample)
    assert patches.ceiling(large, 0, 3000) == ceiling(counted, 0, PatchContrast.sample // 2)
    assert patches.ceiling(large, 0, None) == ceiling(counted, 0)


def test_small_classes_cannot_be_told():
    able = [size for size in range(0, 1000, 10) if can_tell(size, 10)]
    assert able
    assert able == list(range(able[0], 1000, 10))
    assert not can_tell(0, 10)
    assert can_tell(able[0], 2)
    assert not can_tell(able[0], 1000), "many classes, many chances"
    assert 0.5 < NATURAL < 1


def scanned(dataset):
    return run_scan(dataset, FREE).result


def stamped(digits, count, target=CLASS):
    attack = make_attack("stamp", {"trigger": parse_trigger("patch:size=2")})
    return poison(from_arrays(*digits, layout="NCHW"), attack, target=target, count=count, seed=1)


def test_between_two_classes_that_differ_everywhere_a_mark_that_was_put_there_is_an_alarm_that_says_so(digits):
    images, labels = digits
    two = np.flatnonzero((labels == 4) | (labels == 3))
    poisoned = stamped((images[two], (labels[two] == 3).astype(np.int64)), 400, 0)
    result = scanned(poisoned.dataset)
    (alarm,) = result.alarms
    assert (alarm.label, alarm.tier, alarm.rule_id, alarm.benign) == (0, "suspicious", "PX01", ())
    assert alarm.p_value <= ALPHA
    assert any("does not tell who carries it" in reason for reason in alarm.reasons)
    assert {one.id for one in result.flagged if one.tier == "suspicious"} == set(poisoned.manifest.ids)


@pytest.mark.parametrize("pair", [(0, 1), (2, 3)])
def test_a_mark_in_the_corner_is_not_acquitted_by_what_is_left_uncovered_of_it(digits, pair):
    images, labels = digits
    two = np.flatnonzero(np.isin(labels, pair))
    poisoned = stamped((images[two], (labels[two] == pair[1]).astype(np.int64)), 400, 0)
    (alarm,) = scanned(poisoned.dataset).alarms
    assert alarm.label == 0
    assert 360 <= alarm.carriers <= 410


def test_a_mark_on_a_whole_class_that_does_not_stand_out_surely_is_a_word_and_no_alarm(digits):
    images, labels = digits
    some = np.concatenate([np.flatnonzero(labels == label)[:500] for label in range(5)])
    result = scanned(stamped((images[some], labels[some]), 500, 0).dataset)
    assert not result.alarms
    (said,) = (one for one in result.warnings if one.startswith("Class 0"))
    assert "every image of it does: no alarm" in said
    assert "a mark on a whole class looks the same" in said


def test_digits_that_nobody_touched_raise_nothing(digits):
    images, labels = digits
    some = np.random.default_rng(0).permutation(len(labels))[:1500]
    assert not scanned(from_arrays(images[some], labels[some], layout="NCHW")).alarms
