"""What a script or a notebook has set for PyTorch and NumPy changes no result, and stands as it was afterwards."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

import whitesquare as ws
from whitesquare._base.cache import no_cache
from whitesquare.data import from_arrays, write_dataset
from whitesquare.executor import make_executor
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.learning.train import train as train_model
from whitesquare.scanning.settings import ScanSettings
from whitesquare.study.bench.plan import parse_plan
from whitesquare.study.bench.run import run_bench
from whitesquare.study.drill import DrillSettings
from whitesquare.study.experiment import ExperimentPlan, run_experiment

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


@contextmanager
def notebook():
    """All of them at once, as far as they go together."""
    with default_dtype(), torch.inference_mode(), autocast(), raising():
        yield


def small_splits():
    """Forty digits to learn and forty to test, with half the height and width."""
    both = [from_arrays(np.ascontiguousarray(SOME.images[:, :, ::2, ::2]), SOME.labels, split=s) for s in SPLITS]
    return dict(zip(SPLITS, both, strict=True))


SPLITS = ("train", "test")


def drilled(folder):
    settings = DrillSettings(attacks=("label-flip",), rates=(0.1,), seeds=1, recipe=RECIPE)
    splits = small_splits()
    found = ws.drill(splits["train"], settings, test=splits["test"])
    assert not found.failures
    return [replace(run, seconds=0) for row in found.rows for run in row.runs]


def benched(folder):
    text = f"""[victims.quick]
epochs = 1
scale = 0.25
[[grid]]
data = {str(folder / "data")!r}
attack = "stamp"
count = 2
victim = "quick"
"""
    plan, place = parse_plan(text, where="plan"), make_executor("local", workers=1)
    found = run_bench(plan, text, folder / f"bench{torch.get_default_dtype()}", place, cache=no_cache)
    assert not found.failures
    return [(one.ca, one.asr) for one in found.lines]


def experimented(folder):
    plan = ExperimentPlan(str(folder / "data"), ("label-flip",), count=2, recipe=RECIPE, seeds=1)
    found, _ = run_experiment(plan)
    return found.rows


def learned(folder):
    return list(train_model(small_splits()["train"], RECIPE, seed=1).network.state_dict().values())


@pytest.mark.parametrize("verb", [drilled, benched, experimented, learned])
def test_whatever_trains_does_so_as_if_nothing_was_set(verb, tmp_path):
    write_dataset(tmp_path / "data", *small_splits().values(), "npz")
    plain = verb(tmp_path)
    with notebook():
        found = verb(tmp_path)
    assert all(map(torch.equal, found, plain)) if verb is learned else found == plain


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
    assert repr(found).startswith("<Scanned: not checked, 40 samples in 10 classes of arrays, alarms: none, flagged: ")
    made = ws.poison(data, "stamp", target=0, count=2, seed=0)
    assert max(len(repr(one)) for one in (data, made.dataset, found)) < 400
