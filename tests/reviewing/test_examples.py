"""The trigger at work: which images it is shown on, what a model says of them, and another model that is asked."""

from dataclasses import replace

import numpy as np

from tests.report.scan_sample import alarm
from whitesquare.detectors.types import Evidence
from whitesquare.learning.asking import Asking
from whitesquare.reviewing.asking import asker
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.album import album_path, read_album
from whitesquare.scanning.examples import SHOWN, answers, pasted_examples
from whitesquare.scanning.marks.patch import PatchKind
from whitesquare.scanning.marks.types import FoundTrigger

from .made import made, pictures


class Backdoored:
    """A classifier that knows a square, and else the brightness of a class."""

    classes, device, feature_layer = ("0", "1", "2"), "cpu", "none"

    def __init__(self, target=0):
        self.target = target

    def logits(self, images):
        mean = images.astype(np.float32).mean((1, 2, 3))
        found = -np.abs(mean[:, None] - np.array([60, 100, 140], np.float32)) / 4
        found[(images[:, :, 22:26, 22:26] == 255).all((1, 2, 3)), self.target] += 99
        return found.astype(np.float32)

    def features(self, images):
        return self.logits(images)


def raised(trigger=True):
    mask = np.zeros((28, 28), np.float32)
    mask[22:26, 22:26] = 1
    pattern = 255 * mask[None]
    found = FoundTrigger(PatchKind(), mask, pattern, np.zeros_like(pattern)) if trigger else None
    return Raised(alarm(), np.arange(4), found)


def evidence(labels=None):
    dataset = pictures(120)
    given = dataset.labels if labels is None else labels
    return Evidence(dataset.images(slice(None)), given, dataset.classes, np.zeros(120, np.bool_)), dataset.ids


def test_it_is_pasted_on_other_classes_in_turn_and_turns_what_a_backdoored_model_says():
    found, ids = evidence()
    shown = pasted_examples(found, ids, raised(), Backdoored())
    assert shown is not None
    assert len(shown.ids) == SHOWN
    assert sorted(shown.labels.tolist()) == [1, 1, 1, 1, 2, 2, 2, 2]
    assert set(shown.labels[:2].tolist()) == {1, 2}, "one of each other class comes first"
    assert (shown.before == shown.labels).all()
    assert (shown.after == 0).all()
    changed = (shown.images != shown.pasted).any((0, 1))
    assert changed[22:26, 22:26].any()
    changed[22:26, 22:26] = False
    assert not changed.any()
    again = pasted_examples(found, ids, raised(), Backdoored())
    assert again is not None
    assert again.ids == shown.ids
    other = pasted_examples(replace(found, seed=1), ids, raised(), Backdoored())
    assert other is not None
    assert other.ids != shown.ids, "the images are drawn by chance"


def test_without_a_trigger_or_an_image_of_another_class_there_is_none():
    found, ids = evidence()
    assert pasted_examples(found, ids, raised(trigger=False), Backdoored()) is None
    alone, ids = evidence(np.zeros(120, np.int64))
    assert pasted_examples(alone, ids, raised(), Backdoored()) is None


def test_answers_are_what_is_largest_and_how_sure_that_is():
    class Sure(Backdoored):
        def logits(self, images):
            return np.array([[0, np.log(3), -900], [1000, 0, 0]], np.float32)

    said, sure = answers(Sure().logits(np.zeros((2, 1, 28, 28), np.uint8)))
    assert said.tolist() == [1, 0]
    assert np.allclose(sure, [0.75, 1.0])


def test_another_model_is_asked_about_the_same_images(tmp_path):
    album = read_album(album_path(made(tmp_path).scan))
    asked = asker(Asking(Backdoored(target=2)))(album, ("0", "1", "2"))
    assert asked.examples[0].after.tolist() == [2, 2, 2, 2]
    assert np.array_equal(asked.examples[0].pasted, album.examples[0].pasted)
    assert asked.sheets == album.sheets
