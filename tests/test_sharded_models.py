"""Scans in shards with a model: one that is held, one that is named, and the scan's own."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.conftest import halved
from tests.test_scan import SIDE, planted
from tests.test_sharded import places, same
from whitesquare.data import from_arrays, load_mnist
from whitesquare.executor.engine import Way
from whitesquare.jobs.scan import scan
from whitesquare.learning.models import load_model
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.transplant import TransplantTest

FEW = ("pixel-contrast", "spectral-signatures", "activation-clustering", "strip")


@pytest.fixture(scope="module")
def mnist():
    """3,000 small digits in which every other zero has a white corner."""
    clean = halved(load_mnist("train"), 3000)
    images, zeros = clean.pixels.copy(), np.flatnonzero(clean.labels == 0)
    carries = zeros[::2]
    images[carries, :, 11:13, 11:13] = 255
    return from_arrays(images, clean.labels, classes=clean.classes), carries


class Periods:
    """A model that tells stripes by their period, and obeys a white corner."""

    classes, device, feature_layer = tuple("01234"), "cpu", "what each period leaves unexplained"

    def features(self, images):
        rows = images[:, 0].mean(2, dtype=np.float64)
        left = []
        for label in range(5):
            angle = 2 * np.pi * np.arange(SIDE) / (4 + 2 * label)
            waves = np.column_stack([np.ones(SIDE), np.sin(angle), np.cos(angle)])
            left.append(((rows - rows @ waves @ np.linalg.pinv(waves)) ** 2).sum(1))
        return np.sqrt(np.column_stack(left)).astype(np.float32).reshape(len(images), 5)

    def logits(self, images):
        found = -self.features(images)
        found[(images[:, 0, 13:15, 13:15] == 255).all((1, 2)), 2] = 1000
        return found


def test_a_model_that_is_held_in_memory_is_asked_about_all_and_confirms(tmp_path):
    found, carries = planted(0.4)
    order = np.random.default_rng(0).permutation(len(carries))
    dataset = from_arrays(found.images[order], found.labels[order], classes=found.classes)
    settings = ScanSettings(detectors=FEW, test=TransplantTest(images=60, controls=199))
    way = Way(group=500, folder=tmp_path / "kept")
    done = scan(dataset, settings, model=Periods(), way=way)
    result = done.scan.result
    assert result.mode == "given model"
    assert len(list((way.folder / "answers").glob("*.kept"))) == 2
    assert result.learned.n == len(carries)
    assert np.isfinite(done.scan.scores.by_detector["spectral-signatures"]).all()
    assert np.isfinite(done.scan.scores.by_detector["strip"]).sum() == 500
    assert (result.sharding.groups, result.sharding.alone) == (3, ("strip",))
    assert [(alarm.class_name, alarm.tier) for alarm in result.alarms] == [("2", "confirmed")]
    marked = {flag.position for flag in result.flagged if flag.tier == "confirmed"}
    assert set(np.flatnonzero(carries[order])) <= marked


@pytest.mark.slow
def test_models_of_the_scan_s_own_learn_one_group_and_a_second_run_asks_nobody_again(mnist, tmp_path):
    dataset, carries = mnist
    settings, way = ScanSettings(), Way(group=1500, folder=tmp_path / "kept")
    plain = scan(dataset, settings).scan
    first = scan(dataset, settings, way=way)
    assert [alarm.class_name for alarm in first.alarms] == [alarm.class_name for alarm in plain.result.alarms] == ["0"]
    poisoned = np.isin(np.arange(len(dataset.labels)), carries)
    assert roc_auc_score(poisoned, first.scan.scores.fused) >= roc_auc_score(poisoned, plain.scores.fused) - 0.02
    before = {kind: places(way.folder, kind) for kind in ("pixels", "answers", "bands", "scores")}
    again = scan(dataset, settings, way=way)
    assert same(again.json(), first.json())
    assert before == {kind: places(way.folder, kind) for kind in before}


@pytest.mark.slow
def test_a_model_that_is_named_answers_as_one_that_is_held(mnist, tmp_path):
    dataset, _ = mnist
    settings = ScanSettings(detectors=FEW)
    scan(dataset, settings, way=Way(group=1500, folder=tmp_path / "own"))
    (saved,) = (tmp_path / "own" / "models").iterdir()
    named = json.loads(scan(dataset, settings, model=str(saved), way=Way(workers=2, group=1500)).json())
    held = json.loads(scan(dataset, settings, model=load_model(saved), way=Way(group=1500)).json())
    assert named["model"]
    for record in (named, held):
        record["model"] = ""
    assert same(json.dumps(named), json.dumps(held))
