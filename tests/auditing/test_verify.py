"""Verifying a dossier: whatever was changed, removed, added or invented is named, and nothing but the truth passes."""

import json
import shutil
from dataclasses import asdict, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from tests.gate.world import NOW, TRAINED, World, keyring, signer, trusted
from whitesquare._base.files import write_text
from whitesquare.auditing.compose import compose, dossier_json, fingerprint, predicate_of
from whitesquare.auditing.evidence import gather
from whitesquare.auditing.types import DOSSIER_TYPE, Dossier
from whitesquare.auditing.verify import ADDED, CHANGED, MISSING, SAME, UNREADABLE, DossierCheck, verify_dossier
from whitesquare.errors import DataError, NothingToDoError, UsageError, VerificationError, WhitesquareError
from whitesquare.jobs.dossier import dossier
from whitesquare.provenance.evidence import DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED, SCAN_REPORT
from whitesquare.records import CARD
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.statements import Subject, write_statement

from .made import full_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = full_run(tmp_path_factory.mktemp("whole") / "run")
    dossier(run, trusted(), signer=signer("bob"), now=NOW)
    return run


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of a run with its signed dossier, to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def check(run: Path, file: str = DOSSIER) -> DossierCheck:
    return verify_dossier(run / file, None, trusted(), NOW)


@pytest.mark.parametrize("file", [DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED])
def test_an_untouched_dossier_verifies_by_any_of_its_files(whole: Path, file: str) -> None:
    found = check(whole, file)
    assert found.ok
    assert not found.differing
    assert [(key.name, key.role) for key in found.signers] == [("bob", "review")]
    assert {one.state for one in found.files} == {SAME}
    names = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert {one.name for one in found.files} == names - {DOSSIER_SIGNED}


def test_it_verifies_elsewhere_beside_a_copy_of_the_run(whole: Path, tmp_path: Path) -> None:
    for name in (DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED):
        shutil.copy(whole / name, tmp_path)
    assert verify_dossier(tmp_path / DOSSIER, whole, trusted(), NOW).ok


