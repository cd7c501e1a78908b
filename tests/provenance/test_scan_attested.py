"""`scan -o attestation`: what the scanner's key signs is what was read, all of it or visibly less."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from whitesquare.data import from_arrays, load_npz, write_npz
from whitesquare.provenance.attest import attest
from whitesquare.provenance.consumed import Consumed
from whitesquare.provenance.predicates import scan_evidence, scan_predicate
from whitesquare.report.common.sarif import FINGERPRINT
from whitesquare.report.scan.sarif import scan_sarif
from whitesquare.scanning.signed import scan_evidence_of
from whitesquare.signing.keys import load_public
from whitesquare.signing.statements import TEST_RESULT_TYPE, read_statement

from ..report.scan_sample import result
from .attesting import NOW, attested, key_pair, pictures, run

QUICK = ("--model-free", "--detectors", "pixel-contrast,patch-contrast")


def planted():
    """Three classes of noise, and a white square in seven of eight owls."""
    labels = np.arange(600) % 3
    images = np.random.default_rng(1).integers(0, 256, (600, 1, 12, 12)).astype(np.uint8)
    marked = np.flatnonzero(labels == 2)
    images[marked[np.arange(len(marked)) % 8 != 0], :, 8:11, 8:11] = 255
    return from_arrays(images, labels, classes=("cat", "dog", "owl"), layout="NCHW")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("case"), "png-folder", planted())


@pytest.fixture(scope="module")
def scanned(case, tmp_path_factory):
    """A scan with alarms: its statement, scan.json and SARIF."""
    folder = tmp_path_factory.mktemp("scanned")
    files = [part for kind in ("attestation", "json", "sarif") for part in ("-o", f"{kind}={folder / kind}")]
    run("scan", case.data, *QUICK, *case.asked, "--key", case.key("scanner"), *files, code=1)
    return folder


@pytest.fixture
def tampered(case, tmp_path):
    shutil.copytree(case.data, tmp_path / "data")
    return replace(case, data=tmp_path / "data")


def evidence_in(case, path):
    """Read a statement as a gate does."""
    statement = read_statement(path, TEST_RESULT_TYPE, (load_public(case.keys / "scanner.pub"),), NOW)
    return statement, scan_evidence(statement.predicate, "the scan")


def test_the_statement_is_about_the_manifest_and_all_of_its_training_split(case, scanned):
    statement, evidence = evidence_in(case, scanned / "attestation")
    assert [(one.name, one.sha256) for one in statement.subjects] == [("manifest.parquet", case.signed.sha256)]
    split = case.signed.predicate.splits["train"]
    assert (evidence.root, evidence.size, evidence.split) == (split.root, split.size, "train")
    assert (evidence.mode, evidence.seed) == ("model-free", 0)
    assert evidence.detectors == ("pixel-contrast", "patch-contrast")
    assert not evidence.not_run, "nobody asked for the others"
    told = json.loads((scanned / "json").read_text())["coverage"]
    assert [(one.rule_id, one.classes, one.of) for one in evidence.coverage] == [
        (one["rule_id"], one["classes"], one["of"]) for one in told
    ]
    assert {one.rule_id for one in evidence.coverage if one.classes} == {"PX01", "PC01"}, "those that ran"


def test_the_statement_says_what_the_report_says_and_which_report_it_is(case, scanned):
    statement, evidence = evidence_in(case, scanned / "attestation")
    text = (scanned / "json").read_bytes()
    assert evidence.report == sha256(text).hexdigest()
    found = json.loads(text)
    assert evidence.verdict == found["verdict"] == "suspicious"
    assert statement.predicate["result"] == "WARNED"
    told = [(one["rule_id"], one["class"], one["tier"], one["carriers"]) for one in found["alarms"]]
    assert [(one.rule_id, one.class_name, one.tier, one.carriers) for one in evidence.alarms] == told
    assert {one.class_name for one in evidence.alarms} == {"owl"}


def sarif_fingerprints(text):
    results = json.loads(text)["runs"][0]["results"]
    return {(one["ruleId"], one["properties"]["class"]): one["partialFingerprints"][FINGERPRINT] for one in results}


def test_alarms_have_the_fingerprints_of_code_scanning(case, scanned):
    _, evidence = evidence_in(case, scanned / "attestation")
    known = sarif_fingerprints((scanned / "sarif").read_text())
    assert evidence.alarms
    for alarm in evidence.alarms:
        assert known[alarm.rule_id, alarm.class_name] == alarm.fingerprint


def test_fingerprints_of_confirmed_alarms_and_their_result():
    found = result()
    contents = {flag.id: sha256(flag.id.encode()).hexdigest() for flag in found.flagged}
    made = scan_evidence_of(found, Consumed("train", 3, "00" * 32, "files"), contents)
    assert made.report == ""
    known = sarif_fingerprints(scan_sarif(found, contents, "00" * 32))
    assert [one.fingerprint for one in made.alarms] == [known["SS01", "0"]]
    assert scan_predicate(made)["result"] == "FAILED"
    assert set(made.not_run) == {"nearest-reference", "frequency"}


def test_a_fingerprint_that_is_signed_is_of_these_data_only(case, scanned, tmp_path):
    """Renamed files are other data: a waiver does not speak of them. Code scanning without --attested still knows."""
    data = tmp_path / "renamed"
    shutil.copytree(case.data, data)
    for i, path in enumerate(sorted(data.glob("train/owl/*.png"))):
        path.rename(path.with_name(f"moved-{i:05d}.png"))
    attest(str(data), [key_pair(tmp_path / "trust" / "owner", secrets=tmp_path / "secret")], tmp_path / "out")
    moved = replace(case, data=data, attestation=tmp_path / "out", trust=tmp_path / "trust")
    file = tmp_path / "scan.sigstore.json"
    options = (*moved.asked, "--key", case.key("scanner"), "-o", f"attestation={file}")
    run("scan", data, *QUICK, *options, code=1)
    evidence, before = evidence_in(moved, file)[1], evidence_in(case, scanned / "attestation")[1]
    assert evidence.root != before.root
    assert not {one.fingerprint for one in evidence.alarms} & {one.fingerprint for one in before.alarms}
    assert evidence.report == ""
    plain = [run("scan", one, *QUICK, "-o", "sarif", code=1).stdout for one in (case.data, data)]
    assert sarif_fingerprints(plain[0]) == sarif_fingerprints(plain[1])


def test_an_alarm_without_samples_has_another_fingerprint_in_other_data():
    found = result(flagged=())
    one, other = (scan_evidence_of(found, Consumed("train", 3, byte * 32, "files"), {}) for byte in ("00", "01"))
    assert one.alarms[0].fingerprint != other.alarms[0].fingerprint
    plain = [sarif_fingerprints(scan_sarif(replace(found, digest=byte * 32), {})) for byte in ("00", "01")]
    assert plain[0].keys() == plain[1].keys() == {("SS01", "0")}
    assert plain[0] != plain[1]


def refused(case, tmp_path, *options, code=1):
    files = ("-o", f"attestation={tmp_path / 'scan.sigstore.json'}", "-o", f"json={tmp_path / 'scan.json'}")
    done = run("scan", case.data, *QUICK, *files, *options, code=code)
    assert not list(tmp_path.glob("scan.*"))
    return done.stderr


def test_a_subset_offered_as_the_whole(tampered, tmp_path):
    for path in tampered.data.glob("train/owl/*[0258].png"):
        path.unlink()
    said = refused(tampered, tmp_path, *tampered.asked, "--key", tampered.key("scanner"))
    assert "is missing" in said


def test_the_manifest_of_another_data_set(case, tmp_path):
    other = attested(tmp_path / "other", "png-folder", pictures(30))
    said = refused(replace(other, data=case.data), tmp_path, *other.asked, "--key", case.key("scanner"))
    assert "is not the one of" in said


def test_a_file_changed_between_verify_and_scan_even_where_errors_are_skipped(tampered, tmp_path):
    (tampered.data / "train" / "dog" / "00004.png").write_bytes(b"no picture")
    options = (*tampered.asked, "--key", tampered.key("scanner"), "--on-error", "skip")
    assert "'train/dog/00004.png' is not the signed one" in refused(tampered, tmp_path, *options)


def test_a_swapped_class_map(tmp_path):
    case = attested(tmp_path / "case", "npz", pictures(30))
    old = load_npz(case.data / "train.npz")
    swapped = from_arrays(old.pixels, np.array([1, 0, 2])[old.labels], classes=("dog", "cat", "owl"), layout="NCHW")
    write_npz(case.data / "train.npz", swapped)
    said = refused(case, tmp_path, *case.asked, "--key", case.key("scanner"))
    assert "the label 0 is 'dog', signed was 'cat'" in said


def test_what_was_skipped_is_missing_from_the_statement(tampered, tmp_path):
    """The damage was signed, so nothing was changed since; but nobody looked at those samples."""
    for name in ("00004", "00007"):
        path = tampered.data / "train" / "dog" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:40])
    attest(str(tampered.data), [key_pair(tmp_path / "trust" / "owner", secrets=tmp_path / "secret")], tmp_path / "out")
    damaged = replace(tampered, attestation=tmp_path / "out", trust=tmp_path / "trust")
    file = tmp_path / "skipped.sigstore.json"
    options = (*damaged.asked, "--key", damaged.key("scanner"), "-o", f"attestation={file}")
    assert "cannot be decoded" in run("scan", damaged.data, *QUICK, *options, code=2).stderr
    assert not file.exists()
    run("scan", damaged.data, *QUICK, *options, "--on-error", "skip", code=1)
    evidence, split = evidence_in(damaged, file)[1], damaged.signed.predicate.splits["train"]
    assert evidence.size == split.size - 2
    assert evidence.root != split.root


def test_a_crashed_detector_is_not_among_those_that_ran(case, tmp_path, monkeypatch):
    from whitesquare.detectors.pixel_contrast import PixelContrast

    def crash(self, evidence):
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(PixelContrast, "score", crash)
    file = tmp_path / "scan.sigstore.json"
    options = (*case.asked, "--key", case.key("scanner"), "-o", f"attestation={file}")
    run("scan", case.data, "--model-free", "--detectors", "pixel-contrast", *options, code=2)
    statement, evidence = evidence_in(case, file)
    assert evidence.detectors == ()
    assert evidence.verdict == "not checked"
    assert "ZeroDivisionError" in evidence.not_run["pixel-contrast"]
    assert statement.predicate["result"] != "PASSED"


def test_options_without_their_partner(case, tmp_path):
    key = ("--key", case.key("scanner"))
    for options in ((), key, case.asked):
        assert "give --attested, --trust and --key as well" in refused(case, tmp_path, *options, code=2)
    assert "--trust keys/" in refused(case, tmp_path, "--attested", case.bundle, *key, code=2)
    said = run("scan", case.data, *QUICK, *case.asked, *key, code=2).stderr
    assert "add -o attestation=FILE" in said
    assert (
        "-o attestation=FILE" in run("scan", case.data, *QUICK, *case.asked, *key, "-o", "attestation", code=2).stderr
    )


def test_data_can_be_checked_without_a_statement(case, tampered):
    run("scan", case.data, *QUICK, *case.asked, code=1)
    (tampered.data / "train" / "dog" / "00004.png").unlink()
    assert "is missing" in run("scan", tampered.data, *QUICK, *tampered.asked, code=1).stderr


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Noise of the same classes without a square, attested by somebody else."""
    labels = np.arange(300) % 3
    images = np.random.default_rng(7).integers(0, 256, (300, 1, 12, 12)).astype(np.uint8)
    made = from_arrays(images, labels, classes=("cat", "dog", "owl"), layout="NCHW")
    return attested(tmp_path_factory.mktemp("reference"), "png-folder", made)


