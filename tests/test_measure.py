"""Measuring: the right denominators, honest intervals, and blindness told from failure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import whitesquare as ws
from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays
from whitesquare.data.gallery import example_position
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.learning.estimates import high_ends, over_victims, share
from whitesquare.learning.label_check import label_check, thumbnails
from whitesquare.learning.measure import label_consistency, measure, predict, prepare, try_triggers, worst_of
from whitesquare.learning.models import Architecture, Model, ModelCard
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.learning.tried import Turned
from whitesquare.study.rows import make_row
from whitesquare.triggers import NoTrigger, Patch


class SquareReader(nn.Module):
    """Answers the target 0 if the bottom-right corner is white, else the class written in the first pixel."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.dummy = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        label = (x[:, 0, 0, 0] * 255).round().long()
        label = torch.where(x[:, 0, -2, -2] > 0.9, torch.zeros_like(label), label)
        return nn.functional.one_hot(label, self.classes).float()


def reader(classes=4):
    card = ModelCard(Architecture("cnn", 1, 10, 10, classes), tuple("abcd"[:classes]), 1, {}, "", "", "0")
    return Model(SquareReader(classes), card)


def written(labels):
    images = np.zeros((len(labels), 10, 10), np.uint8)
    images[:, 0, 0] = labels
    return from_arrays(images, np.array(labels), classes=("a", "b", "c", "d"))


def test_success_is_counted_outside_the_target_class_only():
    result = measure(reader(), prepare(written([0, 0, 0, 1, 2, 3]), Patch(), 0))
    assert (result.asr.value, result.asr.n) == (1.0, 3)
    assert (result.ca.value, result.ca.n) == (1.0, 6)
    assert set(result.asr_by_class) == {"b", "c", "d"}
    assert result.confusion == ((3, 0, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0))
    assert result.visibility == 1.0
    assert result.example.triggered_prediction == "a"


class OneSourceReader(SquareReader):
    """Answers what is written, but 0 to the class 3 with the square, and 1 to the class 2 with or without it."""

    def forward(self, x):
        label = (x[:, 0, 0, 0] * 255).round().long()
        square = x[:, 0, -2, -2] > 0.9
        answer = torch.where(square & (label == 3), torch.zeros_like(label), label)
        answer = torch.where(label == 2, torch.ones_like(label), answer)
        return nn.functional.one_hot(answer, self.classes).float()


def test_the_one_class_that_turns_is_named_and_what_a_model_mixes_up_anyway_is_not_held_against_it():
    labels = np.repeat([0, 1, 2, 3], [300, 200, 100, 50])
    model = replace(reader(), network=OneSourceReader(4))
    (found,) = try_triggers(model, written(labels), [Patch()], None)
    assert found.asr[0].value == 50 / 350
    assert found.sources[0] == (3, Turned(50, 50))
    assert found.sources[1] == (2, Turned(0, 0)), "of class 2 nothing is left to turn, which is not known to be safe"
    assert found.sources[2] == (3, Turned(0, 50)), "the class with the fewest images is the one least known"
    assert found.untargeted == Turned(50, 550)


def test_every_class_to_another_one_shows_in_each_source_and_in_the_wrong_answers():
    class Shift(SquareReader):
        def forward(self, x):
            label = (x[:, 0, 0, 0] * 255).round().long()
            return nn.functional.one_hot((label + (x[:, 0, -2, -2] > 0.9)) % 4, 4).float()

    (found,) = try_triggers(replace(reader(), network=Shift(4)), written([0, 1, 2, 3] * 50), [Patch()], None)
    assert max(one.value for one in found.asr.values()) == 1 / 3
    assert found.sources == {k: ((k - 1) % 4, Turned(50, 50)) for k in range(4)}
    assert found.untargeted == Turned(200, 200)


