"""Scans as cells of a bench: the figures on examples small enough to check by hand, the plan, and a run of it."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from whitesquare._base.cache import Cache
from whitesquare._base.schema import decode
from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays, write_dataset
from whitesquare.errors import UsageError
from whitesquare.executor import make_executor
from whitesquare.learning.estimates import auroc, tpr_at_fpr, upper_bound
from whitesquare.learning.recipes import Recipe
from whitesquare.report.bench.page import render_bench
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import DEFAULT, ScanSettings
from whitesquare.study.bench.cells import make_cells, open_source
from whitesquare.study.bench.plan import parse_plan, read_plan
from whitesquare.study.bench.run import count_cells, run_bench
from whitesquare.study.bench.scans import sets
from whitesquare.study.bench.scans.figures import iou, removal, true_mask
from whitesquare.study.bench.scans.types import OverSeeds, ScanFigures, ScanTask
from whitesquare.study.bench.store import RESULTS, TABLE
from whitesquare.study.bench.summary import over_seeds, summarise
from whitesquare.study.bench.types import BenchResult, Cell, ScanRecord
from whitesquare.triggers import parse_trigger

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "benchmarks" / "results" / "detectors.json"
NAN = float("nan")


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
    assert tpr_at_fpr(np.array(scores, np.float32), bools(poisoned), fpr) == expected


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
    assert tpr_at_fpr(scores, poisoned, fpr) == pytest.approx(best)


@given(SCORED)
def test_auroc_is_that_of_scikit_learn(found):
    scores = np.array([score for score, _ in found], np.float64)
    poisoned = np.array([poisoned for _, poisoned in found])
    assert auroc(scores, poisoned) == pytest.approx(roc_auc_score(poisoned, scores))
    assert auroc(-scores, poisoned) == pytest.approx(1 - auroc(scores, poisoned))


def test_without_poison_or_without_clean_samples_there_is_no_figure():
    for poisoned in ("...", "xxx"):
        assert auroc(np.arange(3.0), bools(poisoned)) is None
        assert tpr_at_fpr(np.arange(3.0), bools(poisoned), 0.5) is None


def test_unscored_samples_rank_last():
    assert auroc(np.array([1.0, NAN, NAN]), bools("x..")) == 1.0
    assert auroc(np.array([NAN, 1.0]), bools("x.")) == 0.0


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [("xx..", "xx..", 1.0), ("xx..", "..xx", 0.0), ("xxx.", ".xxx", 0.5), ("....", "....", 1.0), ("x...", "....", 0.0)],
)
def test_iou(found, true, expected):
    assert iou(bools(found), bools(true)) == expected
    assert iou(0.3 * bools(found), bools(true)) == expected


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_iou_is_symmetric_and_a_share(found):
    one, other = (np.array(part) for part in zip(*found, strict=True))
    assert iou(one, other) == iou(other, one)
    assert 0 <= iou(one, other) <= 1
    assert iou(one, one) == 1


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
    mask = true_mask(parse_trigger(spec), 28, 28)
    assert (None if mask is None else set(map(tuple, np.argwhere(mask).tolist()))) == covered


def test_removal():
    assert removal("all", bools("xx.x"), bools("x.x.")) == {"all.elimination": 0.5, "all.sacrifice": 1.0}
    assert removal("all", bools("x..."), bools("....")) == {"all.elimination": None, "all.sacrifice": 0.25}


@given(st.integers(1, 200), st.data())
def test_the_upper_bound_is_that_of_clopper_and_pearson(trials, data):
    events = data.draw(st.integers(0, trials))
    bound = upper_bound(events, trials)
    assert events / trials <= bound <= 1
    if events < trials:
        assert stats.binom.cdf(events, trials, bound) == pytest.approx(0.05)


def test_sixty_silent_scans_bound_the_rate_below_five_per_cent():
    assert upper_bound(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))
    assert upper_bound(0, 60) < 0.05 < upper_bound(0, 58)


def mnist_like(size=2000):
    rng = np.random.default_rng(0)
    return from_arrays(rng.integers(0, 200, (size, 28, 28)).astype(np.uint8), np.arange(size) % 10)


@pytest.mark.parametrize("name", sorted(sets.HARD))
def test_hard_negatives_are_data_sets_and_the_same_every_time(name):
    data = mnist_like()
    before = data.images(slice(None)).copy()
    first, again = (sets.hard_negative(name, data, 0) for _ in range(2))
    assert np.array_equal(first.images(slice(None)), again.images(slice(None)))
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(data.images(slice(None)), before)
    assert len(np.unique(first.labels)) >= 2


@pytest.mark.parametrize("number", range(14))
def test_clean_sets_vary_and_repeat(number):
    data = mnist_like()
    first, again = (sets.clean_set(number, data) for _ in range(2))
    assert np.array_equal(first.images(slice(None)), again.images(slice(None)))
    assert len(np.unique(first.labels)) >= 2


def record(seed, figures, kind=sets.AS_IT_IS, attack="stamp", false=()):
    task = ScanTask(kind, DEFAULT, retrain=False)
    trigger = "patch:size=2,corner=br,margin=1"
    cell = Cell("mnist", "d", attack, {}, trigger, 0, 600, seed, "default", Recipe(), 20_000 + seed, task)
    return ScanRecord(cell, None, ScanFigures(10, "scan model", "confirmed", figures, false, {}), 1.0, "abc")


def summed(*records):
    return summarise("", [one.cell for one in records], records, []).scans


def test_the_summary_counts_every_seed():
    found = {"fused.auroc": 0.9, "p_value": 0.002, "iou": 1.0, "cleansed.asr": 0.1}
    silent = {"fused.auroc": 0.91, "p_value": None, "iou": 0.0, "false_suspicious": 1.0}
    (line,) = summed(record(0, found), record(1, silent, false=("class 7",)))
    assert (line.setting, line.seeds, line.false) == ("stamp n=600", (0, 1), ("seed 1, class 7",))
    assert line.figures["fused.auroc"] == OverSeeds(pytest.approx(0.905), 0.9, 2)
    assert line.figures["iou"] == OverSeeds(0.5, 0.0, 2)
    assert line.figures["p_value"] == OverSeeds(0.002, 0.002, 1)
    assert line.figures["cleansed.asr"].n == line.figures["false_suspicious"].n == 1


def test_settings_and_kinds_of_clean_data_stay_apart():
    records = [
        record(0, {}),
        record(1, {}),
        record(0, {}, "near-duplicates", "none"),
        record(0, {}, "clean set", "none"),
    ]
    assert [line.setting for line in summed(*records)] == ["stamp n=600", "near-duplicates", "clean set"]


@pytest.mark.parametrize(("name", "worst"), [("strip.auroc", 0.1), ("flagged.sacrifice", 0.3), ("p_value", 0.3)])
def test_the_worst_is_on_the_side_that_is_bad(name, worst):
    assert over_seeds(name, [0.1, None, 0.3]) == OverSeeds(pytest.approx(0.2), worst, 2)
    assert over_seeds(name, [None]) == OverSeeds(None, None, 0)


SCAN = '[[grid]]\nattack = "stamp"\nrate = 0.01\ndetectors = "default"\n'
CLEAN = '[[grid]]\nattack = "none"\ndetectors = "default"\n'
BAD = [
    (SCAN.replace("rate = 0.01", ""), "either a count of poisons or a rate"),
    (CLEAN + "rate = 0.1", "neither"),
    (CLEAN.replace('detectors = "default"', ""), "no attack named 'none'"),
    (SCAN.replace('"default"', '"pixel-contast"'), "Did you mean 'pixel-contrast'"),
    (SCAN + "victim_seeds = 3", "'victim_seeds' goes without 'detectors'"),
    (SCAN.replace('detectors = "default"', "retrain = true"), "'retrain' needs 'detectors'"),
    (SCAN + "retrain = 1", "expected true or false"),
    (SCAN.replace("stamp", "stmp"), "Did you mean 'stamp'"),
    (SCAN.replace("0.01", "0.5"), "were asked for"),
    (SCAN + 'kind = "clean set"', "for the attack 'none'"),
    (CLEAN + 'kind = "clean sat"', "Did you mean 'clean set'"),
    (SCAN + SCAN.replace("default", "all"), "same cell twice, in grid 1 and in grid 2"),
    (CLEAN + "attack_seeds = [1, 1]", "same cell twice"),
]
PRECISION = dict.fromkeys(("auto", "float32", "bfloat16"), "float32")


@pytest.fixture(scope="module")
def mnist():
    return {"mnist": open_source("mnist")}


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_wrong_plan_of_scans_is_refused_before_anything_runs(text, message, mnist):
    with pytest.raises(UsageError) as error:
        make_cells(parse_plan(text, where="plan.toml"), mnist, PRECISION)
    assert message in str(error.value)


def test_clean_data_are_scanned_beside_poisoned_ones(mnist):
    text = SCAN.replace('"stamp"', '["none", "stamp"]').replace("0.01", "[0.01, 0.02]") + "attack_seeds = [1, 2]\n"
    cells = make_cells(parse_plan(text, where="plan"), mnist, PRECISION)
    assert [(cell.attack, cell.count, cell.attack_seed) for cell in cells] == [
        *(("none", 0, 1), ("none", 0, 2)),
        *(("stamp", count, seed) for count in (600, 1200) for seed in (1, 2)),
    ]
    assert {cell.scan.detectors for cell in cells} == {DEFAULT}


def test_clean_sets_are_made_of_ten_grey_classes_only(tiny, mnist):
    source = replace(mnist["mnist"], train=tiny)
    with pytest.raises(UsageError, match="of grey images of ten classes, for the attack 'none'; found 3 classes"):
        make_cells(parse_plan(CLEAN + 'kind = "near-duplicates"', where="plan"), {"mnist": source}, PRECISION)


def test_the_committed_plan_is_that_of_the_committed_results(mnist):
    cells = make_cells(read_plan(ROOT / "benchmarks" / "detectors.toml"), mnist, PRECISION)
    result = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert len({cell.key for cell in cells}) == len(cells) == result["finished"]
    asked = {}
    for cell in cells:
        setting = f"{cell.attack} n={cell.count}" if cell.count else cell.scan.kind
        asked.setdefault("clean" if setting == sets.AS_IT_IS else setting, []).append(cell.attack_seed)
    assert asked == {line["setting"]: line["seeds"] for line in result["scans"]}
    assert not {cell.victim_seed for cell in cells} & {cell.attack_seed for cell in cells}


def test_the_committed_results_can_be_read_and_are_of_another_code(tmp_path):
    (tmp_path / RESULTS).write_bytes(COMMITTED.read_bytes())
    result = decode(BenchResult, (tmp_path / RESULTS).read_text(), where="results.json")
    assert result.outdated
    page = render_bench(result, {})
    assert "another version of the code" in page
    assert "mnist, label-consistent n=4738" in page


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_train, small_test):
    """Six hundred images of MNIST."""
    place = tmp_path_factory.mktemp("digits")

    def part(data, size):
        return from_arrays(data.images(slice(0, size)), data.labels[:size], classes=data.classes)

    write_dataset(place, part(small_train, 600), part(small_test, 200), "npz")
    return place


def test_a_plan_of_scans_measures_what_a_scan_finds(folder, small_train, tmp_path):
    names = ("pixel-contrast", "loss-isolation")
    grid = f"[[grid]]\ndata = {str(folder)!r}\ndetectors = {list(names)}\nattack_seeds = 1\n"
    text = grid + 'attack = "label-flip"\nrate = 0.1\nretrain = true\n'
    text += grid + 'attack = "none"\nkind = "near-duplicates"\n'
    plan, out = parse_plan(text, where="plan"), tmp_path / "out"

    def bench():
        return run_bench(plan, text, out, make_executor("local", workers=1), cache=Cache(tmp_path / "cache"))

    assert count_cells(plan, out).startswith("2 cells, of which 0 are finished; 1 poisons")
    result = bench()
    assert (result.cells, result.finished, result.failures, result.outdated) == (2, 2, (), False)

    clean = from_arrays(small_train.images(slice(0, 600)), small_train.labels[:600], classes=small_train.classes)
    made = poison(clean, make_attack("label-flip"), target=0, count=60, seed=1)
    poisoned = np.isin(np.arange(600), made.dataset.positions)
    scan = run_scan(made.dataset, ScanSettings(seed=1, detectors=names))
    line, duplicates = result.scans
    for name in names:
        area = roc_auc_score(poisoned, np.nan_to_num(scan.scores.by_detector[name], nan=-1e9))
        assert line.figures[f"{name}.auroc"].mean == pytest.approx(area)
    assert line.figures["right_class"].mean == any(alarm.label == 0 for alarm in scan.result.alarms)
    flagged = {flag.position for flag in scan.result.flagged if flag.tier != "review"}
    assert line.figures["flagged.elimination"].mean == len(flagged & set(made.dataset.positions.tolist())) / 60
    assert line.figures["as it is.asr"].mean > line.figures["clean model.asr"].mean
    assert {f"{name}.ca" for name in ("cleansed", "oracle", "random")} <= set(line.figures)
    assert (line.setting, line.poison_rate, duplicates.setting) == ("label-flip n=60", 0.1, "near-duplicates")

    rows = duckdb.sql(f'select "scan.fused.auroc", "scan.kind" from \'{out / TABLE}\' where count = 60').fetchall()
    assert rows == [(line.figures["fused.auroc"].mean, sets.AS_IT_IS)]
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    assert bench() == result
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()} == before


def test_a_scan_that_fails_is_told_and_the_rest_goes_on(mnist, folder, tmp_path, monkeypatch):
    def broken(images, labels, rng):
        raise RuntimeError("no luck")

    monkeypatch.setitem(sets.HARD, "near-duplicates", broken)
    text = f"[[grid]]\ndata = {str(folder)!r}\nattack = 'none'\ndetectors = 'pixel-contrast'\n"
    plan = parse_plan(text + "kind = ['near-duplicates', 'two classes only']\n", where="plan")
    result = run_bench(plan, text, tmp_path / "out", make_executor("local", workers=1), cache=Cache(None))
    assert [line.setting for line in result.scans] == ["two classes only"]
    assert [failure.reason for failure in result.failures] == ["RuntimeError: no luck"]
    assert "near-duplicates" in result.failures[0].cell.label
