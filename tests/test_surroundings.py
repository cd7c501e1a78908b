"""What a script or a notebook has set for PyTorch and NumPy changes no result, and stands as it was afterwards."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

import whitesquare as ws
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.scanning.settings import ScanSettings

from .data.objects.samples import digits

SOME = digits(40)
RECIPE = Recipe(epochs=1, scale=0.25)


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def default_device():
    return torch.device("meta")


def autocast():
    return torch.autocast("cpu", torch.bfloat16)


def raising():
    return np.errstate(all="raise")


SET = (default_dtype, default_device, torch.no_grad, torch.inference_mode, autocast, raising)


def state():
    numbers = torch.get_default_dtype(), torch.get_default_device(), np.geterr()
    return *numbers, torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")


def weights():
    model = ws.train((SOME.images, SOME.labels), RECIPE, seed=1)
    return {name: one.detach().clone() for name, one in model.network.state_dict().items()}


@pytest.fixture(scope="module")
def plain():
    return weights()


@pytest.mark.parametrize("setting", SET)
def test_a_training_is_the_same_whatever_was_set(plain, setting):
    with setting():
        before = state()
        found = weights()
        assert state() == before
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name].cpu(), one) for name, one in plain.items())


def test_what_was_set_stands_after_a_failure_as_well():
    with default_dtype(), torch.no_grad():
        before = state()
        with pytest.raises(ZeroDivisionError):
            failing()
        assert state() == before


@own_surroundings()
def failing():
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    raise ZeroDivisionError


@pytest.mark.long
def test_a_scan_with_models_is_the_same_whatever_was_set():
    settings = ScanSettings(recipe=RECIPE, detectors=("spectral-signatures", "loss-isolation"))
    found = ws.scan((SOME.images, SOME.labels), settings).to_frame()
    with default_dtype(), torch.inference_mode(), raising():
        again = ws.scan((SOME.images, SOME.labels), settings).to_frame()
    assert found.equals(again)


def test_what_is_returned_is_said_in_a_line():
    data = ws.open_dataset((SOME.images, SOME.labels))
    found = ws.scan(data, ScanSettings(model_free=True, detectors=("pixel-contrast",)))
    assert repr(found).startswith(
        "<Scanned: nothing found, 40 samples in 10 classes of arrays, alarms: none, flagged: "
    )
    made = ws.poison(data, "stamp", target=0, count=2, seed=0)
    assert max(len(repr(one)) for one in (data, made.dataset, found)) < 400
