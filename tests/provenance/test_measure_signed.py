"""`measure --key`: the figures of a model under every trigger, signed, about the very weights that were measured."""

import json
import shutil
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from whitesquare.data import from_arrays, load_npz, write_npz
from whitesquare.jobs import measure as job
from whitesquare.provenance.evidence import MEASURE
from whitesquare.provenance.predicates import measure_evidence
from whitesquare.report.common.formats import percent, plain
from whitesquare.signing.keys import load_public, load_signer
from whitesquare.signing.statements import TEST_RESULT_TYPE, read_statement

from .attesting import NOW, attested, key_pair, pictures, run

TRIGGERS = ("patch:size=2,corner=br,margin=1", "patch:size=4,corner=tl,margin=0")
NAMES = ("cat", "dog", "owl")
ASKED = ("--target", 1, *(part for trigger in TRIGGERS for part in ("--trigger", trigger)))


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("case"), "png-folder", pictures(60), pictures(30, "test"))


@pytest.fixture(scope="module")
def made(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    run("train", case.data, "-o", folder, "--epochs", 1, "--scale", 0.25)
    return folder


@pytest.fixture
def model(made, tmp_path):
    shutil.copytree(made, tmp_path / "model")
    return tmp_path / "model"


def evidence_in(case, model):
    statement = read_statement(model / MEASURE, TEST_RESULT_TYPE, (load_public(case.keys / "trainer.pub"),), NOW)
    return statement, measure_evidence(statement.predicate, "the measurement")


def test_the_statement_holds_what_was_measured_under_every_trigger(case, model):
    done = run("measure", model, *ASKED, *case.asked, "--key", case.key("trainer"), "-o", "json")
    shown = json.loads(done.stdout)
    statement, evidence = evidence_in(case, model)
    names = ("model.safetensors", "model.json", "victim.json")
    digests = [sha256((model / name).read_bytes()).hexdigest() for name in names]
    assert [(one.name, one.sha256) for one in statement.subjects] == list(zip(names, digests, strict=True))
    assert (evidence.format, evidence.classes) == (3, ("cat", "dog", "owl"))
    assert evidence.test_root == case.signed.predicate.splits["test"].root
    assert (evidence.ca.value, evidence.ca.n) == (shown[0]["ca"]["value"], 30)
    told = [(one["trigger"], one["target"], one["asr"]["value"], one["asr"]["n"]) for one in shown]
    signed = [(one.trigger, one.target, one.asr.value, one.asr.n) for one in evidence.asr]
    assert [one for one in signed if one[1] == 1] == told
    assert [(one.trigger[:12], one.target) for one in evidence.asr] == [
        (name, target) for name in ("patch:size=2", "patch:size=4") for target in (0, 1, 2)
    ]
    assert [(one.trigger, one.target) for one in evidence.sources] == [
        (one.trigger, one.target) for one in evidence.asr
    ]
    assert all(one.source != one.target and one.asr.n <= 10 for one in evidence.sources)
    assert [one.trigger for one in evidence.untargeted] == [one["trigger"] for one in shown]
    assert json.loads((model / "victim.json").read_text()) == shown[0]


def test_without_a_key_everything_is_as_it_was(case, model):
    options = ("--target", 1, "--trigger", TRIGGERS[0])
    one = run("measure", model, *options, "-o", "json").stdout
    assert {path.name for path in model.iterdir()} == {
        "model.safetensors",
        "model.json",
        "victim.json",
        "whitesquare.json",
    }
    assert json.loads(one) == json.loads((model / "victim.json").read_text())
    run("measure", model, *options, *case.asked, "--key", case.key("trainer"))
    assert json.loads(one) == json.loads((model / "victim.json").read_text())
    run("train", case.data, "-o", model, "--epochs", 1, "--scale", 0.25)
    assert MEASURE not in {path.name for path in model.iterdir()}


def test_the_tables_of_all_triggers_are_shown(model):
    shown = run("measure", model, *ASKED).stdout
    assert shown.count("clean accuracy") == 2


def test_a_key_alone_signs_the_root_of_what_was_read(case, model):
    run("measure", model, *ASKED, "--key", case.key("trainer"))
    assert evidence_in(case, model)[1].test_root == case.signed.predicate.splits["test"].root


def refused(case, model, *options, code=1):
    done = run("measure", model, *ASKED, *options, "--key", case.key("trainer"), code=code)
    assert not {"victim.json", MEASURE} & {path.name for path in model.iterdir()}
    return done.stderr


def test_an_easier_test_set(case, model, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(case.data, data)
    (data / "test" / "cat" / "00003.png").unlink()
    assert "'test/cat/00003.png' is missing" in refused(case, model, "--data", data, *case.asked)
    shutil.copytree(case.data, data, dirs_exist_ok=True)
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(data / "test" / "cat" / "00003.png")
    assert "'test/cat/00003.png' is not the signed one" in refused(case, model, "--data", data, *case.asked)
    (data / "test" / "cat" / "00003.png").rename(data / "test" / "dog" / "00003.png")
    shutil.copy(case.data / "test" / "cat" / "00003.png", data / "test" / "cat" / "00003.png")
    assert "'test/dog/00003.png' is not among" in refused(case, model, "--data", data, *case.asked)


def test_the_training_split_offered_as_the_test_split(tmp_path, made):
    case = attested(tmp_path, "npz", pictures(60), pictures(30, "test"))
    shutil.copytree(made, tmp_path / "model")
    shutil.copy(case.data / "train.npz", case.data / "test.npz")
    said = refused(case, tmp_path / "model", "--data", case.data, *case.asked)
    assert "'test/00000' is missing" in said


def test_a_swapped_class_map(tmp_path, made):
    case = attested(tmp_path, "npz", pictures(60), pictures(30, "test"))
    shutil.copytree(made, tmp_path / "model")
    old = load_npz(case.data / "test.npz")
    swapped = from_arrays(
        old.pixels, np.array([1, 0, 2])[old.labels], classes=("dog", "cat", "owl"), ids=old.ids, layout="NCHW"
    )
    write_npz(case.data / "test.npz", swapped)
    said = refused(case, tmp_path / "model", "--data", case.data, *case.asked)
    assert "the label 0 is 'dog', signed was 'cat'" in said


def test_a_data_set_signed_by_a_stranger_or_another_one(case, model, tmp_path):
    key_pair(tmp_path / "strangers" / "mallory", secrets=tmp_path)
    stranger = ("--attested", case.bundle, "--trust", tmp_path / "strangers")
    assert "none of the 1 trusted ones" in refused(case, model, *stranger)
    other = attested(tmp_path / "other", "png-folder", pictures(30), pictures(12, "test"))
    assert "is not the one of" in refused(case, model, *other.asked)
    assert "--trust keys/" in refused(case, model, "--attested", case.bundle, code=2)


def test_weights_exchanged_while_they_are_measured(case, model, monkeypatch):
    """The statement is about the weights and the card that were loaded, not about those that lie there by then."""
    measured = [sha256((model / name).read_bytes()).hexdigest() for name in ("model.safetensors", "model.json")]
    try_triggers = job.try_triggers

    def exchange(*arguments):
        (model / "model.safetensors").write_bytes(b"a model that was never measured")
        (model / "model.json").write_bytes(b"{}")
        return try_triggers(*arguments)

    monkeypatch.setattr(job, "try_triggers", exchange)
    job.measure(model, None, TRIGGERS[:1], target=1, signer=load_signer(case.key("trainer"), str))
    assert [one.sha256 for one in evidence_in(case, model)[0].subjects[:2]] == measured


def test_a_target_that_is_shown_hides_no_other(case, model):
    """The figures of every class are signed and the worst is named, whichever target somebody asks for."""
    shown = {}
    for target in (0, 1, 2):
        done = run("measure", model, *ASKED[2:], "--target", target, "--key", case.key("trainer"), "-o", "json")
        shown[target] = [one["asr"]["value"] for one in json.loads(done.stdout)]
        evidence = evidence_in(case, model)[1]
        assert len(evidence.asr) == 6
    for one in evidence.asr:
        assert one.asr.value == shown[one.target][TRIGGERS.index(one.trigger.split(",x=")[0])]
    table = " ".join(run("measure", model, *ASKED).stdout.split())
    worst = max(figures[0] for figures in shown.values())
    assert f"at worst {plain(percent(worst))} of the other images turn to class" in table
    for trigger in {one.trigger for one in evidence.sources}:
        of_one = [one for one in evidence.sources if one.trigger == trigger and one.asr.n]
        most = max(of_one, key=lambda one: (one.asr.value, one.source, one.target))
        spoilt = next(one.asr.value for one in evidence.untargeted if one.trigger == trigger)
        of, to = (f"{NAMES[one]} ({one})" for one in (most.source, most.target))
        told = f"of class {of} alone {plain(percent(most.asr.value))} turn to class {to}"
        assert f"{told}; {plain(percent(spoilt))} of the right answers become wrong ones." in table


def test_without_a_target_the_worst_is_shown(case, model):
    results = json.loads(run("measure", model, *ASKED[2:], "--key", case.key("trainer"), "-o", "json").stdout)
    evidence = evidence_in(case, model)[1]
    for one in results:
        figures = {at.target: at.asr.value for at in evidence.asr if at.trigger == one["trigger"]}
        assert one["asr"]["value"] == figures[one["target"]] == max(figures.values())
    assert "its trigger is not known" in run("measure", model, "--target", 1, code=2).stderr


def test_a_card_with_permuted_classes_is_not_measured(case, model):
    card = json.loads((model / "model.json").read_text())
    card["classes"] = ["dog", "cat", "owl"]
    (model / "model.json").write_text(json.dumps(card))
    assert "the classes in another order" in refused(case, model, *case.asked, code=2)
    card["classes"] = ["cat", "dog"]
    (model / "model.json").write_text(json.dumps(card))
    assert "classes" in refused(case, model, *case.asked, code=2)


def test_images_of_one_class_cannot_try_every_target(case, model, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(case.data, data)
    for name in ("dog", "owl"):
        for path in (data / "test" / name).iterdir():
            path.unlink()
    said = refused(case, model, "--data", data, code=3)
    assert "tries every class as the target" in said
