"""What kept a scan silent: nothing to find, or rules that could not have spoken."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.cli.exits import NOTHING, PASS, UNDECIDED
from whitesquare.data import from_arrays, write_dataset
from whitesquare.data.holding import UNLIKE
from whitesquare.detectors.contrast import ceiling, log_contrast
from whitesquare.detectors.pixel_contrast import PixelContrast
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.errors import UsageError
from whitesquare.report.common.formats import plain
from whitesquare.report.scan.text import headline
from whitesquare.report.scan.text import skipped as told_skipped
from whitesquare.scanning.coverage import chosen_rules, coverage, lacking, reachable
from whitesquare.scanning.criteria import CRITERIA, stands_out
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import Coverage

from .report.scan_sample import nothing_found

FREE = ScanSettings(model_free=True)


def noise(sizes, side=16):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return from_arrays(rng.integers(0, 256, (len(labels), 1, side, side), dtype=np.uint8), labels, layout="NCHW")


def by_rule(result):
    return {one.rule_id: one for one in result.coverage}


def test_no_code_can_stand_out_more_than_the_ceiling():
    rng = np.random.default_rng(3)
    for _ in range(200):
        sizes = rng.integers(20, 500, 4)
        counts = np.stack([rng.integers(0, size + 1, 6) for size in sizes], 1)
        counts[0] = 0
        counts[0, 2] = sizes[2]  # in every sample of one class and in no other
        found = log_contrast(counts, sizes, 15)
        most = [ceiling(sizes, label) for label in range(4)]
        assert (found <= np.array(most) + 1e-5).all()
        assert found[0, 2] == pytest.approx(most[2], rel=1e-6)


@pytest.mark.long
def test_where_the_pixel_rule_cannot_speak_no_stamp_on_every_image_makes_it(small_train):
    images, labels = small_train.images(slice(0, 200)), small_train.labels[:200]
    rule = next(criterion for criterion in CRITERIA if criterion.rule_id == "PX01")
    evidence = Evidence(images, labels, small_train.classes, np.zeros(200, bool))
    found, sizes = PixelContrast().score(evidence), np.bincount(labels)
    silent = [label for label in range(10) if not reachable(rule, found, sizes, label, asked=False)]
    assert 0 < len(silent) < 10
    told = by_rule(run_scan(from_arrays(images, labels, layout="NCHW"), FREE).result)["PX01"]
    assert (told.classes, told.why) == (10 - len(silent), "with so few samples its bound is out of reach")
    for label in silent:
        stamped = images.copy()
        stamped[labels == label, :, 12:14, 12:14] = 255
        # Measured by the other classes as they are: the stamp takes a little of what is usual among them, too.
        statistics = found.class_stats.copy()
        statistics[label] = PixelContrast().score(replace(evidence, images=stamped)).class_stats[label]
        assert statistics[label] <= rule.ceiling(sizes, label) + 1e-5 or np.isnan(statistics[label])
        assert sizes[label] < rule.samples or not stands_out(rule, statistics, sizes, label)


def test_a_class_of_which_a_detector_says_nothing_is_not_called_small():
    labels = np.repeat(np.arange(4), 50)
    evidence = Evidence(np.zeros((200, 1, 16, 16), np.uint8), labels, tuple("abcd"), np.zeros(200, bool))
    silent = Suspicion(np.zeros(200, np.float32), np.full(4, np.nan, np.float32), ())
    (told,) = [one for one in coverage(evidence, {"TI01": silent}, (), asked=True) if one.rule_id == "TI01"]
    assert (told.classes, told.why) == (0, "its detector says nothing of the others")


def test_a_class_that_is_too_small_is_told_apart_from_the_others():
    rules = by_rule(run_scan(noise([1000, 1000, 1000, 1000, 40]), FREE).result)
    assert (rules["RC01"].classes, rules["RC01"].of) == (4, 5)
    assert "1000 samples" in rules["RC01"].why


def test_two_classes_leave_most_rules_silent():
    result = run_scan(noise([300, 300]), FREE).result
    rules = by_rule(result)
    assert "4 classes or more, and these are 2" in rules["RC01"].why
    assert "it asks a model" in rules["TI01"].why
    assert rules["PC01"].classes == 2
    assert "rules could have raised an alarm" in headline(result)


@pytest.mark.parametrize(
    ("asked", "code"), [("", PASS), ("PX01", PASS), ("all", NOTHING), ("RC01, PX01", NOTHING), ("RX01", UNDECIDED)]
)
def test_what_is_required_and_could_not_speak_is_exit_code_3(tmp_path, asked, code):
    write_dataset(tmp_path / "data", noise([600, 600]), None, "npz")
    output = f"json={tmp_path / 'scan.json'}"
    done = CliRunner().invoke(app, ["scan", str(tmp_path / "data"), "--model-free", "--require", asked, "-o", output])
    assert done.exit_code == code, done.output
    if code == NOTHING:
        assert "RC01" in done.stderr
        assert {one["rule_id"] for one in json.loads((tmp_path / "scan.json").read_text())["coverage"]} >= {"RC01"}
    if code == UNDECIDED:
        assert "RC01" in done.stderr
        assert not (tmp_path / "scan.json").exists()


def test_names_of_rules():
    assert chosen_rules(" PX01 , RC01") == ("PX01", "RC01")
    assert "PX01" in chosen_rules("all")
    with pytest.raises(UsageError, match="PX01"):
        chosen_rules("PX1")
    partly, whole = Coverage("A", 1, 2, "small"), Coverage("B", 2, 2, "")
    assert lacking((partly, whole), ["A", "B"]) == (partly,)


def classes_of(folder, broken, sizes=(300, 300)):
    """Write class folders of noise, some of whose files are no images; of each class the first."""
    write_dataset(folder, noise(sizes), None, "png-folder")
    for label, count in enumerate(broken):
        files = sorted(next(path for path in folder.rglob(str(label)) if path.is_dir()).iterdir())
        for file in files[:count]:
            file.write_bytes(b"no image")


def scanned(folder, *options):
    outputs = [part for kind in ("json", "junit", "sarif", "html") for part in ("-o", f"{kind}={folder}.{kind}")]
    asked = ["scan", str(folder), "--model-free", "--detectors", "pixel-contrast,patch-contrast", *options]
    return CliRunner().invoke(app, [*asked, "--on-error", "skip", "-o", "table", *outputs])


def test_what_is_left_out_of_a_class_beyond_one_percent_is_exit_code_3_and_said_everywhere(tmp_path):
    classes_of(tmp_path / "data", (0, 4))
    done = scanned(tmp_path / "data")
    assert done.exit_code == NOTHING, done.output
    first = "Not checked: too much of a class was left out; 4 of 600 files were left out"
    told = " ".join(done.stdout.split())
    assert told.startswith(first)
    assert "4 of 300 of class 1" in told
    assert "4 files could not be read and are not part of this scan" in told
    found = json.loads((tmp_path / "data.json").read_text())
    assert found["verdict"] == "not checked"
    assert [row["left_out"] for row in found["classes"]] == [0, 4]
    assert len(found["skipped"]) == 4
    name = min(found["skipped"])
    junit = ElementTree.parse(tmp_path / "data.junit").getroot()
    outcomes = {case.get("name"): [one.tag for one in case] for case in junit.iter("testcase")}
    assert outcomes["class 1"] == ["error"]
    assert outcomes["class 0"] == []
    assert name in (tmp_path / "data.junit").read_text()
    run = json.loads((tmp_path / "data.sarif").read_text())["runs"][0]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert name in json.dumps(run)
    assert "too much of a class was left out" in (tmp_path / "data.html").read_text()
    assert "4 left out" in (tmp_path / "data.html").read_text()


def test_one_percent_may_be_left_out_and_is_said(tmp_path):
    classes_of(tmp_path / "data", (3, 0))
    done = scanned(tmp_path / "data")
    assert done.exit_code == PASS, done.output
    assert "3 of 600 files were left out" in " ".join(done.stdout.split()).split(". ")[0]
    assert json.loads((tmp_path / "data.json").read_text())["verdict"] == "nothing found"


def test_a_class_that_is_left_out_whole_is_no_class_without_poison(tmp_path):
    classes_of(tmp_path / "data", (0, 0, 300), (300, 300, 300))
    done = scanned(tmp_path / "data")
    assert done.exit_code == NOTHING
    assert "300 of 300 of class 2" in " ".join(done.stdout.split())
    assert "class \u201c2\u201d has no samples" in done.stdout


def test_where_no_rule_could_have_spoken_that_is_the_headline(tmp_path):
    write_dataset(tmp_path / "data", noise([30, 30]), None, "npz")
    done = CliRunner().invoke(app, ["scan", str(tmp_path / "data"), "--model-free", "--detectors", "noise-residual"])
    told = " ".join(done.stdout.split())
    assert told.startswith("Nothing could have been found: none of the 7 rules that raise alarms could have raised one")
    assert "None of the 7 rules that raise alarms could have raised one among 60 samples" in told
    assert "NR01 in none (it compares 4 classes or more, and these are 2)" in told


def test_only_rules_that_could_have_raised_an_alarm_are_counted():
    result = run_scan(noise([300, 300]), FREE).result
    able = [one.rule_id for one in result.coverage if one.classes]
    assert 1 < len(able) < len(result.coverage)
    assert f"None of the {len(able)} rules that could have raised an alarm ({', '.join(able)})" in result.reasons[0]


def test_a_file_of_another_kind_is_told_apart_from_one_that_cannot_be_read():
    skipped = {"a": f"{UNLIKE}it is 8x8 grey, and most files are 9x9 grey", "b": "it is cut off"}
    said = plain(told_skipped(nothing_found(skipped=skipped)))
    assert said == (
        "1 file could not be read and 1 file has another size or colour mode and are not part of this scan."
    )
