"""`whitesquare scan` and `cleanse` as a user types them, on a small poisoned set: one scan for all tests."""

import json
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import duckdb
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.patience import PATIENCE, heed_interrupts, worked
from whitesquare.cli import app
from whitesquare.cli.scan import FailOn, exit_code
from whitesquare.data import dataset_digest, from_arrays, open_dataset, write_dataset
from whitesquare.jobs.runs import read_manifest

from .conftest import halved
from .report.scan_sample import RUNS, alarm, nothing_found, nothing_ran, result

KINDS = {"json": "json", "parquet": "parquet", "html": "html", "sarif": "sarif", "junit": "xml"}


def run(*arguments, code=0):
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert "Traceback" not in done.stderr, done.stderr
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def story(tmp_path_factory, small_train, small_test):
    """A poisoned run of 4,000 images of half the width and height, and everything a scan writes about it."""
    folder = tmp_path_factory.mktemp("scan")
    write_dataset(folder / "clean", halved(small_train, 4000), halved(small_test, 1000, split="test"), "npz")
    run("poison", folder / "clean", "--attack", "label-flip", "--target", 0, "--rate", 0.05, "-o", folder / "run")
    files = [item for kind, end in KINDS.items() for item in ("-o", f"{kind}={folder / 'found' / f'scan.{end}'}")]
    truth = folder / "run" / "ground-truth.json"
    shown = run("scan", folder / "run", "--truth", truth, "-o", "table", *files, code=1)
    (folder / "found" / "table.txt").write_text(shown.stdout)
    return folder


@pytest.fixture(scope="module")
def found(story):
    return json.loads((story / "found" / "scan.json").read_text())


@pytest.fixture(scope="module")
def cleaned(story):
    done = run("cleanse", story / "run", "--scan", story / "found" / "scan.json", "-o", story / "cleaned")
    return done.stdout


def test_the_poison_is_found_and_nothing_else(story, found):
    poisons = set(read_manifest(story / "run").ids)
    assert (found["verdict"], found["fused_auroc"]) == ("confirmed", pytest.approx(1, abs=0.001))
    assert [(one["class"], one["tier"]) for one in found["alarms"]] == [("0", "confirmed")]
    assert {one["id"] for one in found["flagged"] if one["tier"] == "confirmed"} == poisons
    assert found["alarms"][0]["trigger"]["bbox"] == [11, 11, 13, 13]


def test_every_output_is_written_and_says_the_same(story, found):
    place = story / "found"
    assert sorted(path.name for path in place.iterdir()) == [
        *("scan.html", "scan.json", "scan.parquet", "scan.pictures.npz", "scan.sarif", "scan.xml", "table.txt")
    ]
    rows = duckdb.sql(f"SELECT count(*), max_by(label, fused) FROM '{place / 'scan.parquet'}'").fetchall()
    assert rows == [(4000, 0)]
    sarif = json.loads((place / "scan.sarif").read_text())["runs"][0]
    error = next(one for one in sarif["results"] if one["level"] == "error")
    assert "200 confirmed" in error["message"]["text"] or error["properties"]["samples"] == 200
    failure = ElementTree.parse(place / "scan.xml").find(".//failure")
    assert failure.get("type") == "confirmed"
    assert (place / "scan.html").read_text().startswith("<!doctype html>")
    table = (place / "table.txt").read_text()
    assert table.startswith("A planted trigger was confirmed in class")
    assert f"cleanse {story / 'run'} --scan {place / 'scan.json'} -o cleaned/" in table


def test_cleanse_removes_the_confirmed_and_nothing_else(story, cleaned):
    before, after = open_dataset(story / "run"), open_dataset(story / "cleaned")
    poisons = np.isin(before.ids, read_manifest(story / "run").ids)
    assert np.array_equal(after.images(slice(None)), before.images(np.flatnonzero(~poisons)))
    assert np.array_equal(after.labels, before.labels[~poisons])
    assert dataset_digest(open_dataset(story / "run", "test")) == dataset_digest(
        open_dataset(story / "cleaned", "test")
    )
    removed = json.loads((story / "cleaned" / "removed.json").read_text())
    assert removed["counts"] == {"before": 4000, "removed": 200, "kept": 3800}
    assert removed["source_digest"] == dataset_digest(before)
    assert set(removed["removed"][0]) == {"id", "label", "class", "tier", "rule_id", "fused"}
    assert {one["id"] for one in removed["removed"]} == set(read_manifest(story / "run").ids)
    assert "Removed 200 of 4000 samples" in cleaned


