"""The signed verdict: what the SLSA specification asks of it, and what a release refuses to go by.

The checks of the form are written from the text of the specification (slsa.dev, Verification Summary Attestation v1,
and the in-toto Statement v1), which has no published JSON schema.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from whitesquare.deciding import signed
from whitesquare.deciding.signed import sign_review
from whitesquare.errors import NothingToDoError, UsageError, VerificationError
from whitesquare.gating.collect import collect
from whitesquare.gating.expiry import expiry
from whitesquare.gating.release import NAMES, release
from whitesquare.gating.rules import decide
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import FAILED, PASSED
from whitesquare.gating.vsa import LEVELS, read_vsa, subject_of, trust_digest, vsa_predicate, write_vsa
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, REVIEW, SCAN, VSA
from whitesquare.provenance.state import StateFile
from whitesquare.provenance.types import ENVELOPE
from whitesquare.signing.dsse import encode_bundle, read_envelope, sign
from whitesquare.signing.statements import VSA_TYPE, Subject, encode_statement

from .world import ALARM, FULL, NOW, REVIEWED, World, digest, key, policy, scanned, signer, trusted

MODEL = "model.safetensors"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with every file that a release may hold: its decisions lie beside their statement."""
    made = World().write(tmp_path / "run")
    (made / REVIEW).unlink()
    monkeypatch.setattr(signed, "_ROOM", 0)
    sign_review(made / REVIEW, REVIEWED, signer("bob"))
    return made


def gated(run: Path, asked: Policy | None = None, by: str = "gate", now: datetime = NOW) -> Path:
    """Write the verdict of a run into it, as the command does."""
    asked = asked or policy()
    evidence = collect(run, trusted(), now)
    verdict = decide(asked, evidence, now)
    ends = expiry(verdict, asked, evidence, signer(by).keyid, now)
    write_vsa(run / VSA, vsa_predicate(verdict, asked, evidence, ends), subject_of(verdict, asked), signer(by))
    return run


def let_go(run: Path, to: Path, asked: Policy | None = None, keys: Any = None, now: datetime = NOW) -> tuple[str, ...]:
    """Release, with a memory of its own."""
    memory = StateFile(to.parent / "state" / "decided.json", True)
    return release(run, to, asked or policy(), trusted() if keys is None else keys, now, memory).files


def statement(run: Path) -> dict[str, Any]:
    return dict(json.loads(read_envelope((run / VSA).read_bytes(), "vsa").payload))


def is_descriptor(found: dict[str, Any]) -> None:
    assert re.fullmatch("[0-9a-f]{64}", found["digest"]["sha256"])
    assert found["uri"] == urlsplit(found["uri"]).geturl()
    assert found["uri"]


def check_form(found: dict[str, Any]) -> dict[str, Any]:
    """Check statement and predicate field by field, as the specifications describe them."""
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert [set(one) for one in found["subject"]] == [{"name", "digest"}]
    predicate = dict(found["predicate"])
    required = {"verifier", "timeVerified", "resourceUri", "policy", "verificationResult", "verifiedLevels"}
    optional = {"inputAttestations", "slsaVersion", "dependencyLevels"}
    extensions = set(predicate) - required - optional
    assert required <= set(predicate)
    assert all(urlsplit(name).scheme for name in extensions), "extension fields are named by URIs"
    assert urlsplit(predicate["verifier"]["id"]).scheme
    datetime.fromisoformat(predicate["timeVerified"])
    assert predicate["timeVerified"].endswith("Z")
    assert urlsplit(predicate["resourceUri"]).scheme
    is_descriptor(predicate["policy"])
    for one in predicate["inputAttestations"]:
        is_descriptor(one)
    assert re.fullmatch(r"\d+\.\d+", predicate["slsaVersion"])
    assert predicate["verificationResult"] in ("PASSED", "FAILED")
    assert predicate["verifiedLevels"]
    assert not any(level.startswith("SLSA_") for level in predicate["verifiedLevels"])
    assert (predicate["verifiedLevels"] == ["FAILED"]) is (predicate["verificationResult"] == "FAILED")
    return predicate


def test_a_passed_verdict_has_the_form_of_the_specification(run: Path) -> None:
    found = statement(gated(run))
    predicate = check_form(found)
    assert found["subject"] == [{"name": MODEL, "digest": {"sha256": digest(World().weights)}}]
    assert predicate["verificationResult"] == PASSED
    assert predicate["verifiedLevels"] == list(LEVELS.values())
    assert predicate["policy"] == {"uri": "policy.toml", "digest": {"sha256": policy().sha256}}
    value = base64.urlsafe_b64encode(bytes.fromhex(digest(World().weights))).decode().rstrip("=")
    assert predicate["resourceUri"] == f"ni:///sha-256;{value}"
    assert {one["uri"]: one["digest"]["sha256"] for one in predicate["inputAttestations"]} == {
        name: digest((run / name).read_bytes()) for name in (ENVELOPE, SCAN, REVIEW, PROVENANCE, MEASURE)
    }


