"""The figures of the detector benchmark, on examples small enough to check by hand."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from whitesquare.data import from_arrays
from whitesquare.triggers import parse_trigger

ROOT = Path(__file__).parent.parent
NAN = float("nan")


def load(folder, name):
    sys.path.insert(0, str(ROOT / folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / folder))


metrics = load("benchmarks", "detector_metrics")
summary = load("benchmarks", "detector_summary")
clean = load("benchmarks", "detector_clean")
bench = load("benchmarks", "detectors")
tables = load("docs", "detector_tables")


def bools(text):
    return np.array([sign == "x" for sign in text])


@pytest.mark.parametrize(
    ("scores", "poisoned", "fpr", "expected"),
    [
        ([4, 3, 2, 1], "xx..", 0.0, 1.0),
        ([4, 3, 2, 1], ".xx.", 0.0, 0.0),
        ([4, 3, 2, 1], ".xx.", 0.5, 1.0),
        ([4, 3, 2, 1], ".xx.", 0.49, 0.0),
        ([1, 1, 1, 1], "xx..", 0.0, 0.0),  # of a tie all are flagged or none
        ([1, 1, 1, 1], "xx..", 0.5, 0.0),
        ([1, 1, 1, 1], "xx..", 1.0, 1.0),
        ([2, 1, 1, 0], "xx..", 0.0, 0.5),
        ([2, 1, 1, 0], "xx..", 0.49, 0.5),  # the second poison only with the clean sample it is tied with
        ([2, 1, 1, 0], "xx..", 0.5, 1.0),
        ([2, NAN, 1, NAN], "xx..", 1.0, 0.5),  # what was not scored is never flagged
        ([NAN, 5, NAN, NAN], "xx..", 0.0, 0.5),
    ],
)
def test_tpr_at_fpr(scores, poisoned, fpr, expected):
    assert metrics.tpr_at_fpr(np.array(scores, np.float32), bools(poisoned), fpr) == expected


SCORED = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60).filter(
    lambda found: len({poisoned for _, poisoned in found}) == 2
)


@given(SCORED, st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.5]))
def test_the_threshold_keeps_its_promise_and_no_other_does_better(found, fpr):
    scores = np.array([score for score, _ in found], np.float64)
    poisoned = np.array([poisoned for _, poisoned in found])
    rates = [
        ((scores[poisoned] >= limit).mean(), (scores[~poisoned] >= limit).mean())
        for limit in [*np.unique(scores), np.inf]
    ]
    best = max(tpr for tpr, false in rates if false <= fpr + 1e-12)
    assert metrics.tpr_at_fpr(scores, poisoned, fpr) == pytest.approx(best)


@given(SCORED)
def test_auroc_is_that_of_scikit_learn(found):
    scores = np.array([score for score, _ in found], np.float64)
    poisoned = np.array([poisoned for _, poisoned in found])
    assert metrics.auroc(scores, poisoned) == pytest.approx(roc_auc_score(poisoned, scores))
    assert metrics.auroc(-scores, poisoned) == pytest.approx(1 - metrics.auroc(scores, poisoned))


def test_without_poison_or_without_clean_samples_there_is_no_figure():
    for poisoned in ("...", "xxx"):
        assert metrics.auroc(np.arange(3.0), bools(poisoned)) is None
        assert metrics.tpr_at_fpr(np.arange(3.0), bools(poisoned), 0.5) is None


def test_unscored_samples_rank_last():
    assert metrics.auroc(np.array([1.0, NAN, NAN]), bools("x..")) == 1.0
    assert metrics.auroc(np.array([NAN, 1.0]), bools("x.")) == 0.0


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [("xx..", "xx..", 1.0), ("xx..", "..xx", 0.0), ("xxx.", ".xxx", 0.5), ("....", "....", 1.0), ("x...", "....", 0.0)],
)
def test_iou(found, true, expected):
    assert metrics.iou(bools(found), bools(true)) == expected
    assert metrics.iou(0.3 * bools(found), bools(true)) == expected


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_iou_is_symmetric_and_a_share(found):
    one, other = (np.array(part) for part in zip(*found, strict=True))
    assert metrics.iou(one, other) == metrics.iou(other, one)
    assert 0 <= metrics.iou(one, other) <= 1
    assert metrics.iou(one, one) == 1


@pytest.mark.parametrize(
    ("spec", "covered"),
    [
        ("patch:size=2,corner=br,margin=1", {(25, 25), (25, 26), (26, 25), (26, 26)}),
        ("faded:opacity=0.5|patch:size=1,corner=tl,margin=0", {(0, 0)}),
        ("checkerboard:size=2,corner=tl,margin=0", {(0, 0), (0, 1), (1, 0), (1, 1)}),
        ("sinusoid", None),
        ("random-patch", None),
        ("none", None),
    ],
)
def test_true_mask(spec, covered):
    mask = metrics.true_mask(parse_trigger(spec), (1, 28, 28))
    assert (None if mask is None else set(map(tuple, np.argwhere(mask).tolist()))) == covered


def test_removal():
    assert metrics.removal(bools("xx.x"), bools("x.x.")) == {"elimination": 0.5, "sacrifice": 1.0}
    assert metrics.removal(bools("x..."), bools("....")) == {"elimination": None, "sacrifice": 0.25}


@given(st.integers(1, 200), st.data())
def test_the_upper_bound_is_that_of_clopper_and_pearson(trials, data):
    events = data.draw(st.integers(0, trials))
    bound = metrics.upper_bound(events, trials)
    assert events / trials <= bound <= 1
    if events < trials:
        assert stats.binom.cdf(events, trials, bound) == pytest.approx(0.05)


def test_sixty_silent_scans_bound_the_rate_below_five_per_cent():
    assert metrics.upper_bound(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))
    assert metrics.upper_bound(0, 60) < 0.05 < metrics.upper_bound(0, 58)


def mnist_like(size=2000):
    rng = np.random.default_rng(0)
    return from_arrays(rng.integers(0, 200, (size, 28, 28)).astype(np.uint8), np.arange(size) % 10)


@pytest.mark.parametrize("name", sorted(clean.HARD))
def test_hard_negatives_are_data_sets_and_the_same_every_time(name):
    data = mnist_like()
    before = data.images(slice(None)).copy()
    first, again = (clean.hard_negative(name, data, 0) for _ in range(2))
    assert np.array_equal(first.images(slice(None)), again.images(slice(None)))
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(data.images(slice(None)), before)
    assert len(np.unique(first.labels)) >= 2


@pytest.mark.parametrize("number", range(14))
def test_clean_sets_vary_and_repeat(number):
    data = mnist_like()
    first, what = clean.clean_set(number, data)
    again, _ = clean.clean_set(number, data)
    assert np.array_equal(first.images(slice(None)), again.images(slice(None)))
    assert what["size"] == len(first.labels)
    assert len(np.unique(first.labels)) >= 2


def cell(seed, alarm, **changed):
    found = {"auroc": 0.9 + seed / 100, "auroc_class": 0.5, "tpr_1": 1.0, "tpr_01": 0.5, "seconds": 2.0}
    record = {
        "cell": {"attack": "stamp", "unit": "rate", "amount": 0.01, "seed": seed, "size": 10},
        "count": 600,
        "code": "abc",
        "detectors": {"fused": found | {"seconds": None}, "pixel-contrast": found, "strip": {"reason": "no model"}},
        "seconds": {"model": 1.0, "detectors": 2.0},
        "mode": "scan model",
        "stamp": True,
        "alarm": alarm,
        "false_alarms": {"confirmed": 0, "suspicious": 1},
        "flagged": {"elimination": 1.0, "sacrifice": 0.0},
        "with_review": {"elimination": 1.0, "sacrifice": 0.01},
        "versions": {"torch": "2"},
        "machine": {"processor": "p", "cores": "2"},
    }
    return record | changed


def test_the_summary_counts_every_seed(tmp_path):
    alarm = {"tier": "confirmed", "p_value": 0.002, "iou": 1.0, "flip_rate": {"value": 0.9}}
    victims = {name: {"asr": 0.1, "ca": 0.98} for name in ("as it is", "cleansed", "oracle", "random", "clean model")}
    records = [
        cell(0, alarm, retrain=victims),
        cell(1, None),
        {"cell": {"attack": "stamp", "unit": "rate", "amount": 0.5, "seed": 0, "size": 10}, "reason": "too many"},
    ]
    (tmp_path / "cells").mkdir()
    for number, record in enumerate(records):
        (tmp_path / "cells" / f"{number}.json").write_text(json.dumps(record))
    found = summary.summarise(tmp_path, tmp_path / "result.json")
    (setting,) = found["settings"]
    assert (setting["n"], setting["right_class"], setting["confirmed"]) == (2, 1, 1)
    assert setting["iou"] == {"mean": 0.5, "worst": 0.0, "n": 2}  # a run without an alarm localised nothing
    assert setting["false_suspicious"] == 2
    assert setting["retrain"]["cleansed"]["asr"]["n"] == 1
    rows = {row["detector"]: row for row in found["rows"]}
    assert rows["fused"]["auroc"] == {"mean": pytest.approx(0.905), "worst": 0.9, "n": 2}
    assert rows["strip"]["not_run"] == 2
    assert rows["strip"]["auroc"] == {"mean": None, "worst": None, "n": 0}
    assert found["impossible"] == [{"attack": "stamp", "unit": "rate", "amount": 0.5, "reason": "too many"}]
    shown = tables.detector_tables(json.loads((tmp_path / "result.json").read_text()))
    assert "| `stamp` | 1 % | 0.905 (0.900) | 100.0 (100.0) | 50.0 (50.0) | 1/2 | 1/2 | 0.002 | 0.500" in shown["scan"]
    assert "`stamp` at 50 %" in shown["scan"]
    assert "| `pixel-contrast` | 0.905 (0.900) | 2.0 |" in shown["each"]
    assert "10.0 (10.0) / 98.0 (98.0)" in shown["retrain"]


def test_nothing_measured_is_said():
    assert set(tables.detector_tables(None).values()) == {tables.NOT_MEASURED}


def test_the_grid_takes_up_what_is_missing(tmp_path, capsys):
    made = []

    def work(name):
        made.append(name)
        if name == "crash":
            raise RuntimeError("no")
        return {"found": name}

    jobs = [(tmp_path / f"{name}.json", {"name": name}, lambda name=name: work(name)) for name in ("a", "crash", "b")]
    with pytest.raises(SystemExit, match="1 crashed"):
        bench.run_jobs(jobs)
    with pytest.raises(SystemExit):
        bench.run_jobs(jobs)
    assert made == ["a", "crash", "b", "crash"]
    assert json.loads((tmp_path / "b.json").read_text())["found"] == "b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_the_plan_adds_shares_of_the_class_for_clean_label_attacks_only():
    options = bench._options(["--attacks", "stamp,label-flip", "--rates", "0,0.01", "--seeds", "2"])
    cells = list(bench.plan(options))
    assert len({one.name for one in cells}) == len(cells) == 2 * (1 + 2 + 1)
    assert {(one.attack, one.amount) for one in cells if one.unit == "class"} == {("stamp", 0.8)}
