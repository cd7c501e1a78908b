"""The main job's claims on the whole MNIST, over victims the attacker never saw. Slow: run by `make test-slow`."""

import pytest

from whitesquare.cache import Cache
from whitesquare.experiment import Plan, run_experiment

pytestmark = pytest.mark.slow
SEEDS = 5


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    measurement, _ = run_experiment(Plan(seeds=SEEDS), cache=Cache(tmp_path_factory.mktemp("cache")))
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
