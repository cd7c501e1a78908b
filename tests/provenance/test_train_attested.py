"""`train --attested`: only attested bytes become a model, and its folder says which, signed by whoever trained it."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from whitesquare._base.machine import code_digest
from whitesquare.data import load_npz, open_dataset, write_npz
from whitesquare.errors import UsageError, VerificationError
from whitesquare.jobs import train as job
from whitesquare.learning.recipes import Recipe
from whitesquare.provenance.attest import attest
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.countersign import countersign
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.evidence import PROVENANCE
from whitesquare.provenance.predicates import train_evidence
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
from whitesquare.signing.keys import load_public, load_trusted
from whitesquare.signing.signatures import Signatures
from whitesquare.signing.statements import PROVENANCE_TYPE, read_statement
from whitesquare.signing.times import from_text

from .attesting import NOW, attested, key_pair, pictures, run

TRAIN = ("--epochs", 1, "--scale", 0.25)
MODEL = {"model.safetensors", "model.json", "whitesquare.json"}
ATTESTATION = {MANIFEST, BUNDLE, ENVELOPE}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("case"), "png-folder", pictures(60), pictures(12, "test"))


@pytest.fixture(scope="module")
def trained(case, tmp_path_factory):
    """A model made of attested data, with its provenance."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    run("train", case.data, "-o", folder, *TRAIN, *case.asked, "--key", case.key("trainer"))
    return folder


@pytest.fixture
def tampered(case, tmp_path):
    """A copy of the data, verified a moment ago, to be tampered with now."""
    shutil.copytree(case.data, tmp_path / "data")
    return replace(case, data=tmp_path / "data")


def names(folder):
    return {path.name for path in folder.iterdir()}


def provenance(case, folder):
    trainer = (load_public(case.keys / "trainer.pub"),)
    statement = read_statement(folder / PROVENANCE, PROVENANCE_TYPE, trainer, NOW)
    return statement, train_evidence(statement.predicate, "the provenance")


def test_the_provenance_says_what_the_model_is_made_of(case, trained):
    assert names(trained) == MODEL | ATTESTATION | {PROVENANCE}
    statement, evidence = provenance(case, trained)
    digests = {name: sha256((trained / name).read_bytes()).hexdigest() for name in ("model.safetensors", "model.json")}
    assert {one.name: one.sha256 for one in statement.subjects} == digests
    split = case.signed.predicate.splits["train"]
    assert evidence.manifest == sha256((case.attestation / MANIFEST).read_bytes()).hexdigest()
    assert (evidence.root, evidence.size, evidence.split) == (split.root, split.size, "train")
    assert (evidence.seed, evidence.code) == (0, code_digest())
    assert evidence.recipe == json.loads((trained / "model.json").read_text())["recipe"]
    assert "Pillow" in evidence.decoder
    assert "libjpeg" in evidence.decoder
    assert from_text(evidence.started) <= from_text(evidence.finished)


def test_the_attestation_lies_beside_the_model_as_it_was_signed(case, trained):
    for name in (BUNDLE, ENVELOPE):
        copied = read_dataset(trained / name, load_trusted(case.trust), NOW)
        assert (copied.sha256, copied.predicate) == (case.signed.sha256, case.signed.predicate)


def test_the_model_is_the_one_that_training_without_an_attestation_gives(case, trained, tmp_path):
    run("train", case.data, "-o", tmp_path / "plain", *TRAIN)
    assert names(tmp_path / "plain") == MODEL
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (trained / name).read_bytes()


def test_training_again_replaces_model_and_evidence(case, trained, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained, folder)
    for name in ("scan.json", "scan.sigstore.json", "measure.sigstore.json", "vsa.sigstore.json"):
        (folder / name).write_text("evidence about the old model")
    run("train", case.data, "-o", folder, *TRAIN, "--seed", 1, *case.asked)
    assert names(folder) == MODEL | ATTESTATION


def test_a_container_has_no_decoder(tmp_path):
    case = attested(tmp_path, "npz", pictures(60))
    run("train", case.data, "-o", tmp_path / "model", *TRAIN, *case.asked, "--key", case.key("trainer"))
    assert provenance(case, tmp_path / "model")[1].decoder == "pixels"


def refused(case, tmp_path, *options, code=1):
    done = run("train", case.data, "-o", tmp_path / "model", *TRAIN, *options, code=code)
    assert not [path.name for path in tmp_path.iterdir() if "model" in path.name]
    return done.stderr


def test_a_file_changed_between_verify_and_train(tampered, tmp_path):
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(tampered.data / "train" / "dog" / "00004.png")
    assert "'train/dog/00004.png' is not the signed one" in refused(tampered, tmp_path, *tampered.asked)


def test_a_file_that_can_no_longer_be_decoded_is_changed_first_of_all(tampered, tmp_path):
    (tampered.data / "train" / "dog" / "00004.png").write_bytes(b"no picture")
    assert "'train/dog/00004.png' is not the signed one" in refused(tampered, tmp_path, *tampered.asked)


def test_the_manifest_of_another_data_set(case, tmp_path):
    other = attested(tmp_path / "other", "png-folder", pictures(30))
    assert "is not the one of" in refused(replace(case, data=other.data), tmp_path, *case.asked)


