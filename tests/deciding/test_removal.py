"""Who signs what was removed answers for it: the copy, the list, the scan and the decisions are held together."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.gate.world import NOW, edited, keyring, signer, trusted
from whitesquare.auditing.compose import compose
from whitesquare.auditing.evidence import gather
from whitesquare.auditing.types import Dossier, DossierStatement
from whitesquare.cli import app
from whitesquare.deciding.findings import ScanFile, read_scan_file
from whitesquare.errors import DataError
from whitesquare.jobs.cleanse import cleanse
from whitesquare.jobs.review import decide
from whitesquare.provenance.attest import attest
from whitesquare.provenance.evidence import REMOVED, REMOVED_REPORT
from whitesquare.signing.times import to_text, utc_now

from .scans import write_folder, write_scan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cleansed copy, signed by bob, and a run folder in which its evidence lies."""
    top = tmp_path_factory.mktemp("removal")
    photos = write_folder(top / "photos")
    scan = write_scan(top / "scan.json", photos, {"cat/0.png": "confirmed", "cat/1.png": "confirmed"})
    decide(scan, ["cat/0.png"], "remove", by="ann")
    decide(scan, ["cat/1.png"], "relabel", by="ann", label="owl")
    cleanse(str(photos), scan, top / "cleaned", decisions=scan.with_name("decisions.jsonl"), signer=signer("bob"))
    attest(top / "cleaned", [signer("alice")], top / "run")
    for name in (REMOVED, REMOVED_REPORT):
        shutil.copy(top / "cleaned" / name, top / "run")
    (top / "run" / "before").mkdir()
    shutil.copy(scan, top / "run" / "before" / "scan.json")
    return top


@pytest.fixture
def top(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "made"))


def told(run: Path) -> Dossier:
    return compose(gather(run, trusted(), utc_now()), to_text(NOW))


def statement(run: Path, name: str) -> DossierStatement:
    return next(one for one in told(run).statements if one.id == name)


def verify(data: Path, bundle: Path, code: int, *more: str) -> str:
    words = ["verify", str(data), "--bundle", str(bundle), "--trust", str(keyring() / "trusted"), *more]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == code, found.output
    return " ".join((found.stdout if "json" in more else found.output).split())


def test_the_copy_is_what_was_kept(made: Path) -> None:
    text = verify(made / "cleaned", made / "cleaned" / REMOVED, 0)
    assert "1 sample was removed, by what people decided" in text
    assert "The data are what was kept, sample by sample: 11 samples of the split \u201ctrain\u201d." in text
    record = json.loads(verify(made / "cleaned", made / "cleaned" / REMOVED, 0, "-o", "json"))
    assert record["ok"]
    assert record["signers"] == ["bob"]
    removed = json.loads((made / "cleaned" / REMOVED_REPORT).read_text())
    said = record["said"]
    assert (said["dataset"], said["scan"]) == (removed["source_digest"], removed["scan_digest"])
    assert said["decisions"] == hashlib.sha256((made / "decisions.jsonl").read_bytes()).hexdigest()
    assert said["removed"] == len(removed["removed"]) == 1