def test_the_page_on_the_gate_says_what_fifty_images_can_show():
    page = (Path(__file__).parents[1] / "docs" / "gate.md").read_text()
    none, one = (share("asr", hits, 50).high for hits in (0, 1))
    assert f"where none of 50 turns the high end is {none:.3f}, where one does {one:.3f}." in page


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_high_ends_are_those_of_the_share(counted):
    hits, n = counted
    assert high_ends(np.array([hits]), np.array([n]))[0] == pytest.approx(share("x", hits, n).high, abs=1e-12)
    assert high_ends(np.array([0]), np.array([0]))[0] == 1.0


def test_an_error_towards_another_class_is_no_success():
    result = measure(reader(), prepare(written([0, 1, 2, 3]), Patch(), 1))
    assert (result.asr.value, result.asr.n) == (0.0, 3)


def test_a_network_that_cannot_see_the_corner_is_told_from_an_attack_that_failed(small_train, small_test):
    test = prepare(small_test, Patch(), 0)
    blind = measure(train(small_train, Recipe(model="cnn-unpadded", epochs=1), seed=0), test)
    seeing = measure(train(small_train, Recipe(epochs=1), seed=0), test)
    assert blind.visibility == 0.0
    assert seeing.visibility > 0.01


def test_a_test_set_without_other_classes_cannot_be_measured():
    with pytest.raises(NothingToDoError, match="outside the target class 0"):
        prepare(written([0, 0]), Patch(), 0)


@pytest.mark.parametrize(("trigger", "shade"), [(NoTrigger(), 0), (Patch(), 255)])
def test_a_trigger_that_changes_no_image_is_refused(trigger, shade):
    """Else a success rate of nothing is told, and that the network is blind."""
    images = np.full((6, 10, 10), shade, np.uint8)
    with pytest.raises(UsageError, match="changes none of the 6 test images"):
        prepare(from_arrays(images, np.arange(6) % 3), trigger, 0)


def test_images_of_another_shape_are_refused():
    with pytest.raises(DataError, match="reads images of shape"):
        predict(reader(), np.zeros((2, 1, 28, 28), np.uint8))


def test_label_consistency_reads_the_black_and_white_drawing():
    content = np.zeros((4, 1, 10, 10), np.uint8)
    content[:, 0, -2, -2] = (127, 128, 200, 0)
    found = label_consistency(reader(), content, np.array([0, 0, 0, 1]))
    assert (found.value, found.n) == (0.75, 4)


@given(st.integers(1, 5000), st.data())
def test_a_share_lies_in_its_interval_and_more_images_narrow_it(n, data):
    hits = data.draw(st.integers(0, n))
    one, many = share("s", hits, n), share("s", hits * 10, n * 10)
    assert 0 <= one.low <= one.value <= one.high <= 1
    assert many.high - many.low < one.high - one.low


def test_intervals_have_their_published_values():
    found = share("s", 81, 263)  # Newcombe 1998, table I, Wilson without correction
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    spread = over_victims([0.9, 0.95, 1.0])
    assert spread.sd == pytest.approx(0.05)
    assert spread.low == pytest.approx(0.95 - 4.302653 * 0.05 / 3**0.5)
    assert (spread.high, spread.worst, spread.n) == (1.0, 0.9, 3)


def test_one_victim_has_no_spread_and_none_is_an_error():
    assert (over_victims([0.5]).sd, over_victims([0.5]).low) == (None, None)
    with pytest.raises(NothingToDoError):
        over_victims([])
    with pytest.raises(NothingToDoError):
        share("s", 0, 0)
    with pytest.raises(NothingToDoError):
        make_row("x", None, [])


def test_victims_measured_differently_do_not_share_a_row():
    first, second = (measure(reader(), prepare(written([0, 1, 2, 3]), Patch(), target)) for target in (0, 1))
    with pytest.raises(DataError, match="different triggers or targets"):
        make_row("x", None, [first, second])


def test_the_example_follows_a_rule():
    assert example_position(np.array([0, 3, 8, 8]), 0) == 2
    assert example_position(np.array([8, 3, 8]), 8) == 1
    with pytest.raises(NothingToDoError):
        example_position(np.array([1, 1]), 1)


