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
from whitesquare.data import dataset_digest, from_arrays, write_dataset
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
from whitesquare.study.bench.scans.figures import in_first_ranks, iou, removal, true_mask
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


def pictures(classes, shape, size=120):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 200, (size, *shape)).astype(np.uint8)
    return from_arrays(pixels, np.arange(size) % classes, layout="NCHW")


DATA = {
    "ten of grey": mnist_like(),
    "three of colour": pictures(3, (3, 33, 40)),
    "two of grey, large": pictures(2, (1, 120, 100)),
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("name", sorted(sets.HARD))
def test_hard_negatives_are_data_sets_and_the_same_every_time(name, data):
    before = data.images(slice(None)).copy()
    first, again = (sets.hard_negative(name, data, 0) for _ in range(2))
    assert np.array_equal(first.images(slice(None)), again.images(slice(None)))
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(data.images(slice(None)), before)
    assert len(np.unique(first.labels)) >= 2
    if len(first.labels) == len(data.labels) and name != "two classes only":
        assert np.any(first.images(slice(None)) != before) != np.any(first.labels != data.labels)


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("number", range(14))
def test_clean_sets_vary_and_repeat(number, data):
    first, again = (sets.clean_set(number, data) for _ in range(2))
    assert np.array_equal(first.images(slice(None)), again.images(slice(None)))
    assert len(np.unique(first.labels)) >= 2
    assert first.shape[0] == data.shape[0]


def test_clean_sets_of_few_images_differ_in_size_and_larger_images_stay_larger():
    found = [sets.clean_set(number, DATA["two of grey, large"]) for number in (0, 3, 4, 7, 14, 21)]
    assert len({len(one.labels) for one in found}) > 1
    assert [one.shape for one in found[:3]] == [(1, 120, 100), (1, 86, 71), (1, 154, 129)]


@pytest.mark.parametrize(
    ("kind", "seed", "digest"),
    [
        ("clean set", 2000, "414e5c01148a2e0cb7ababf3a8e5bcff3a0ce86bc6cae0d3e477af9a07d72c6a"),
        ("clean set", 2001, "d016e97ab733f540e9a7d85d6c1f81254536772aa43475f7be88579576a98ce6"),
        ("clean set", 2003, "ea1eb4ac16cef58638a55c7f08b46ffee2ea52f0e5c96e9277416f1b980fbed9"),
        ("clean set", 2006, "7b09f95d37312ead8b8bcfdcfcccb2668bb13748316ff23a7312073d88be55c0"),
        ("near-duplicates", 2, "89cbdc953d6979200cf182dd96e7587815bdf84738d53066c1564532257c3d8a"),
        ("white borders in one class", 2, "216e6a3f53528569c05f51ac9fa027e4a02ec6f7cc2d85f4f8a6bb0bfd839dad"),
    ],
)
def test_the_sets_of_the_committed_results_stay_what_they_are(kind, seed, digest, mnist):
    assert dataset_digest(sets.make_set(kind, mnist["mnist"].train, seed)) == digest


def changed(name, data):
    """Return by how much each image was changed, and its class."""
    found = sets.hard_negative(name, data, 0)
    difference = found.images(slice(None)).astype(np.int64) - data.images(slice(None))
    assert np.array_equal(found.labels, data.labels)
    return difference, data.labels


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize(
    "name",
    ["other JPEG quality in one class", "other camera in one class", "net over one class", "stripes over one class"],
)
def test_what_is_typical_of_a_class_is_on_every_image_of_it_and_on_no_other(name, data):
    difference, labels = changed(name, data)
    (own,) = np.unique(labels[difference.any((1, 2, 3))])
    assert difference[labels == own].any((1, 2, 3)).all()
    assert not np.array_equal(*difference[labels == own][:2])  # no two alike


def test_a_word_is_at_varying_places_and_more_often_on_one_class():
    difference, labels = changed("text in one class", pictures(3, (3, 32, 32), 3000))
    written = difference.any((1, 2, 3))
    shares = sorted(written[labels == label].mean() for label in range(3))
    assert shares[0] > 0.01
    assert 0.2 < shares[2] < 0.4
    assert shares[1] < 0.1
    places = {tuple(np.argwhere(one.any(0)).min(0)) for one in difference[written]}
    assert len(places) > 50


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


def test_scans_without_a_model_are_a_line_of_their_own():
    asked = record(0, {"right_class": 1.0})
    free = replace(asked, cell=replace(asked.cell, scan=replace(asked.cell.scan, model_free=True)))
    assert [line.setting for line in summed(asked, free)] == ["stamp n=600", "stamp n=600, model-free"]
    assert "model-free" in free.cell.label
    assert "model-free" not in asked.cell.label
    assert free.cell.key != asked.cell.key
    # Folders of results from before there were such scans are taken up.
    older = replace(asked.cell, scan=ScanTask(sets.AS_IT_IS, ("pixel-contrast",)))
    assert older.key == "4429410fa663317de12dc7f8b1724c5e26db5b958a566f8f7dd48f020fe45b4b"


@pytest.mark.parametrize(
    ("scores", "poisoned", "expected"),
    [
        ([3, 2, 1], "x..", 1.0),
        ([1, 1, 1], "x.x", 1.0),
        ([1.0, *[2] * 49, 0.0], [True, *[False] * 49, True], 0.5),
        ([1.0, *[1] * 50], [True, *[False] * 50], 0.0),  # of equals the clean ones come first
        ([NAN, *[1] * 49, 0.0], [True, *[False] * 49, True], 0.5),
        ([*range(100)], [*[False] * 40, *[True] * 60], 1.0),
        ([*range(100)], [*[True] * 60, *[False] * 40], 0.2),
        ([1, 2], "..", None),
    ],
)
def test_poisons_in_the_first_ranks(scores, poisoned, expected):
    poisoned = bools(poisoned) if isinstance(poisoned, str) else np.array(poisoned)
    assert in_first_ranks(np.array(scores, np.float32), poisoned) == expected


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
    (SCAN + 'model_free = "yes"', "expected true or false"),
    (SCAN + "model_free = [true, false]", "expected true or false"),
    (SCAN.replace('detectors = "default"', "model_free = true"), "'model_free' needs 'detectors'"),
    (SCAN + "model_free = true\n" + SCAN.replace("default", "all") + "model_free = true", "same cell twice"),
    (SCAN + "paired = true\ntarget = [1, 2]", "as many targets as attack seeds; found 2 and 1"),
    (CLEAN + "paired = true", "'paired' means nothing to the attack 'none'"),
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


def test_clean_sets_are_not_made_of_tiny_images(tiny, mnist):
    source = replace(mnist["mnist"], train=tiny)
    with pytest.raises(UsageError, match="16 pixels or more, for the attack 'none'; found 1 channels, 12 x 12 pixels"):
        make_cells(parse_plan(CLEAN + 'kind = "near-duplicates"', where="plan"), {"mnist": source}, PRECISION)


def test_the_same_data_may_be_scanned_with_and_without_a_model(mnist):
    cells = make_cells(parse_plan(CLEAN + CLEAN + "model_free = true", where="plan"), mnist, PRECISION)
    assert [cell.scan.model_free for cell in cells] == [False, True]


def test_targets_and_seeds_in_pairs(mnist):
    text = SCAN + "paired = true\ntarget = [3, 5, 3]\nattack_seeds = [7, 8, 9]\n"
    cells = make_cells(parse_plan(text, where="plan"), mnist, PRECISION)
    assert [(cell.target, cell.attack_seed) for cell in cells] == [(3, 7), (3, 9), (5, 8)]


@pytest.mark.parametrize(("extra", "refused"), [("", False), ("retrain = true\n", True)])
def test_data_without_a_test_split_are_scanned_and_no_more(extra, refused, small_train, tmp_path):
    part = from_arrays(small_train.images(slice(0, 300)), small_train.labels[:300], classes=small_train.classes)
    write_dataset(tmp_path / "data", part, None, "npz")
    text = f"[[grid]]\ndata = {str(tmp_path / 'data')!r}\nattack = 'stamp'\ncount = 20\nmodel_free = true\n"
    plan = parse_plan(text + "detectors = ['pixel-contrast']\n" + extra, where="plan")
    if refused:
        with pytest.raises(UsageError, match="has no test split, which victims are measured on"):
            count_cells(plan, tmp_path / "out")
        return
    result = run_bench(plan, text, tmp_path / "out", make_executor("local", workers=1), cache=Cache(None))
    (line,) = result.scans
    assert (line.setting, line.seeds, result.failures) == ("stamp n=20, model-free", (0,), ())
    assert line.figures["false_alarm"].n == line.figures["fused.top_50"].n == 1
    assert line.figures["confirmed"].mean == line.figures["undecided"].mean == 0
    assert duckdb.sql(f"select \"scan.mode\" from '{tmp_path / 'out' / TABLE}'").fetchall() == [("model-free",)]


@pytest.mark.parametrize(("name", "cells", "free"), [("clean", 300, 240), ("eyes", 60, 60)])
def test_the_plans_of_natural_images(name, cells, free, mnist):
    plan = read_plan(ROOT / "benchmarks" / f"{name}.toml")
    sources = {name: mnist["mnist"] for grid in plan.grids for name in grid.data}
    sources = {name: replace(source, name=name, digest=name) for name, source in sources.items()}
    found = make_cells(plan, sources, PRECISION)
    assert (len(found), sum(cell.scan.model_free for cell in found)) == (cells, free)
    per_data = [sum(cell.data == name for cell in found) for name in sources]
    assert per_data == [cells // len(sources)] * len(sources)
    if name == "clean":
        assert {cell.scan.kind for cell in found} == {sets.AS_IT_IS, sets.DRAWN, *sets.HARD}
        assert {cell.attack for cell in found} == {"none"}


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


@pytest.mark.long
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


def test_cells_older_than_sharpness_keep_their_keys():
    cell = Cell("mnist", "d", "stamp", {}, "t", 0, 1, 0, "default", Recipe(), 0)
    assert cell.key == "433ef09be38f4b4f6668f00412cb2e8946f2195ae99302fedad1d4cedd7c9232"
    assert replace(cell, recipe=Recipe(sharpness=0.1)).key != cell.key
