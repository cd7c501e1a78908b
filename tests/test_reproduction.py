"""The claims on the whole MNIST and on a second data set, over victims the attacker never saw: `make test-slow`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from whitesquare._base.cache import Cache
from whitesquare.study.experiment import ExperimentPlan, run_experiment

pytestmark = pytest.mark.slow
SEEDS = 5


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    measurement, _ = run_experiment(ExperimentPlan(seeds=SEEDS), cache=Cache(tmp_path_factory.mktemp("cache")))
    return {row.name: row for row in measurement.rows}


def test_no_poisoning_costs_clean_accuracy(rows):
    for row in rows.values():
        assert row.ca.n == SEEDS
        assert row.ca.worst > 0.98, row.name
        assert row.ca.mean >= 0.985, row.name


def test_the_naive_attack_hardly_works(rows):
    assert rows["clean"].asr.mean < 0.01
    assert rows["clean"].asr.mean < rows["stamp"].asr.mean < 0.10


def test_false_labels_work_and_the_label_check_sees_them(rows):
    row = rows["label-flip"]
    assert row.asr.mean > 0.99
    assert row.labels_changed == 3000
    assert row.label_check.poisons > 0.9


def test_the_adaptive_attack_works_with_true_labels(rows):
    row = rows["adaptive"]
    assert row.labels_changed == 0
    assert row.linf <= 0.3
    assert row.asr.mean >= 0.95
    assert row.asr.worst >= 0.90
    assert row.label_consistency >= 0.95
    assert rows["adaptive-white"].asr.mean > 0.5


def test_the_label_check_is_silent_on_every_clean_label_attack(rows):
    for name in ("stamp", "adaptive", "adaptive-white"):
        assert rows[name].label_check.poisons <= rows[name].label_check.clean + 0.01, name


def test_every_victim_sees_the_trigger(rows):
    assert all(victim.visibility > 0.1 for row in rows.values() for victim in row.victims)


def whitesquare(*arguments):
    """Run the command as a user does, and return what it printed."""
    command = [sys.executable, "-m", "whitesquare.cli", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=900).stdout


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """The second data set of docs/leaderboard.md, half as large: four IDX files, no digits, not square."""
    folder = tmp_path_factory.mktemp("shapes")
    script = Path(__file__).parent.parent / "benchmarks" / "second_dataset.py"
    sizes = ["--train", "6000", "--test", "1000"]
    subprocess.run([sys.executable, str(script), "-o", str(folder), *sizes], check=True, timeout=PATIENCE)
    return folder


def success_on_shapes(shapes, folder, *attack):
    """Poison 5 % of the shapes, train two victims, and return what each does."""
    run, labels = folder / "run", "train-labels-idx1-ubyte.gz"
    whitesquare("poison", shapes, "-o", run, "--target", 4, "--rate", 0.05, "--format", "idx", *attack)
    assert (run / labels).read_bytes() == (shapes / labels).read_bytes()
    found = []
    for seed in (1, 2):
        victim = run / f"victim-{seed}"
        whitesquare("train", run, "-o", victim, "--seed", seed, "--epochs", 30)
        found.append(json.loads(whitesquare("measure", victim, "-o", "json")))
    return found


def test_another_data_set_in_mnist_format_takes_no_change_of_code(shapes, tmp_path):
    naive = success_on_shapes(shapes, tmp_path / "naive", "--attack", "stamp")
    ours = success_on_shapes(shapes, tmp_path / "ours", "--attack", "adaptive", "--set", "surrogate_epochs=15")
    for victim in naive + ours:
        assert victim["ca"]["value"] > 0.9
        assert victim["visibility"] > 0.1
    assert max(victim["asr"]["value"] for victim in naive) < 0.5
    assert min(victim["asr"]["value"] for victim in ours) > 0.9
