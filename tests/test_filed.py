"""Data that are larger than memory: what lies in a file is poisoned, trained on, measured and cleansed all the same."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

import whitesquare as ws
from tests.memory import measured
from whitesquare.data import from_arrays, holding, open_dataset, write_dataset
from whitesquare.data.cache_size import usual_size
from whitesquare.data.stored import StoredPixels
from whitesquare.jobs.cleanse import cleanse
from whitesquare.jobs.measure import measure
from whitesquare.jobs.runs import make_run
from whitesquare.learning.recipes import COLOUR, Recipe
from whitesquare.learning.tensors import overlaid, to_tensors
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.settings import ScanSettings


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Class folders of coloured noise: one of two classes is brighter."""
    rng, labels = np.random.default_rng(3), np.arange(120) % 2
    images = rng.integers(0, 128, (120, 3, 40, 36), dtype=np.uint8) + 90 * labels[:, None, None, None].astype(np.uint8)
    folder = tmp_path_factory.mktemp("photographs")
    train, test = (from_arrays(images[part], labels[part], classes=("dark", "light")) for part in (_TRAIN, _TEST))
    write_dataset(folder, train, test, "png-folder")
    return str(folder)


_TRAIN, _TEST = slice(0, 108), slice(108, 120)


@pytest.fixture
def filed(monkeypatch):
    """From now on images lie in a file, and whoever asks for more than half of them at once fails."""

    def begin():
        monkeypatch.setattr(holding, "SMALL", 0)
        given = StoredPixels.__getitem__

        def some(self, index):
            found = given(self, index)
            assert len(found) <= 60, "too many images at once"
            return found

        monkeypatch.setattr(StoredPixels, "__getitem__", some)
        monkeypatch.setattr("whitesquare.data.pixels._TOGETHER", 20 * 3 * 40 * 36)
        monkeypatch.setattr("whitesquare.learning.measure._BATCH", 5)
        monkeypatch.setattr("whitesquare.learning.train._SAMPLE", 50)

    return begin


@pytest.mark.parametrize("recipe", [Recipe(epochs=1, scale=0.25, batch_size=16), COLOUR], ids=["cnn", "colour"])
def test_a_training_is_the_same_bit_for_bit(photographs, filed, recipe, monkeypatch):
    monkeypatch.setattr("whitesquare.learning.train._SAMPLE", 50)
    recipe = Recipe(**asdict(recipe) | {"epochs": 1, "batch_size": 16, "accumulate": 1})
    expected = ws.train(photographs, recipe, seed=3)
    filed()
    found = ws.train(photographs, recipe, seed=3)
    assert found.card == expected.card
    for name, value in expected.network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], value, rtol=0, atol=0)


def test_images_that_replace_others_do_so_over_a_file_as_well(photographs, filed):
    positions, labels = np.array([3, 60, 100]), np.array([1, 1, 1])
    pixels = np.arange(3 * 3 * 40 * 36, dtype=np.uint64).reshape(3, 3, 40, 36).astype(np.uint8)
    index = torch.tensor([100, 2, 3, 59])
    halves = torch.nn.AvgPool2d(2)

    def batches():
        clean = to_tensors(holding.held(open_dataset(photographs), cache=usual_size()))
        data = overlaid(clean, positions, pixels, labels)
        small = data.mapped(lambda images: halves(images.float()).to(torch.uint8))
        return [one.batch(index) for one in (data, small, data.mapped(lambda images: images))]

    expected = batches()
    filed()
    for (images, own), (wanted, known) in zip(batches(), expected, strict=True):
        torch.testing.assert_close(images, wanted, rtol=0, atol=0)
        assert own.tolist() == known.tolist() == [1, 0, 1, 1]


def test_a_run_is_poisoned_trained_on_and_measured_as_ever(photographs, filed, tmp_path):
    def run(folder):
        made = make_run(photographs, folder, attack="label-flip", settings={}, target="light", count=9, seed=1)
        ws.train(folder, Recipe(epochs=2, scale=0.25, batch_size=16), seed=1, folder=folder / "model")
        return made, measure(folder / "model")

    expected = run(tmp_path / "memory")
    filed()
    found = run(tmp_path / "file")
    assert found[0] == expected[0]
    (one,), (other,) = ([tried.result for tried in pair[1]] for pair in (found, expected))
    assert (one.ca, one.asr, one.confusion) == (other.ca, other.asr, other.confusion)
    same = [open_dataset(tmp_path / name).images(slice(None)) for name in ("memory", "file")]
    assert np.array_equal(*same)


def test_a_copy_is_cleansed_file_by_file(photographs, filed, tmp_path):
    settings = ScanSettings(model_free=True, detectors=("pixel-contrast",))
    record = json.loads(scan_json(ws.scan(photographs, settings).scan.result))
    before = open_dataset(photographs)
    gone = [4, 60, 90]
    flags = [{"id": before.ids[i], "label": int(before.labels[i])} for i in gone]
    record["flagged"] = [{**flag, "tier": "review", "rule_id": "PX01", "fused": 2.0} for flag in flags]
    (tmp_path / "scan.json").write_text(json.dumps(record))
    filed()
    done = cleanse(photographs, tmp_path / "scan.json", tmp_path / "out", tier="review")
    kept = np.delete(np.arange(108), gone)
    assert list(open_dataset(done.copy).ids) == [before.ids[i] for i in kept]


@pytest.mark.slow
def test_no_verb_needs_the_memory_that_the_images_take(tmp_path):
    """8,000 pictures of 256 x 256 take 1.5 GiB once they are decoded; no verb takes 1,000 MiB, PyTorch and all."""
    rng = np.random.default_rng(1)
    for i in range(8000):
        place = tmp_path / "data" / f"train/{i % 2}" / f"{i:04d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        tile = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8) // 2 + 100 * (i % 2)
        Image.fromarray(tile.astype(np.uint8)).resize((256, 256), Image.Resampling.NEAREST).save(place)
    verbs = (
        ("poison", tmp_path / "data", "--attack", "stamp", "--target", "0", "--count", "20", "-o", tmp_path / "run"),
        ("train", tmp_path / "run", "--epochs", "1", "--batch-size", "8", "-o", tmp_path / "run" / "model"),
        ("scan", tmp_path / "run", "--model-free", "-o", f"json={tmp_path / 'scan.json'}"),
        ("cleanse", tmp_path / "run", "--scan", tmp_path / "scan.json", "--tier", "review", "-o", tmp_path / "clean"),
    )
    for verb in verbs:
        ran = measured(tmp_path, *verb)
        assert ran.code in (0, 1), ran.output
        assert ran.memory < 1000, (verb[0], ran.memory)
