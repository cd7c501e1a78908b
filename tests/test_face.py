"""The public face: every name is there, nothing is loaded before it is used, and what a verb does, a call does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import whitesquare as ws
import whitesquare.data as data
from whitesquare._base.schema import encode
from whitesquare.cli import app
from whitesquare.data import from_arrays, load_mnist, write_dataset
from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.models import load_model
from whitesquare.scanning.settings import ScanSettings
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset

from .gate import world
from .own_data import OwnDataset

CORNER = "patch:size=2,corner=br,margin=1"
FAST = ScanSettings(model_free=True, detectors=("pixel-contrast", "patch-contrast"))


def digits(count: int = 4000) -> ImageDataset:
    mnist = load_mnist()
    return from_arrays(mnist.images(slice(0, count)), mnist.labels[:count], classes=mnist.classes, layout="NCHW")


def poisoned(clean: ImageDataset) -> tuple[np.ndarray, np.ndarray]:
    images, labels = clean.images(slice(None)).copy(), clean.labels.copy()
    marked = np.flatnonzero(labels == 1)[:200]
    images[marked, :, -3:-1, -3:-1] = 255
    return images, labels


@pytest.mark.parametrize("module", [ws, data], ids=["whitesquare", "data"])
def test_every_name_is_there_and_no_other(module: object) -> None:
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, whitesquare, whitesquare.data\n"
        "heavy = {'numpy', 'scipy', 'torch', 'PIL', 'cryptography', 'duckdb', 'typer'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.long
def test_a_name_is_what_it_names_also_after_its_room_was_loaded() -> None:
    code = (
        "import whitesquare.cli.scan, whitesquare.cli.gate, whitesquare.scanning.run, whitesquare.gating.rules\n"
        "import whitesquare as ws\n"
        "assert all(callable(getattr(ws, name)) for name in ws.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.long
def test_a_scan_of_a_users_own_data_set_finds_what_a_scan_of_ours_finds(tmp_path: Path) -> None:
    images, labels = poisoned(digits())
    mine = ws.scan(OwnDataset(images, labels), FAST)
    ours = ws.scan(from_arrays(images, labels, classes=tuple("0123456789"), layout="NCHW"), FAST)
    assert mine.attested is None
    assert [(one.position, one.tier) for one in mine.scan.result.flagged] == [
        (one.position, one.tier) for one in ours.scan.result.flagged
    ]
    marked = {f"train-mine/{i}" for i in np.flatnonzero(labels == 1)[:200]}
    assert len(marked & {one.id for one in mine.scan.result.flagged}) > 150
    assert json.loads(mine.sarif())["version"] == "2.1.0"


def test_features_and_probabilities_of_ones_own_take_the_place_of_a_model() -> None:
    mine = digits(2000)
    labels = mine.labels
    seen = np.eye(10, dtype=np.float32)[labels] * 0.7 + 0.03
    marked, flipped = np.flatnonzero(labels == 1)[:40], np.arange(7)
    seen[flipped] = np.roll(seen[flipped], 1, axis=1)
    features = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)
    features[marked, 0] += 30
    readers = ("spectral-signatures", "confident-learning", "gradient-coherence", "strip")
    asked = ScanSettings(detectors=readers)
    both = ws.scan(mine, asked, features=features, pred_probs=seen).scan
    suspect = both.scores.by_detector["confident-learning"]
    assert set(np.argsort(-suspect)[:7]) == set(flipped)
    assert set(np.argsort(-both.scores.by_detector["spectral-signatures"])[:40]) == set(marked)
    assert both.result.mode == "model-free"
    assert "given in place of a model" in both.result.not_run["strip"]
    only = ws.scan(mine, asked, features=features).scan.result
    assert "pred_probs" in only.not_run["gradient-coherence"]
    assert "gradient-coherence" not in both.result.not_run
    guessed = ws.scan(mine, asked, pred_probs=np.full((2000, 10), 0.1))
    assert guessed.verdict == "not decided"
    assert "has learned nothing" in guessed.scan.result.not_run["spectral-signatures"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"features": np.zeros((59, 4))}, "one row for each of the 60 samples"),
        ({"features": np.full((60, 4), np.nan)}, "not finite numbers"),
        ({"features": np.full((60, 4), "a")}, "expected numbers"),
        ({"pred_probs": np.full((60, 4), 0.25)}, "one for each of the 3 classes"),
        ({"pred_probs": np.full((60, 3), 2.0)}, "after the softmax"),
        ({"pred_probs": np.full((60, 3), 1 / 3), "model": "net.safetensors"}, "not both"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tiny: ImageDataset, given: dict[str, object], said: str) -> None:
    with pytest.raises(WhitesquareError, match=said):
        ws.scan(tiny, FAST, **given)


def test_a_result_shows_itself_in_a_notebook(tiny: ImageDataset) -> None:
    found = ws.scan(from_arrays(tiny.images(slice(None)), tiny.labels, classes=('"><script>', "b", "c")), FAST)
    assert found.verdict == found.scan.result.verdict
    assert found.alarms == found.scan.result.alarms
    shown = found._repr_html_()
    assert shown.startswith("<iframe")
    assert shown.count("<") == 2, "what is inside the frame is one attribute"


@pytest.mark.long
def test_a_scan_by_call_and_by_command_are_the_same(tmp_path: Path) -> None:
    images, labels = poisoned(digits())
    write_dataset(
        tmp_path / "set", from_arrays(images, labels, classes=tuple("0123456789"), layout="NCHW"), None, "npz"
    )
    asked = ("--model-free", "--detectors", "pixel-contrast,patch-contrast", "-o", f"json={tmp_path / 'scan.json'}")
    done = CliRunner().invoke(app, ["scan", str(tmp_path / "set"), *asked])
    told = json.loads((tmp_path / "scan.json").read_text())
    found = ws.scan(tmp_path / "set", FAST).scan.result
    assert done.exit_code == (1 if found.alarms else 0)
    assert told["verdict"] == found.verdict
    assert [one["id"] for one in told["flagged"]] == [one.id for one in found.flagged] != []


def test_nothing_is_signed_for_data_that_nobody_answers_for() -> None:
    with pytest.raises(UsageError, match="give the attestation as well"):
        ws.scan(digits(), FAST, signer=world.signer("carol"))


def test_a_gate_by_call_decides_as_the_command_does(tmp_path: Path) -> None:
    place = world.World().write(tmp_path / "run")
    decided = ws.gate(place, world.policy(), world.trusted(), now=world.NOW)
    assert (decided.verdict.result, decided.notes) == ("PASSED", ())
    with pytest.raises(UsageError, match=r"carol.*role"):
        ws.gate(place, world.policy(), world.trusted(), signer=world.signer("carol"), now=world.NOW)
    assert not (place / "vsa.sigstore.json").exists()


def test_a_model_is_measured_by_call_as_by_command(tmp_path: Path) -> None:
    """As an object on a user's own test images, and by the names of its folder and of its data."""
    write_dataset(tmp_path / "set", digits(600), digits(200), "npz")
    asked = ("-o", str(tmp_path / "model"), "--epochs", "1", "--scale", "0.25")
    assert CliRunner().invoke(app, ["train", str(tmp_path / "set"), *asked]).exit_code == 0
    command = ["measure", str(tmp_path / "model"), "--trigger", CORNER, "--target", "3", "-o", "json"]
    shown = json.loads(CliRunner().invoke(app, command).stdout)
    (by_name,) = ws.measure(tmp_path / "model", tmp_path / "set", [CORNER], target=3)
    test = digits(200)
    mine = OwnDataset(test.images(slice(None)), test.labels)
    (by_object,) = ws.measure(load_model(tmp_path / "model"), mine, [parse_trigger(CORNER)], target=3)
    assert by_name == by_object
    assert json.loads(encode(by_name.result)) == shown