def test_a_failed_verdict_has_it_too(tmp_path: Path) -> None:
    run = gated(World(scan=scanned(alarms=(ALARM,), verdict="suspicious")).write(tmp_path / "run"))
    predicate = check_form(statement(run))
    assert predicate["verificationResult"] == FAILED


def test_levels_are_only_of_what_was_asked(run: Path) -> None:
    gated(run, policy("[data]\n[measure]\nmin_clean_accuracy = 0.9\nattested_test = true"))
    assert check_form(statement(run))["verifiedLevels"] == ["WHITESQUARE_DATA_SIGNED", "WHITESQUARE_MODEL_MEASURED"]


def test_there_is_no_verdict_about_nothing(run: Path) -> None:
    (run / MODEL).unlink()
    with pytest.raises(NothingToDoError, match="nothing to sign"):
        gated(run)


def test_a_verdict_is_read_back(run: Path) -> None:
    summary = read_vsa(gated(run) / VSA, trusted(), NOW)
    assert (summary.result, summary.subject, summary.sha256) == (PASSED, MODEL, digest(World().weights))
    assert summary.files[MODEL] == summary.sha256
    assert summary.expires == NOW + timedelta(days=7)
    assert [one.name for one in summary.signers] == ["gate"]
    assert summary.verified == NOW


def test_which_keys_are_trusted_is_a_digest_of_all_that_matters() -> None:
    keys = trusted()
    assert trust_digest(keys) == trust_digest(tuple(reversed(keys)))
    for change in ({"role": "x"}, {"not_after": NOW}, {"not_before": NOW}):
        assert trust_digest((replace(keys[0], **change), *keys[1:])) != trust_digest(keys)
    assert trust_digest(keys[1:]) != trust_digest(keys)


