"""The scan's second model: trained when something must be confirmed by it, and not before."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays
from whitesquare.learning.recipes import Recipe
from whitesquare.scanning.model import train_scan_models
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings

SEVERAL = Recipe(accumulate=2)
ONE, TWO, SECOND = "training a scan model", "training scan models", "training a second scan model"


def tinted(side, size=800):
    """Four classes of noisy pictures, three of them tinted."""
    rng = np.random.default_rng(0)
    labels = np.arange(size) % 4
    images = rng.integers(0, 120, (size, 3, side, side))
    for channel in range(3):
        images[labels == channel, channel] += 60
    return from_arrays(images.astype(np.uint8), labels, layout="NCHW")


def scanned(dataset, recipe):
    """The result, and the steps that the scan told of."""
    steps, settings = [], ScanSettings(detectors=("pixel-contrast",), recipe=recipe)
    result = run_scan(dataset, settings, on_progress=lambda step, *_: steps.append(step)).result
    return result, set(steps)


@pytest.mark.long
def test_it_is_trained_only_where_something_is_to_be_confirmed():
    clean, threads = tinted(16), torch.get_num_threads()
    result, steps = scanned(clean, SEVERAL)
    assert result.verdict == "nothing found"
    assert ONE in steps
    assert SECOND not in steps
    poisons = poison(clean, make_attack("label-flip"), target=0, rate=0.1, seed=0).dataset
    result, steps = scanned(poisons, SEVERAL)
    assert [alarm.tier for alarm in result.alarms] == ["confirmed"]
    assert {ONE, SECOND} <= steps
    assert torch.get_num_threads() == threads


def test_of_steps_of_one_pass_both_are_trained_side_by_side():
    _, steps = scanned(tinted(12, 200), Recipe())
    assert TWO in steps
    assert not {ONE, SECOND} & steps


def test_it_is_another_model_and_the_same_whenever_it_is_asked():
    dataset = tinted(16, 200)
    images, labels = dataset.images(slice(None)), dataset.labels

    def trained():
        return train_scan_models(images, labels, dataset.classes, seed=1, recipe=SEVERAL, on_progress=lambda *_: None)

    one, other = trained(), trained()
    (witness,), (again,) = one.witnesses, other.witnesses
    answers = witness.logits(images)
    assert np.array_equal(answers, again.logits(images))
    assert not np.array_equal(answers, one.first.logits(images))
    assert np.array_equal(witness.features(images), witness.model.features(images))
    assert witness.classes == one.first.classes
    assert np.array_equal(one.losses, other.losses)
    assert np.count_nonzero(one.losses) > 0.9 * one.losses.size