def test_a_key_that_is_not_trusted_and_too_few_of_those_that_are(case, tmp_path):
    key_pair(tmp_path / "strangers" / "mallory", secrets=tmp_path)
    said = refused(case, tmp_path, "--attested", case.bundle, "--trust", tmp_path / "strangers")
    assert "none of the 1 trusted ones" in said
    assert "2 must sign" in refused(case, tmp_path, *case.asked, "--threshold", 2)


def test_two_signers(tmp_path):
    case = attested(tmp_path, "npz", pictures(60))
    countersign(case.bundle, case.trusted("reviewer", "review"), load_trusted(case.trust))
    options = ("--attested", case.envelope, "--trust", case.trust, "--threshold", 2)
    run("train", case.data, "-o", tmp_path / "model", *TRAIN, *options)
    assert (
        len(read_dataset(tmp_path / "model" / ENVELOPE, load_trusted(case.trust), NOW, Signatures(total=2)).signers)
        == 2
    )


def test_a_renamed_bundle_gets_its_usual_name(case, tmp_path):
    shutil.copytree(case.attestation, tmp_path / "renamed")
    (tmp_path / "renamed" / ENVELOPE).unlink()
    bundle = (tmp_path / "renamed" / BUNDLE).rename(tmp_path / "renamed" / "approved.json")
    run("train", case.data, "-o", tmp_path / "model", *TRAIN, "--attested", bundle, "--trust", case.trust)
    assert names(tmp_path / "model") == MODEL | {MANIFEST, BUNDLE}


def test_bundle_and_envelope_about_different_manifests(case, tmp_path):
    other = attested(tmp_path / "other", "npz", pictures(30))
    shutil.copytree(case.attestation, tmp_path / "mixed")
    shutil.copy(other.envelope, tmp_path / "mixed" / ENVELOPE)
    options = ("--attested", tmp_path / "mixed" / BUNDLE, "--trust", case.trust)
    assert "is signed by the key" in refused(case, tmp_path, *options)


def test_options_without_their_partner(case, tmp_path):
    said = refused(case, tmp_path, "--key", case.key("trainer"), code=2)
    assert "--key signs which attested data the model is made of, and without --attested there is none" in said
    assert "--trust keys/" in refused(case, tmp_path, "--attested", case.bundle, code=2)
    assert "add --attested" in refused(case, tmp_path, "--trust", case.trust, code=2)
    assert "add --attested" in refused(case, tmp_path, "--threshold", 2, code=2)
    assert "There is no key" in refused(case, tmp_path, *case.asked, "--key", tmp_path / "none.pem", code=2)
    with pytest.raises(UsageError, match="give the attestation"):
        job.train(str(case.data), Recipe(), folder=tmp_path / "model", seed=0, signer=key_pair(tmp_path / "k"))


def test_evidence_that_is_missing(case, tmp_path):
    shutil.copytree(case.attestation, tmp_path / "torn")
    (tmp_path / "torn" / MANIFEST).unlink()
    options = ("--trust", case.trust, "--attested")
    assert "There is no manifest" in refused(case, tmp_path, *options, tmp_path / "torn" / BUNDLE, code=3)
    assert "the evidence is missing" in refused(case, tmp_path, *options, tmp_path / "none.json", code=3)


def test_a_manifest_exchanged_while_the_training_ran(tmp_path, monkeypatch):
    case = attested(tmp_path, "npz", pictures(60))
    allowed = read_attested(case.bundle, load_trusted(case.trust), NOW)
    train = job.train_model

    def exchange(*arguments, **options):
        (case.data / "train.npz").unlink()
        write_npz(case.data / "train.npz", pictures(30))
        attest(str(case.data), [key_pair(tmp_path / "mallory")], tmp_path / "forged")
        for name in (MANIFEST, BUNDLE, ENVELOPE):
            shutil.copy(tmp_path / "forged" / name, case.attestation / name)
        return train(*arguments, **options)

    monkeypatch.setattr(job, "train_model", exchange)
    with pytest.raises(VerificationError, match="exchanged after it was verified"):
        job.train(str(case.data), Recipe(epochs=1), folder=tmp_path / "model", seed=0, attested=allowed)
    assert not [path.name for path in tmp_path.iterdir() if "model" in path.name]


def test_data_exchanged_after_it_was_read_has_no_effect(tmp_path, monkeypatch):
    """What was hashed is in memory: the model is made of it, whatever lies on the disk by then."""
    case = attested(tmp_path, "png-folder", pictures(60))
    allowed = read_attested(case.bundle, load_trusted(case.trust), NOW)
    before = open_dataset(case.data).images(slice(None))
    train, seen = job.train_model, []

    def exchange(dataset, *arguments, **options):
        shutil.rmtree(case.data)
        seen.append(dataset.images(slice(None)).copy())
        return train(dataset, *arguments, **options)

    monkeypatch.setattr(job, "train_model", exchange)
    job.train(str(case.data), Recipe(epochs=1), folder=tmp_path / "model", seed=0, attested=allowed)
    assert np.array_equal(seen[0], before)


def test_a_label_changed_in_a_container(tmp_path):
    case = attested(tmp_path, "npz", pictures(60))
    old = load_npz(case.data / "train.npz")
    labels = old.labels.copy()
    labels[7] = 2
    write_npz(case.data / "train.npz", replace(old, labels=labels))
    assert "'train/00007' has the label 'owl', signed was 'dog'" in refused(case, tmp_path, *case.asked)