def test_a_release_holds_the_model_its_evidence_and_the_verdict(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "out" / "release"
    copied = let_go(gated(run), to)
    assert set(copied) == set(NAMES)
    assert {path.name for path in to.iterdir()} == {*NAMES, "whitesquare.json"}
    assert all((to / name).read_bytes() == (run / name).read_bytes() for name in NAMES)
    again = let_go(run, to)
    assert again == copied


def test_a_release_is_itself_a_run_that_passes(run: Path, tmp_path: Path) -> None:
    let_go(gated(run), tmp_path / "release")
    assert decide(policy(), collect(tmp_path / "release", trusted(), NOW), NOW).result == PASSED


def test_files_the_verdict_does_not_know_stay_behind(run: Path, tmp_path: Path) -> None:
    (run / "notes.txt").write_text("x")
    let_go(gated(run), tmp_path / "release")
    assert not (tmp_path / "release" / "notes.txt").exists()


def refused(run: Path, to: Path, told: str, asked: Policy | None = None, keys: Any = None, now: datetime = NOW) -> None:
    with pytest.raises(VerificationError, match=re.escape(told)):
        let_go(run, to, asked, keys, now)
    assert not to.exists()
    assert not [path for path in to.parent.iterdir() if path.name.endswith((".part", ".old"))]


def test_without_a_verdict_nothing_leaves(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError):
        let_go(run, tmp_path / "release")


def test_behind_a_failed_verdict_nothing_leaves(tmp_path: Path) -> None:
    run = gated(World(scan=scanned(alarms=(ALARM,), verdict="suspicious")).write(tmp_path / "run"))
    refused(run, tmp_path / "release", "is 'FAILED'")


@pytest.mark.parametrize("name", [name for name in NAMES if name != VSA])
def test_a_file_that_changed_since_the_verdict_stops_the_release(run: Path, tmp_path: Path, name: str) -> None:
    gated(run)
    data = bytearray((run / name).read_bytes())
    data[0] ^= 1
    (run / name).write_bytes(bytes(data))
    refused(run, tmp_path / "release", f"{name} changed since the verdict")


def test_a_file_that_went_since_the_verdict_stops_the_release(run: Path, tmp_path: Path) -> None:
    (gated(run) / SCAN).unlink()
    refused(run, tmp_path / "release", f"{SCAN}, which the verdict rests on, is gone")


def test_a_verdict_signed_in_another_role(run: Path, tmp_path: Path) -> None:
    refused(gated(run, by="dave"), tmp_path / "release", "is signed by dave, not by a key of the role gate")


def test_a_verdict_by_a_stranger(run: Path, tmp_path: Path) -> None:
    refused(gated(run, by="mallory"), tmp_path / "release", "none of the 5 trusted ones")


def test_a_verdict_under_a_milder_policy(run: Path, tmp_path: Path) -> None:
    gated(run, policy(FULL.replace("min_version = 3", "min_version = 2")))
    refused(run, tmp_path / "release", "is about another policy")


def test_a_verdict_with_other_trusted_keys(run: Path, tmp_path: Path) -> None:
    gated(run)
    fewer = tuple(one for one in trusted() if one.name != "alice")
    refused(run, tmp_path / "release", "was given with other trusted keys", keys=fewer)


def test_an_old_verdict_and_one_of_the_future(run: Path, tmp_path: Path) -> None:
    gated(run)
    refused(run, tmp_path / "release", "one of the last 7 days counts", now=NOW + timedelta(days=7, seconds=1))
    refused(run, tmp_path / "release", "one of the last 7 days counts", now=NOW - timedelta(hours=1))
    let_go(run, tmp_path / "release", now=NOW + timedelta(days=7))


def test_the_gates_key_expired_since(run: Path, tmp_path: Path) -> None:
    gated(run)
    old = tuple(replace(one, not_after=NOW - timedelta(1)) if one == key("gate") else one for one in trusted())
    refused(run, tmp_path / "release", "expired", keys=old)


def test_another_gate(run: Path, tmp_path: Path) -> None:
    gated(run)
    predicate = statement(run)["predicate"]
    predicate["verifier"]["id"] = "https://example.org/other"
    resigned(run, predicate)
    refused(run, tmp_path / "release", "was given by 'https://example.org/other'")


def resigned(run: Path, predicate: Any, kind: str = VSA_TYPE, model: str = digest(World().weights)) -> None:
    payload = encode_statement([Subject(MODEL, model)], kind, predicate)
    (run / VSA).write_text(encode_bundle(sign(payload, [signer("gate")])))


def _files(change: Callable[[dict[str, str]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda predicate: change(predicate["https://whitesquare.dev/gate/v1"]["files"])


ODD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a path out of the folder": (_files(lambda files: files.update({"../../evil": "0" * 64})), "belong to no release"),
    "a file of another kind": (_files(lambda files: files.update({"run.sh": "0" * 64})), "belong to no release"),
    "no model": (_files(lambda files: files.pop(MODEL)), "names two different"),
    "a number for a digest": (_files(lambda files: files.update({MODEL: 3})), "no verdict of `whitesquare gate`"),
    "no extension": (lambda found: found.pop("https://whitesquare.dev/gate/v1"), "no verdict of `whitesquare gate`"),
    "no time": (lambda found: found.update(timeVerified="yesterday"), "no verdict of `whitesquare gate`"),
    "a list for a policy": (lambda found: found.update(policy=[]), "no verdict of `whitesquare gate`"),
    "another result": (lambda found: found.update(verificationResult="passed"), "is 'passed'"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_verdict_that_only_looks_like_one(run: Path, tmp_path: Path, name: str) -> None:
    change, told = ODD[name]
    predicate = statement(gated(run))["predicate"]
    change(predicate)
    resigned(run, predicate)
    refused(run, tmp_path / "release", told)


def test_a_verdict_about_another_model(run: Path, tmp_path: Path) -> None:
    predicate = statement(gated(run))["predicate"]
    resigned(run, predicate, model="99" * 32)
    refused(run, tmp_path / "release", "names two different")


def test_a_statement_of_another_kind(run: Path, tmp_path: Path) -> None:
    resigned(run, {}, kind="https://slsa.dev/provenance/v1")
    refused(run, tmp_path / "release", "states 'https://slsa.dev/provenance/v1'")


def test_one_bit_of_the_verdict_flipped(run: Path, tmp_path: Path) -> None:
    whole = (gated(run) / VSA).read_bytes()
    for position in range(0, len(whole), len(whole) // 100):
        changed = bytearray(whole)
        changed[position] ^= 1
        (run / VSA).write_bytes(bytes(changed))
        with pytest.raises(VerificationError):
            let_go(run, tmp_path / "release")


def test_a_folder_of_somebody_else_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    with pytest.raises(UsageError, match="was not written by whitesquare"):
        let_go(gated(run), tmp_path / "theirs", policy(FULL))
    assert (tmp_path / "theirs" / "file").read_text() == "x"


@pytest.mark.parametrize("kind", ["model", "run", "attestation", None])
def test_a_folder_of_ours_that_is_no_release_is_left_alone(run: Path, tmp_path: Path, kind: str | None) -> None:
    """A training run took hours; a release that is told the wrong folder does not take its place."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / MODEL).write_text("x")
    (theirs / "whitesquare.json").write_text(json.dumps({"kind": kind, "names": [MODEL]}))
    with pytest.raises(UsageError, match=f"is of the kind {kind!r}, and only one of the kind 'release' is replaced"):
        let_go(gated(run), theirs)
    assert (theirs / MODEL).read_text() == "x"
    assert {path.name for path in theirs.iterdir()} == {MODEL, "whitesquare.json"}
