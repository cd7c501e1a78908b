"""The drill as a user types it, and the sentence that it ends with."""

import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.programs import python
from whitesquare._base.schema import decode
from whitesquare.attacks import poison
from whitesquare.cli.exits import FINDINGS, PASS, UNDECIDED
from whitesquare.data import from_arrays, write_dataset, write_npz
from whitesquare.errors import UsageError
from whitesquare.learning.estimates import share
from whitesquare.report.drill.page import recall_chart, render_drill
from whitesquare.study import drill as job
from whitesquare.study.drill import FOUR, DrillSettings, default_rates
from whitesquare.study.drill_sentences import conclusion, smallest
from whitesquare.study.drill_types import BaseLine, DrillResult, DrillRow, DrillRun

from .conftest import halved


def drill(*arguments):
    done = python("-m", "whitesquare.cli", "drill", *arguments, env=os.environ | {"COLUMNS": "80"})
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def story(tmp_path_factory, small_train, small_test):
    """Two attacks at two rates, one of which is impossible: more than the classes hold."""
    folder = tmp_path_factory.mktemp("drill")
    write_dataset(folder / "data", halved(small_train, 1600), halved(small_test, 500), "npz")
    done = drill(
        folder / "data", "--attacks", "label-flip,stamp", "--rates", "0.05,0.96", "--seeds", 1, "-o", folder / "out"
    )
    result = decode(DrillResult, (folder / "out" / "drill.json").read_text(), where="drill.json")
    return done, result, folder / "out"


@pytest.mark.long
def test_a_drill_finds_what_it_planted(story):
    done, result, _ = story
    assert [(row.attack, row.rate) for row in result.rows] == [("label-flip", 0.05), ("stamp", 0.05)]
    for row in result.rows:
        assert row.poisons == 80
        assert row.right_class == 1 == len(row.runs)
        assert row.recall.value >= 0.95
        assert row.recall_with_review.value >= row.recall.value
        assert row.false_flags <= 3
        assert row.attack_success is not None
        assert row.accuracy.value > 0.8
        assert row.attack_success.value == row.runs[0].attack_success.value
    assert result.base_line.verdict == "nothing found"
    assert "Your data as it is: nothing found" in done.stdout
    said = " ".join(done.stdout.split())
    assert "label-flip: caught in the one run of each rate from 5 % on" in said
    assert "In short: label-flip and stamp would have been caught in the one run of each rate" in said
    assert "--seeds 10 tells whether that is so nine times in ten" in said


@pytest.mark.long
def test_what_cannot_be_rehearsed_is_a_line_with_its_reason(story):
    done, result, _ = story
    assert done.returncode == UNDECIDED
    assert [(failure.attack, failure.rate) for failure in result.failures] == [("label-flip", 0.96), ("stamp", 0.96)]
    assert all("1536 were asked for" in failure.reason for failure in result.failures)
    assert "Failed: stamp at 96 %" in done.stderr


@pytest.mark.long
def test_the_page_shows_every_row_and_failure(story):
    _, result, folder = story
    page = (folder / "report.html").read_text()
    assert sorted(entry.name for entry in folder.iterdir()) == ["drill.json", "report.html", "whitesquare.json"]
    for number, row in enumerate(result.rows):
        assert f'data-field="rows.{number}.recall.value" data-value="{row.recall.value}"' in page
    assert "1536 were asked for" in page
    assert result.smallest[0].sentence in page
    assert "<script" not in page
    assert page == render_drill(result)