@pytest.mark.long
def test_every_file_that_it_rests_on_is_named_when_a_bit_of_it_changes_or_it_goes(whole: Path, run: Path) -> None:
    known = json.loads((whole / DOSSIER).read_text())["files"]
    assert len(known) > 15
    for name in [one["name"] for one in known] + [DOSSIER, DOSSIER_PAGE]:
        before = (run / name).read_bytes()
        changed = bytearray(before)
        changed[len(changed) // 2] ^= 1
        (run / name).write_bytes(changed)
        found = check(run)
        assert not found.ok, name
        assert not found.only_missing, name
        assert [one.name for one in found.files if one.state == CHANGED] == [name]
        (run / name).unlink()
        gone = check(run) if name != DOSSIER else check(run, DOSSIER_SIGNED)
        assert [one.name for one in gone.files if one.state == MISSING] == [name]
        assert gone.only_missing, name
        (run / name).write_bytes(before)
    assert check(run).ok


def test_a_folder_where_a_file_was_is_named(run: Path) -> None:
    (run / CARD).unlink()
    (run / CARD).mkdir()
    found = check(run)
    assert [one.state for one in found.files if one.name == CARD] == [UNREADABLE]
    assert not found.only_missing


def test_what_does_not_follow_any_more_is_named_with_what_would_be_said_now(run: Path) -> None:
    (run / SCAN_REPORT).write_text("{}")
    found = check(run)
    said = {one.id: one for one in found.differing}
    assert "5 detectors of 7" in said["looked.detectors"].said
    assert said["looked.detectors"].now.startswith("Not shown: ")


def test_evidence_that_came_later_is_named(run: Path) -> None:
    (run / "removed.json").rename(run / "away.json")
    dossier(run, trusted(), signer=signer("bob"), now=NOW)
    assert check(run).ok
    (run / "away.json").rename(run / "removed.json")
    found = check(run)
    assert [one.name for one in found.wrong] == ["removed.json"]
    assert found.wrong[0].state == ADDED
    assert "removed.samples" in {one.id for one in found.differing}


def test_one_changed_byte_of_the_signed_statement_is_no_statement(run: Path) -> None:
    signed = (run / DOSSIER_SIGNED).read_bytes()
    for at in range(0, len(signed), 97):
        changed = bytearray(signed)
        changed[at] ^= 2
        (run / DOSSIER_SIGNED).write_bytes(changed)
        try:
            found = check(run)
        except WhitesquareError:
            continue
        assert json.loads(bytes(changed)) == json.loads(signed), "only white space may change"
        assert found.ok


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_damaged_signature_is_an_error_and_never_a_pass(run: Path, content: bytes) -> None:
    (run / DOSSIER_SIGNED).write_bytes(content)
    with pytest.raises(VerificationError):
        check(run)


def test_a_signature_by_a_key_that_is_not_trusted(whole: Path) -> None:
    others = [key for key in trusted() if key.name != "bob"]
    with pytest.raises(VerificationError, match="none of the 4 trusted ones"):
        verify_dossier(whole / DOSSIER, None, others, NOW)
    with pytest.raises(UsageError, match="is none of the 5 trusted ones"):
        dossier(whole, trusted(), signer=signer("mallory"), now=NOW)
    with pytest.raises(UsageError, match="none of the 0 trusted"):
        dossier(whole, (), signer=signer("bob"), now=NOW)


def test_a_dossier_of_another_run(whole: Path, tmp_path: Path) -> None:
    other = World(training=replace(TRAINED, seed=5)).write(tmp_path / "other")
    found = verify_dossier(whole / DOSSIER, other, trusted(), NOW)
    assert not found.ok
    assert {"provenance.sigstore.json", SCAN_REPORT} <= {one.name for one in found.wrong}
    assert "removed.json" in {one.name for one in found.missing}


def forged(run: Path, change: dict[str, object]) -> None:
    """Sign, with a trusted key, a dossier that says something else."""
    said = replace(compose(gather(run, trusted(), NOW), "2026-06-01T12:00:00.000000Z"), **change)  # type: ignore[arg-type]
    said = replace(said, fingerprint=fingerprint(said))
    sign(run, said)


def sign(run: Path, said: Dossier, **files: str) -> None:
    write_text(run / DOSSIER, dossier_json(said))
    subjects = [Subject(name, sha256((run / name).read_bytes()).hexdigest()) for name in (DOSSIER, DOSSIER_PAGE)]
    predicate = asdict(predicate_of(said))
    predicate["files"] |= files
    write_statement(run / DOSSIER_SIGNED, subjects, DOSSIER_TYPE, predicate, signer("bob"))


def test_a_statement_that_a_trusted_key_made_up_is_named(run: Path) -> None:
    said = compose(gather(run, trusted(), NOW), "2026-06-01T12:00:00.000000Z")
    better = tuple(
        replace(one, text="The gate said PASSED of this model.") if one.id == "verdict.gate" else one
        for one in said.statements
    )
    forged(run, {"statements": better})
    found = check(run)
    assert [one.id for one in found.differing] == ["verdict.gate"]
    assert "FAILED" in found.differing[0].now
    assert not found.ok
    assert not found.only_missing


def test_a_statement_that_was_left_out_is_named(run: Path) -> None:
    said = compose(gather(run, trusted(), NOW), "2026-06-01T12:00:00.000000Z")
    forged(run, {"statements": said.statements[:-1]})
    assert [one.id for one in check(run).differing] == ["verdict.gate"]


def test_a_headline_that_was_made_up_is_named(run: Path) -> None:
    forged(run, {"headline": "All is well."})
    assert [one.id for one in check(run).differing] == ["headline"]


def test_a_dossier_of_another_version_is_held_against_its_digests_alone(run: Path) -> None:
    forged(run, {"tool": "whitesquare 0.0.9", "headline": "As that version had it."})
    found = check(run)
    assert found.ok
    assert found.other_version == "whitesquare 0.0.9"
    (run / CARD).write_text("{}")
    assert [one.name for one in check(run).wrong] == [CARD]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a\\b", "a//b", "./a"])
def test_a_dossier_reads_no_file_outside_the_run(run: Path, name: str) -> None:
    said = compose(gather(run, trusted(), NOW), "2026-06-01T12:00:00.000000Z")
    sign(run, said, **{name: "00" * 32})
    with pytest.raises(VerificationError, match="none below a run folder"):
        check(run)


def test_a_dossier_from_the_future_is_refused(whole: Path) -> None:
    with pytest.raises(VerificationError, match="still to come"):
        verify_dossier(whole / DOSSIER, None, trusted(), NOW - timedelta(days=1))


def test_an_unsigned_dossier_is_held_against_its_files_and_is_not_verified(run: Path) -> None:
    dossier(run, trusted(), now=NOW)
    assert not (run / DOSSIER_SIGNED).exists(), "the signature of the dossier before is not about this one"
    found = check(run)
    assert not found.ok
    assert found.only_missing
    assert not found.differing
    with pytest.raises(NothingToDoError, match="nobody vouches"):
        check(run, DOSSIER_PAGE)
    (run / CARD).write_text("{}")
    assert not check(run).only_missing
    (run / DOSSIER).write_text("{")
    with pytest.raises(DataError):
        check(run)


def test_an_unsigned_dossier_that_was_edited_is_found_out_by_its_fingerprint(run: Path) -> None:
    dossier(run, trusted(), now=NOW)
    text = (run / DOSSIER).read_text()
    (run / DOSSIER).write_text(text.replace("FAILED", "PASSED"))
    with pytest.raises(VerificationError, match="fingerprint"):
        check(run)


def test_what_the_reader_calls_the_keys_is_the_reader_s_own_affair(whole: Path, tmp_path: Path) -> None:
    for path in (keyring() / "trusted").iterdir():
        shutil.copy(path, tmp_path / f"their-{path.name}")
    found = verify_dossier(whole / DOSSIER, None, load_trusted(tmp_path), NOW)
    assert found.ok
    assert found.signers[0].name == "their-bob"


def test_a_key_in_another_role_says_something_else(whole: Path) -> None:
    keys = [replace(key, role="data") if key.name == "dave" else key for key in trusted()]
    found = verify_dossier(whole / DOSSIER, None, keys, NOW)
    assert not found.ok


def test_there_must_be_a_dossier_and_a_run(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no dossier"):
        verify_dossier(tmp_path / "none.json", None, trusted(), NOW)
    with pytest.raises(UsageError, match="no run folder"):
        verify_dossier(whole / DOSSIER, tmp_path / "nowhere", trusted(), NOW)


def test_two_that_are_signed_and_contradict_each_other(run: Path) -> None:
    said = compose(gather(run, trusted(), NOW), "2026-06-01T12:00:00.000000Z")
    write_text(run / DOSSIER, dossier_json(said))
    subjects = [Subject(name, sha256((run / name).read_bytes()).hexdigest()) for name in (DOSSIER, DOSSIER_PAGE)]
    other = predicate_of(replace(said, fingerprint="00" * 32))
    write_statement(run / DOSSIER_SIGNED, subjects, DOSSIER_TYPE, asdict(other), signer("bob"))
    with pytest.raises(VerificationError, match="different fingerprints"):
        check(run)