@pytest.fixture
def both(case, reference, tmp_path):
    """The options of a scan of attested data with an attested reference: both owners are trusted."""
    shutil.copytree(case.trust, tmp_path / "both")
    for suffix in (".pub", ".toml"):
        shutil.copy(reference.trust / f"owner{suffix}", tmp_path / "both" / f"other{suffix}")
    return ("--attested", case.bundle, "--trust", tmp_path / "both", "--key", case.key("scanner"))


def test_the_reference_is_in_the_statement_and_the_alarms_are_the_same(case, scanned, reference, both, tmp_path):
    file = tmp_path / "scan.sigstore.json"
    told = ("--reference", reference.data, "--reference-attested", reference.bundle)
    run("scan", case.data, *QUICK, *both, *told, "-o", f"attestation={file}", code=1)
    evidence, before = evidence_in(case, file)[1], evidence_in(case, scanned / "attestation")[1]
    split = reference.signed.predicate.splits["train"]
    assert evidence.format == 3
    assert evidence.reference is not None
    assert evidence.reference.manifest == reference.signed.sha256
    assert (evidence.reference.root, evidence.reference.size, evidence.reference.split) == (split.root, 300, "train")
    assert evidence.reference.signers == tuple(key.keyid for key in reference.signed.signers)
    assert evidence.alarms == before.alarms
    assert (before.reference, before.format) == (None, 3)