@pytest.mark.long
def test_without_a_test_split_success_is_not_measured(tmp_path, small_train):
    write_npz(tmp_path / "one.npz", halved(small_train, 300, digits=3))
    done = drill(
        tmp_path / "one.npz", "--attacks", "label-flip", "--rates", "0.1", "--seeds", 1, "-o", tmp_path / "out"
    )
    assert done.returncode == PASS, done.stderr
    result = json.loads((tmp_path / "out" / "drill.json").read_text())
    assert result["rows"][0]["attack_success"] is None
    assert result["rows"][0]["poisons"] == 30
    assert "no test split" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--attacks", "lable-flip", "--rates", "0.1"), "Did you mean 'label-flip'?"),
        (("--attacks", "stamp", "--rates", "a lot"), "numbers by commas"),
        (("--attacks", "stamp,none", "--rates", "0.1"), "--attacks none stands alone"),
        (("--trigger", "patch:size=3"), "name other attacks alone, as --attacks stamp"),
    ],
)
def test_wrong_requests_end_before_any_work(tmp_path, arguments, said):
    done = drill("mnist", *arguments, "-o", tmp_path / "out")
    assert done.returncode == UNDECIDED
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"attacks": ()},
        {"rates": ()},
        {"rates": (0.1, 0.1)},
        {"rates": (1.0,)},
        {"rates": (float("nan"),)},
        {"seeds": 0},
        {"seed": -1},
        {"seed": 100_000},
        {"trigger": "pach:size=2"},
    ],
)
def test_settings_refuse_what_no_data_could_be_drilled_with(changed):
    with pytest.raises(UsageError):
        replace(DrillSettings(("stamp",), (0.1,)), **changed)


def test_a_target_without_samples_is_refused(tiny):
    with pytest.raises(UsageError, match="target class 7"):
        job.drill(tiny, DrillSettings(("stamp",), (0.1,), target=7))


@pytest.mark.long
def test_an_attack_that_crashes_does_not_end_the_drill(tiny, monkeypatch):

    def crash(*arguments, **options):
        raise ZeroDivisionError("nobody expected this")

    monkeypatch.setattr(job, "poison", crash)
    result = job.drill(tiny, DrillSettings(("stamp",), (0.1, 0.2), seeds=1))
    assert not result.rows
    assert [failure.reason for failure in result.failures] == 2 * [
        "It crashed: ZeroDivisionError: nobody expected this"
    ]
    assert recall_chart(result.rows) is None
    assert "What could not be rehearsed" in render_drill(result)


@pytest.mark.long
def test_an_alarm_on_the_data_as_it_is_ends_with_findings(tmp_path, small_train):
    clean = halved(small_train, 500, digits=4)
    images = clean.images(slice(None)).copy()
    images[np.flatnonzero(clean.labels == 3)[:60], :, 1:4, 1:4] = 255
    write_npz(tmp_path / "marked.npz", from_arrays(images, clean.labels, classes=clean.classes))
    done = drill(tmp_path / "marked.npz", "--attacks", "stamp", "--rates", "0.96", "--seeds", 1, "-o", tmp_path / "out")
    assert "Failed: stamp at 96 %" in done.stderr  # which alone would be UNDECIDED
    assert done.returncode == FINDINGS
    assert "Your data as it is: ALARM" in done.stdout
    assert "look at that first" in " ".join(done.stdout.split())


def made_row(rate, flagged, attack="stamp"):
    runs = tuple(
        DrillRun(i, 10, "patch", ("0",), True, "suspicious", n, n, 0, 0, None, None, 1.0) for i, n in enumerate(flagged)
    )
    found = share("recall", sum(flagged), 10 * len(flagged))
    caught = sum(run.caught for run in runs)
    return DrillRow(
        attack, rate, 10, len(runs), {"suspicious": len(runs)}, caught, found, 0.0, found, 0.0, None, None, runs
    )


TEN = [10] * 10


@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        ([made_row(0.01, TEN)], 0.01),
        ([made_row(0.01, [9] * 10)], 0.01),
        ([made_row(0.01, [8] * 10)], None),
        ([made_row(0.01, [10] * 9 + [0])], 0.01),
        ([made_row(0.01, [10] * 8 + [0, 0])], None),
        ([made_row(0.05, TEN), made_row(0.01, [0] * 10)], 0.05),
        ([made_row(0.01, TEN), made_row(0.05, [0] * 10)], None),
        ([made_row(0.01, TEN), made_row(0.02, [0] * 10), made_row(0.05, TEN)], 0.05),
    ],
)
def test_the_smallest_rate_holds_from_there_on(rows, rate):
    found = smallest("stamp", rows)
    assert found.rate == rate
    assert found.runs == 10
    assert "--seeds" not in found.sentence
    assert ("caught nine times in ten from" in found.sentence) is (rate is not None)


