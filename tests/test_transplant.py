"""How the answers of a model are weighed where the class that is tested is the largest: no class counts for nothing."""

import numpy as np
import pytest

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.marks.patch import PatchKind
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.transplant import TransplantTest

LARGE, COMMON, RARE = 900, 99, 1
"""Samples of three classes: an even share is a third, so that the last one counts for a thirtieth at least."""


class Saying:
    """A classifier that gives every image the same logits."""

    classes, device, feature_layer = ("large", "common", "rare"), "cpu", "none"

    def __init__(self, *logits):
        self.said = np.array(logits, np.float32)

    def logits(self, images):
        return np.tile(self.said, (len(images), 1))

    def features(self, images):
        return self.logits(images)


def turned(logits, label):
    """The share of images that a weak pattern makes a class, whatever it is, of a model that always says the same."""
    labels = np.repeat(np.arange(3), (LARGE, COMMON, RARE))
    evidence = Evidence(np.zeros((len(labels), 1, 8, 8), np.uint8), labels, Saying.classes, np.zeros(len(labels), bool))
    mask = np.zeros((8, 8), np.float32)
    mask[:2, :2] = 1
    trigger = FoundTrigger(PatchKind(), mask, 255 * mask[None], np.zeros((1, 8, 8), np.float32))
    rates = TransplantTest(images=10).flip_rates(evidence, Saying(*logits), trigger, label)
    assert len(set(rates.values())) == 1
    return next(iter(rates.values()))


@pytest.mark.parametrize(
    ("rare", "is_large"),
    [
        (-8.0, True),  # so unlikely that it stays so, however rare the class is
        (-5.0, True),  # weighed by one sample in a thousand it would be preferred: 5 is less than log(900 / 1)
        (-3.0, False),  # at a tenth of an even share it is: 3 is less than log(0.9 / (0.1 / 3))
        (-2.0, False),  # weighed as if all classes were as large as others it would not be: 2 is more than log(0.9 * 3)
        (0.0, False),
    ],
)
def test_a_rare_class_counts_for_a_tenth_of_an_even_share(rare, is_large):
    assert turned((0.0, -99.0, rare), label=0) == float(is_large)


def test_answers_are_as_the_model_gives_them_where_the_class_is_not_the_largest():
    assert turned((-1.0, 0.0, -99.0), label=1) == 1
    assert turned((0.0, -1.0, -99.0), label=1) == 0, "weighed by its share it would be preferred"