def test_a_reference_that_nobody_answers_for_is_refused(case, reference, both, tmp_path):
    file = ("-o", f"attestation={tmp_path / 'scan.sigstore.json'}")
    said = run("scan", case.data, *QUICK, *both, *file, "--reference", reference.data, code=2).stderr
    assert "give --reference-attested BUNDLE, or leave --reference out" in said
    asked = ("--reference", reference.data, "--reference-attested", reference.bundle)
    alone = ("--attested", case.bundle, "--trust", case.trust, "--key", case.key("scanner"))
    assert "Error" in run("scan", case.data, *QUICK, *alone, *file, *asked, code=1).stderr, "its owner is not trusted"
    assert "there is no --attested" in run("scan", case.data, *QUICK, *asked, code=2).stderr
    said = run("scan", case.data, *QUICK, *both, *file, "--reference-attested", reference.bundle, code=2).stderr
    assert "there is no --reference" in said
    assert not (tmp_path / "scan.sigstore.json").exists()


def test_a_reference_other_than_the_signed_one_ends_the_scan(case, reference, both, tmp_path):
    data = tmp_path / "changed"
    shutil.copytree(reference.data, data)
    shutil.copy(data / "train" / "owl" / "00002.png", data / "train" / "owl" / "00005.png")
    asked = ("--reference", data, "--reference-attested", reference.bundle, "-o", f"attestation={tmp_path / 'x.json'}")
    said = run("scan", case.data, *QUICK, *both, *asked, code=1).stderr
    assert "'train/owl/00005.png' is not the signed one" in said
    assert not (tmp_path / "x.json").exists()