@given(st.dictionaries(st.sampled_from([0.01, 0.02, 0.05, 0.1]), st.lists(st.integers(0, 10), min_size=1), min_size=1))
def test_every_rate_from_the_smallest_on_is_caught(flagged):
    rows = [made_row(rate, found) for rate, found in flagged.items()]
    found = smallest("stamp", rows)
    caught = {row.rate: row.nine_in_ten for row in rows}
    if found.rate is None:
        assert not caught[max(caught)]
    else:
        assert all(ok for rate, ok in caught.items() if rate >= found.rate)
        below = [rate for rate in caught if rate < found.rate]
        assert not below or not caught[max(below)]
    few = min(len(row.runs) for row in rows) < 10
    assert ("--seeds 10" in found.sentence) == few
    assert not (few and "caught nine times in ten" in found.sentence), "no more is said than the runs tell"
    assert ("nine times in ten" in conclusion(rows, [found])) == (not few)


def test_the_last_sentence_names_what_is_caught_and_what_is_not():
    rows = [made_row(0.01, [10, 10, 10], "label-flip"), made_row(0.05, [10, 10, 10], "label-flip")]
    rows += [made_row(0.02, [0, 0, 0], "stamp"), made_row(0.05, [10, 0, 10], "stamp")]
    rows[-1] = replace(rows[-1], attack_success=share("asr", 91, 100))
    found = [smallest(name, [row for row in rows if row.attack == name]) for name in ("label-flip", "stamp")]
    assert conclusion(rows, found) == (
        "In short: label-flip would have been caught in all 3 runs of each rate wherever 1 % of the images were "
        "poisoned; stamp would not have been caught every time, even at 5 %, and its trigger works on up to 91 % of "
        "images."
    )
    assert found[1].sentence.startswith("stamp: caught in 2 of 3 runs at 5 %, the largest rate")
    assert conclusion(rows[:2], found[:1]).count(";") == 0


def test_a_trigger_that_does_not_fit_ends_a_drill_before_any_scan(tiny, monkeypatch):
    monkeypatch.setattr(job, "run_scan", None)
    with pytest.raises(UsageError, match="does not fit"):
        job.drill(tiny, DrillSettings(attacks=("stamp",), trigger="patch:size=99"))


def test_a_rate_that_is_no_sample_is_no_run_of_that_rate():
    """One sample of forty is 2.5 %: a table that called it 0.1 % would promise too much."""
    data = from_arrays(np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2)
    with pytest.raises(UsageError, match=r"0\.001 is no sample of 40; one would be 0\.025"):
        poison(data, "stamp", target=0, rate=0.001, seed=0)


@pytest.mark.parametrize(("few", "rates"), [(1, (0.025,)), (3, (0.04,)), (20, (0.05, 0.1, 0.2))])
def test_the_default_rates_of_a_tiny_class_are_samples(few, rates):
    labels = np.repeat([0, 1], (few, 40 - few))
    found = default_rates(from_arrays(np.zeros((40, 8, 8), np.uint8), labels), 0)
    assert found == rates
    assert all(round(40 * rate) for rate in found)


def test_a_drill_that_is_told_nothing_is_the_table_a_team_needs(tiny, small_train, monkeypatch):
    settings = DrillSettings()
    assert (settings.attacks, settings.rates, settings.seeds) == (FOUR, None, 3)
    assert default_rates(small_train, 0) == (0.01, 0.02, 0.05)
    assert default_rates(tiny, 0) == (0.03, 0.07, 0.2)

    def crash(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(job, "poison", crash)
    told = []
    result = job.drill(tiny, on_note=told.append)
    assert len(result.failures) == 4 * 3 * 3
    assert [failure.rate for failure in result.failures[:9]] == 3 * [0.03] + 3 * [0.07] + 3 * [0.2]
    assert result.conclusion == ""
    (said,) = told
    assert said.startswith("One run took 0 s, so all 36 take about")
    assert "--seeds 1" in said


def test_names_are_escaped_on_the_page():
    hostile = "<script>alert(1)</script>"
    line = BaseLine("nothing found", (), 0, 0, "Your data as it is: nothing found.")
    rows = (made_row(0.01, TEN, hostile),)
    result = DrillResult(hostile, "", 10, 0, hostile, line, rows, (smallest(hostile, rows),), (), (), 0, 1.0, {}, {})
    page = render_drill(result)
    assert "<script" not in page
    assert "&lt;script" in page
    assert asdict(result)["rows"][0]["attack"] == hostile
