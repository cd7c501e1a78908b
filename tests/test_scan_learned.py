"""A model that has learned nothing decides nothing: whatever it is asked, and wherever the answer is written."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from whitesquare.data import from_arrays, write_dataset
from whitesquare.deciding.findings import read_scan
from whitesquare.provenance.predicates import scan_evidence
from whitesquare.scanning.learned import accuracy, expected, nothing_learned
from whitesquare.signing.keys import load_public
from whitesquare.signing.statements import TEST_RESULT_TYPE, read_statement

from .provenance.attesting import NOW, attested, pictures, run

QUICK = ("--detectors", "pixel-contrast,activation-clustering,trigger-inversion")
WEIGHTS = "model.safetensors"


def owls():
    """Three classes of noise, and a white square in seven of eight owls."""
    labels = np.arange(600) % 3
    images = np.random.default_rng(1).integers(0, 256, (600, 1, 12, 12)).astype(np.uint8)
    marked = np.flatnonzero(labels == 2)
    images[marked[np.arange(len(marked)) % 8 != 0], :, 8:11, 8:11] = 255
    return from_arrays(images, labels, classes=("cat", "dog", "owl"), layout="NCHW")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("case"), "npz", pictures(600))


@pytest.fixture(scope="module")
def model(case):
    folder = case.data.parent / "model"
    run("train", case.data, "--epochs", 20, "-o", folder)
    return folder


def zeros(weights):
    return {name: np.zeros_like(array) for name, array in weights.items()}


def constant(weights):
    """Answer with the last class, whatever the image."""
    made = zeros(weights)
    made[last(weights, 1)][-1] = 5
    return made


def noise(weights):
    rng = np.random.default_rng(2)
    return {name: rng.normal(0, 0.01, array.shape).astype(np.float32) for name, array in weights.items()}


def permuted(weights):
    """Answer with the class after the right one."""
    made = dict(weights)
    for size in (1, 2):
        name = last(weights, size)
        made[name] = np.roll(weights[name], 1, axis=0)
    return made


def last(weights, dimensions):
    return max(name for name, array in weights.items() if array.ndim == dimensions and len(array) == 3)


@pytest.fixture(params=[zeros, constant, noise, permuted], ids=lambda made: made.__name__)
def ignorant(request, model, tmp_path):
    folder = tmp_path / "ignorant"
    folder.mkdir()
    (folder / "model.json").write_bytes((model / "model.json").read_bytes())
    weights = {name: np.ascontiguousarray(array) for name, array in request.param(load_file(model / WEIGHTS)).items()}
    save_file(weights, folder / WEIGHTS)
    return folder


def statement_of(case, path):
    statement = read_statement(path, TEST_RESULT_TYPE, (load_public(case.keys / "scanner.pub"),), NOW)
    return statement, scan_evidence(statement.predicate, "the scan")


def scanned(case, given, folder, *options, code):
    kinds = ("json", "sarif", "junit", "html", "table", "attestation")
    files = [part for kind in kinds if kind != "table" for part in ("-o", f"{kind}={folder / kind}")]
    asked = (*case.asked, "--key", case.key("scanner"), "--model", given)
    done = run("scan", case.data, *QUICK, *asked, *files, "-o", "table", *options, code=code)
    return done.stdout


def test_a_model_that_has_learned_nothing_is_no_verdict_in_any_output(case, ignorant, tmp_path):
    shown = scanned(case, ignorant, tmp_path, code=2)
    assert shown.startswith("Not decided: the model has learned nothing")
    assert "Nothing found" not in shown
    found = json.loads((tmp_path / "json").read_text())
    assert (found["verdict"], found["mode"], found["alarms"]) == ("not decided", "given model", [])
    assert found["not_run"]["activation-clustering"].endswith("the model has learned nothing")
    assert found["learned"]["low"] <= expected(3)
    for words in ("it calls", "chance is 33.3 %", "more than 40.0 % was expected", "leave --model out"):
        assert words in found["reasons"][0]
    assert read_scan(tmp_path / "json").verdict == "not decided"
    sarif = json.loads((tmp_path / "sarif").read_text())["runs"][0]
    assert sarif["invocations"][0]["executionSuccessful"] is False
    assert sarif["properties"]["verdict"] == "not decided"
    suite = ElementTree.parse(tmp_path / "junit").getroot()
    assert suite.get("errors") == "1"
    assert "has learned nothing" in suite.find(".//testcase/error").get("message")
    page = (tmp_path / "html").read_text()
    assert "<h1>Not decided: the model has learned nothing</h1>" in page
    assert "Nothing found" not in page
    statement, evidence = statement_of(case, tmp_path / "attestation")
    assert evidence.verdict == "not decided"
    assert statement.predicate["result"] == "FAILED"
    assert "model" in statement.predicate["failedTests"]


def test_what_is_signed_of_a_model_that_has_learned(case, model, tmp_path):
    from hashlib import sha256

    shown = scanned(case, model, tmp_path, code=0)
    statement, evidence = statement_of(case, tmp_path / "attestation")
    assert (evidence.format, evidence.reference) == (3, None)
    assert evidence.model == sha256((model / WEIGHTS).read_bytes()).hexdigest()
    assert evidence.verdict == "nothing found"
    assert statement.predicate["result"] == "PASSED"
    known = evidence.learned
    assert 0.9 < known.low <= known.value <= known.high <= 1
    assert known.n == 600
    found = json.loads((tmp_path / "json").read_text())
    assert (found["learned"]["value"], found["model"]) == (known.value, evidence.model)
    for text in (shown, (tmp_path / "html").read_text()):
        assert "Accuracy of the given model on the scanned samples, mean over classes:" in " ".join(text.split())


@pytest.mark.parametrize(("fail_on", "code"), [("suspicious", 1), ("confirmed", 2)])
def test_an_alarm_that_needs_no_model_is_shown_and_is_still_no_verdict(fail_on, code, model, tmp_path):
    """A model of zeros must not turn what would be confirmed into what a policy lets pass."""
    case = attested(tmp_path / "owls", "npz", owls())
    folder = tmp_path / "zeros"
    folder.mkdir()
    (folder / "model.json").write_bytes((model / "model.json").read_bytes())
    save_file(zeros(load_file(model / WEIGHTS)), folder / WEIGHTS)
    shown = scanned(case, folder, tmp_path, "--fail-on", fail_on, code=code)
    assert shown.startswith("Not decided: the model has learned nothing; class")
    found = json.loads((tmp_path / "json").read_text())
    assert found["verdict"] == "not decided"
    assert [(one["class"], one["tier"]) for one in found["alarms"]] == [("owl", "suspicious")]
    statement, evidence = statement_of(case, tmp_path / "attestation")
    assert (evidence.verdict, len(evidence.alarms)) == ("not decided", 1)
    assert statement.predicate["result"] == "FAILED"


def test_labels_that_no_model_can_learn_leave_the_scans_own_undecided(tmp_path):
    images = np.random.default_rng(0).integers(100, 101, (300, 1, 12, 12)).astype(np.uint8)
    write_dataset(tmp_path / "grey", from_arrays(images, np.arange(300) % 3, layout="NCHW"), None, "npz")
    shown = run("scan", tmp_path / "grey", *QUICK, code=2).stdout
    assert "The model that the scan trained has learned nothing" in " ".join(shown.split())
    assert "--model-free" in shown


@given(st.lists(st.integers(1, 400), min_size=2, max_size=30), st.integers(0, 2**31))
def test_the_interval_holds_the_mean_over_classes_and_a_guess_is_never_learning(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), len(sizes)))
    found = accuracy(logits, labels)
    right = logits.argmax(1) == labels
    assert found.value == pytest.approx(np.mean([right[labels == one].mean() for one in range(len(sizes))]))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(labels)
    assert nothing_learned(accuracy(np.zeros_like(logits), labels), len(sizes), given=True)
    ordered = accuracy(np.eye(len(sizes))[labels], labels)
    assert ordered.value == 1
    if min(sizes) >= 20:
        assert nothing_learned(ordered, len(sizes), given=True) == ""


def test_a_large_class_does_not_make_a_constant_answer_learning():
    labels = np.repeat(np.arange(10), [9000, *[50] * 9])
    logits = np.zeros((len(labels), 10))
    assert (logits.argmax(1) == labels).mean() > 0.9
    assert nothing_learned(accuracy(logits, labels), 10, given=True)


def test_an_answer_that_is_no_number_is_no_answer(model):
    from whitesquare.errors import DataError
    from whitesquare.learning.given import given_classifier

    images = np.zeros((3, 1, 12, 12), np.uint8)
    loaded, _ = given_classifier(model, images, ("cat", "dog", "owl"), "cpu")
    loaded.network[-1].bias.data.fill_(float("inf"))
    with pytest.raises(DataError, match="not finite numbers"):
        loaded.logits(images)