def test_a_scan_that_changes_under_its_decisions_is_not_signed(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(scan: Path) -> ScanFile:
        scan.write_text(scan.read_text() + "\n")
        return read_scan_file(scan)

    monkeypatch.setattr("whitesquare.jobs.cleanse.read_scan_file", late)
    decisions = top / "decisions.jsonl"
    with pytest.raises(DataError, match="changed while it was read"):
        cleanse(str(top / "photos"), top / "scan.json", tmp_path / "out", decisions=decisions, signer=signer("bob"))
    assert not (tmp_path / "out").exists()


def test_the_data_of_before_are_not(made: Path) -> None:
    assert "12 samples with the root" in verify(made / "photos", made / "cleaned" / REMOVED, 1)


@pytest.mark.parametrize("spoiled", ["pixels", "label", "one more", "one more beside a list", "one less", "the list"])
def test_what_was_changed_since_is_told(top: Path, spoiled: str) -> None:
    copy = top / "cleaned"
    dog, owl = (next((copy / name).glob("*.png")) for name in ("dog", "owl"))
    if spoiled == "pixels":
        dog.write_bytes(owl.read_bytes())
    elif spoiled == "label":
        dog.rename(owl.with_name("other.png"))
    elif spoiled.startswith("one more"):
        if spoiled == "one more beside a list":
            names = [path.relative_to(copy).as_posix() for path in sorted(copy.rglob("*.png"))]
            lines = ["file_name,label", *(f"{name},{name.partition('/')[0]}" for name in names)]
            (copy / "metadata.csv").write_text("\n".join(lines))
        shutil.copy(dog, copy / "cat" / "more.png")
    elif spoiled == "one less":
        dog.unlink()
    else:
        edited(copy / REMOVED_REPORT, lambda record: record["removed"].clear())
    said = verify(copy, copy / REMOVED, 1)
    assert ("is not what was kept" in said) == (spoiled != "the list")
    assert ("removed.json is not the one that was signed" in said) == (spoiled == "the list")


def test_a_statement_by_nobody_who_is_trusted_or_that_was_changed_says_nothing(top: Path) -> None:
    copy = top / "cleaned"
    edited(copy / REMOVED, lambda record: record["dsseEnvelope"].update(payload="e30="))
    assert "is wrong" in verify(copy, copy / REMOVED, 1)
    (copy / REMOVED).write_bytes((top / "run" / "manifest.sigstore.json").read_bytes())
    assert "expected https://whitesquare.dev/attestations/removed/v1" in verify(copy, copy / REMOVED, 1)
    (copy / REMOVED).unlink()
    verify(copy, copy / REMOVED, 3)


def test_keys_of_other_roles_or_too_few_answer_for_nothing(made: Path, tmp_path: Path) -> None:
    copy, statement = made / "cleaned", made / "cleaned" / REMOVED
    verify(copy, statement, 0, "--signatures", "review=1")
    assert "keys of the role data only" in verify(copy, statement, 1, "--signatures", "data=1")
    assert "2 must sign" in verify(copy, statement, 1, "--threshold", "2")
    cleanse(str(made / "photos"), made / "scan.json", tmp_path / "out", signer=signer("gate"))
    assert "signatures count here by keys of the role" in verify(tmp_path / "out", tmp_path / "out" / REMOVED, 1)
    verify(tmp_path / "out", tmp_path / "out" / REMOVED, 0, "--signatures", "gate=1")


@pytest.mark.parametrize("asked", [("--dataset", "urn:x"), ("--manifest", "0" * 64), ("--min-version", "2")])
def test_what_it_cannot_say_is_not_passed_over(made: Path, asked: tuple[str, str]) -> None:
    assert f"{asked[0]} says nothing of" in verify(made / "cleaned", made / "cleaned" / REMOVED, 2, *asked)


def test_a_dossier_says_that_the_signed_data_are_what_was_kept(made: Path) -> None:
    kept, samples, scan = (statement(made / "run", f"removed.{name}") for name in ("kept", "samples", "scan"))
    assert kept.shown
    assert "sample by sample: 11 samples" in kept.text
    assert kept.signed
    assert samples.signed
    assert scan.signed, "the statement names the scan of before, so its signer vouches for it"
    assert REMOVED not in {one.name for one in told(made / "run").problems}


@pytest.mark.parametrize("spoiled", ["unsigned", "list", "scan", "other data", "tampered"])
def test_a_dossier_believes_no_statement_that_does_not_hold(top: Path, spoiled: str) -> None:
    run = top / "run"
    if spoiled == "unsigned":
        (run / REMOVED).unlink()
    elif spoiled == "list":
        edited(run / REMOVED_REPORT, lambda record: record.update(tier="review"))
    elif spoiled == "scan":
        edited(run / "before" / "scan.json", lambda record: record.update(size=13))
    elif spoiled == "other data":
        attest(top / "photos", [signer("alice")], top / "other")
        for file in (top / "other").glob("manifest.*"):
            shutil.copy(file, run)
    else:
        edited(run / REMOVED, lambda record: record["dsseEnvelope"].update(payload="e30="))
    kept, samples = statement(run, "removed.kept"), statement(run, "removed.samples")
    assert kept.shown == (spoiled == "scan")
    assert samples.shown
    assert samples.signed == (spoiled in ("scan", "other data"))
    if spoiled == "scan":
        assert not statement(run, "removed.scan").shown
    if spoiled == "other data":
        assert "they differ in train" in kept.text
    problems = {one.name for one in told(run).problems}
    assert (REMOVED in problems) == (spoiled in ("list", "tampered"))


def test_a_copy_by_tiers_of_the_scan_can_be_signed_too(tmp_path: Path, made: Path) -> None:
    key, scan = keyring() / "bob.pem", made / "scan.json"
    words = ["cleanse", made / "photos", "--scan", scan, "--key", key, "-o", tmp_path / "out"]
    found = CliRunner().invoke(app, list(map(str, words)))
    assert found.exit_code == 0, found.output
    assert REMOVED in found.output.replace("\n", "")
    assert "2 samples were removed, by the tiers of the scan" in verify(tmp_path / "out", tmp_path / "out" / REMOVED, 0)