def test_the_commands_it_names_prove_the_effect(story, cleaned):
    commands = [shlex.split(line)[1:] for line in cleaned.splitlines() if line.startswith("  whitesquare ")]
    assert [command[0] for command in commands] == ["train", "measure"]
    run(*commands[0])
    measured = json.loads(run(*commands[1], "-o", "json").stdout)
    assert measured["asr"]["value"] < 0.02
    assert measured["ca"]["value"] > 0.8


def test_the_top_k_are_the_most_suspicious(story, found):
    out = story / "top"
    run("cleanse", story / "run", "--scan", story / "found" / "scan.json", "--top", 210, "--format", "npz", "-o", out)
    tiers = [one["tier"] for one in json.loads((out / "removed.json").read_text())["removed"]]
    assert tiers == ["confirmed"] * 200 + ["review"] * 10
    assert open_dataset(out).ids == tuple(one for one in open_dataset(story / "run").ids if one not in {
        flag["id"] for flag in found["flagged"][:210]})  # fmt: skip
    again = run("cleanse", story / "run", "--scan", story / "found" / "scan.json", "--tier", "review", "-o", out)
    assert f"Removed {len(found['flagged'])} of 4000" in again.stdout


def test_what_does_not_qualify_is_named(story, found, tmp_path):
    path = tmp_path / "scan.json"
    found = found | {"flagged": [one for one in found["flagged"] if one["tier"] == "review"]}
    path.write_text(json.dumps(found))
    done = run("cleanse", story / "run", "--scan", path, "-o", tmp_path / "x", code=3)
    assert f"only {len(found['flagged'])} review; look at them first" in done.stderr
    assert "--tier review" in done.stderr
    path.write_text(json.dumps(found | {"flagged": []}))
    assert "flags no sample" in run("cleanse", story / "run", "--scan", path, "-o", tmp_path / "x", code=3).stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scan: scan | {"digest": "0" * 64}, "is another one, or was changed since"),
        (lambda scan: scan | {"flagged": [scan["flagged"][0] | {"id": "train/99999"}]}, "'train/99999'"),
        (lambda scan: scan | {"flagged": [scan["flagged"][0] | {"label": 7}]}, "with the label 7"),
        (lambda scan: scan | {"format": "whitesquare scan 9"}, "its format is 'whitesquare scan 9'"),
        (lambda scan: scan | {"flagged": [{"id": "train/00001"}]}, "is not a scan.json"),
    ],
    ids=["other data", "unknown id", "other label", "other form", "damaged"],
)
def test_a_scan_that_does_not_fit_is_refused(change, said, story, found, tmp_path):
    path = tmp_path / "scan.json"
    path.write_text(json.dumps(change(found)))
    done = run("cleanse", story / "run", "--scan", path, "-o", tmp_path / "x", code=2)
    assert said in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_class_is_never_emptied(story, found, tmp_path):
    run_ = open_dataset(story / "run")
    whole = [
        {"id": run_.ids[i], "label": 1, "tier": "confirmed", "rule_id": "PX01", "fused": 1}
        for i in np.flatnonzero(run_.labels == 1)
    ]
    path = tmp_path / "scan.json"
    path.write_text(json.dumps(found | {"flagged": whole}))
    done = run("cleanse", story / "run", "--scan", path, "-o", tmp_path / "x", code=2)
    assert f"Every sample of the class '1' ({len(whole)})" in done.stderr


def test_the_output_never_takes_the_place_of_what_is_not_ours(story, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"")
    asked = ("cleanse", story / "run", "--scan", story / "found" / "scan.json")
    assert "was not written by whitesquare" in run(*asked, "-o", tmp_path / "photos", code=2).stderr
    for place in (story / "run", story / "run" / "cleaned", story):
        run(*asked, "-o", place, code=2)
    assert (story / "run" / "ground-truth.json").is_file()
    missing = run(*asked[:3], tmp_path / "no.json", "-o", tmp_path / "x", code=2).stderr
    assert "cannot be read as a scan (No such file or directory); write one with `whitesquare scan DATA" in missing
    assert "must be 1 or more" in run(*asked, "--top", 0, "-o", tmp_path / "x", code=2).stderr