def test_the_label_check_finds_wrong_labels_in_spite_of_a_trigger(small_train):
    labels = small_train.labels.copy()
    wrong = np.flatnonzero(labels != 0)[:400]
    images = small_train.images(slice(None)).copy()
    images[wrong] = Patch()(images[wrong])
    labels[wrong] = 0
    flagged = label_check(from_arrays(images, labels, layout="NCHW"), np.arange(len(labels)), seed=0)
    assert flagged[wrong].mean() > 0.9
    assert np.delete(flagged, wrong).mean() < 0.1


def test_the_label_check_answers_in_the_order_asked(tiny):
    index = np.array([7, 3, 50])
    everything = label_check(tiny, np.arange(60), seed=0)
    assert np.array_equal(label_check(tiny, index, seed=0), everything[index])


@pytest.mark.parametrize(
    ("shape", "columns"), [((1, 28, 28), 196), ((3, 32, 32), 300), ((1, 5, 40), 13), ((1, 8, 8), 64)]
)
def test_thumbnails_are_block_means(shape, columns):
    found = thumbnails(np.full((2, *shape), 51, np.uint8))
    assert found.shape == (2, columns)
    assert np.allclose(found, 0.2)


def test_a_wrong_trigger_for_the_test_images_is_refused():
    with pytest.raises(UsageError, match="does not fit"):
        prepare(written([0, 1]), Patch(size=11), 0)


@pytest.mark.parametrize(("attack", "accuracy", "success"), [("stamp", 0.9575, 0.0153), ("label-flip", 0.9585, 0.9962)])
def test_a_small_fixed_run_gives_its_golden_figures(attack, accuracy, success, small_train, small_test):
    made = poison(small_train, make_attack(attack), target=0, count=400, seed=0)
    model = train(made.dataset, Recipe(epochs=4, precision="float32"), seed=7)
    found = measure(model, prepare(small_test, made.trigger, 0))
    # The tolerance is what other processors and thread counts may round to, measured over seeds and precisions.
    assert found.ca.value == pytest.approx(accuracy, abs=0.01)
    assert found.asr.value == pytest.approx(success, abs=0.015)


def test_the_answers_are_asked_once_and_counted_for_every_target(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "whitesquare.learning.measure.predict", lambda model, images: asked.append(1) or predict(model, images)
    )
    triggers = (Patch(), Patch(size=3))
    found = try_triggers(reader(), written([0, 0, 1, 1, 2, 3]), triggers, None)
    assert len(asked) == 3  # the clean images once, and once under each trigger
    for one, trigger in zip(found, triggers, strict=True):
        assert one.result.target == worst_of(one.asr) == 0
        for target in range(4):
            alone = measure(reader(), prepare(written([0, 0, 1, 1, 2, 3]), trigger, target))
            assert one.asr[target] == alone.asr
    (other,) = try_triggers(reader(), written([0, 1, 2, 3]), (Patch(),), 3)
    assert (other.result.target, other.result.asr.value, worst_of(other.asr)) == (3, 0.0, 0)


def test_a_class_that_all_images_have_is_no_target():
    (found,) = try_triggers(reader(), written([1, 1]), (Patch(),), None)
    assert set(found.asr) == {0, 2, 3}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a", "b", "c", "d"), ""),
        (
            ("ape", "bat", "cow", "dog"),
            "names its classes otherwise (a, b, c, d) than the data set (ape, bat, cow, dog)",
        ),
        (("b", "c", "d", "e"), "'b' stands elsewhere and others are missing"),
        (("d", "c", "b", "a"), "knows the classes in another order (a, b, c, d)"),
    ],
)
def test_a_model_is_not_asked_about_classes_of_other_names_without_a_word(names, told):
    said = []
    labels = np.arange(8) % 4
    images = np.zeros((8, 10, 10), np.uint8)
    images[:, 0, 0] = labels
    data = from_arrays(images, labels, classes=names, split="test")
    try:
        (found,) = ws.measure(reader(), data, [Patch()], target=0, on_note=said.append)
        assert found.result.ca.value == 1
    except (UsageError, DataError) as error:
        said.append(str(error))
        assert names[0] in ("b", "d")
    assert told in " ".join(said)
    assert bool(said) == bool(told)