@pytest.mark.long
def test_class_folders_stay_class_folders(tmp_path, small_train):
    """Scanned without a model; the kept files are copied byte by byte under their own names."""
    part = from_arrays(small_train.images(slice(0, 1500)), small_train.labels[:1500], classes=small_train.classes)
    write_dataset(tmp_path / "clean", part, part, "npz")
    asked = ("--attack", "label-flip", "--target", 0, "--rate", 0.08, "--format", "png-folder")
    run("poison", tmp_path / "clean", *asked, "-o", tmp_path / "run")
    extra = tmp_path / "run" / "train" / "3" / "00000.png"
    extra.write_bytes(b"not an image")
    scan = tmp_path / "scan.json"
    free = ("scan", tmp_path / "run", "--model-free", "--on-error", "skip", "-o", "table", "-o", f"json={scan}")
    shown = run(*free, "--fail-on", "confirmed").stdout
    assert "--tier suspicious" in shown
    assert "1 file could not be read" in shown
    assert "- train/3/00000.png: " in shown
    run(*free, code=1)
    found = json.loads(scan.read_text())
    assert (found["verdict"], found["mode"], list(found["skipped"])) == (
        "suspicious", "model-free", ["train/3/00000.png"])  # fmt: skip
    run("cleanse", tmp_path / "run", "--scan", scan, "-o", tmp_path / "x", code=3)
    done = run("cleanse", tmp_path / "run", "--scan", scan, "--tier", "suspicious", "-o", tmp_path / "cleaned")
    assert "1 files that could not be read are not in the copy" in done.stdout
    gone = {flag["id"] for flag in found["flagged"] if flag["tier"] == "suspicious"}
    before = {name for name in open_dataset(tmp_path / "run").ids if name != "train/3/00000.png"}
    after = open_dataset(tmp_path / "cleaned")
    assert set(after.ids) == before - gone
    name = after.ids[7]
    assert (tmp_path / "cleaned" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    assert len(open_dataset(tmp_path / "cleaned", "test").ids) == 1500
    assert json.loads((tmp_path / "cleaned" / "removed.json").read_text())["skipped"].keys() == found["skipped"].keys()
    assert len(gone & set(read_manifest(tmp_path / "run").ids)) >= 0.9 * 120


def test_exit_codes_put_evidence_first_and_a_crash_never_passes():
    crash = (replace(RUNS[0], reason="it crashed", crashed=True), RUNS[1])
    suspicious = (alarm(3, "3", "suspicious"),)
    assert exit_code(result(runs=crash), FailOn.CONFIRMED) == 1
    assert exit_code(result(runs=RUNS[:2], alarms=suspicious), FailOn.SUSPICIOUS) == 1
    assert exit_code(result(runs=RUNS[:2], alarms=suspicious), FailOn.CONFIRMED) == 0
    assert exit_code(result(runs=crash, alarms=suspicious), FailOn.CONFIRMED) == 2
    assert exit_code(nothing_found(), FailOn.SUSPICIOUS) == 0
    assert exit_code(nothing_found(runs=crash), FailOn.SUSPICIOUS) == 2
    assert exit_code(nothing_found(runs=crash[:1]), FailOn.SUSPICIOUS) == 2
    assert exit_code(nothing_ran(), FailOn.SUSPICIOUS) == 3


@pytest.mark.long
def test_an_interrupt_is_exit_code_2_and_leaves_nothing(tmp_path, story):
    asked = [str(story / "clean"), "-o", f"json={tmp_path / 'scan.json'}"]
    command = [sys.executable, "-m", "whitesquare.cli", "scan", *asked]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts) as scan:
        assert any(line.startswith("training scan models") for line in scan.stderr)
        worked(scan.pid, 0.5)
        scan.send_signal(signal.SIGINT)
        said = scan.stderr.read()
        assert scan.wait(PATIENCE) == 2, said
    assert "Interrupted; nothing was left half-written." in said
    assert list(tmp_path.iterdir()) == []
