"""What an attacker with the run folder would try between the verdict and the release, and after it."""

import os
import resource
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from whitesquare.errors import DataError, NothingToDoError, UsageError, VerificationError
from whitesquare.gating import collect as collecting
from whitesquare.gating import release as releasing
from whitesquare.gating.collect import collect
from whitesquare.gating.expiry import expiry
from whitesquare.gating.memory import Decision, accept, memory_file, record
from whitesquare.gating.release import release
from whitesquare.gating.rules import decide
from whitesquare.gating.types import FAILED, PASSED
from whitesquare.gating.vsa import read_vsa, subject_of, vsa_predicate, write_vsa
from whitesquare.provenance.evidence import MEASURE, REVIEW, SCAN, SCAN_REPORT, VSA
from whitesquare.provenance.state import VARIABLE, StateFile
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.signing.times import to_text

from .test_vsa import gated, resigned, statement
from .test_waivers import alarmed, waiver
from .world import (
    ALARM,
    ALARM_KEY,
    DATASET,
    FULL,
    NOW,
    REPORT,
    ROWS,
    UNREVIEWED,
    World,
    at,
    digest,
    good,
    policy,
    reviewed,
    said,
    scanned,
    signer,
    trusted,
)

MODEL, CARD, VICTIM = "model.safetensors", "model.json", "victim.json"
DAY = timedelta(days=1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return World().write(tmp_path / "run")


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "state" / "decided.json", True)


def decided(run: Path, state: StateFile, text: str = FULL, now: datetime = NOW) -> str:
    """Decide, remember and sign, as `gate --key` does."""
    asked = policy(text)
    evidence = collect(run, trusted(), now)
    verdict = decide(asked, evidence, now)
    subject = subject_of(verdict, asked)
    record(state, subject.sha256, Decision(verdict.decided, verdict.result, asked.sha256))
    ends = expiry(verdict, asked, evidence, signer("gate").keyid, now)
    write_vsa(run / VSA, vsa_predicate(verdict, asked, evidence, ends), subject, signer("gate"))
    return verdict.result


def let_go(run: Path, state: StateFile, text: str = FULL, now: datetime = NOW, keys: Any = None) -> set[str]:
    to = run.parent / "released"
    keys = trusted() if keys is None else keys
    return set(release(run, to, policy(text), keys, now, state).files)


def refused(run: Path, state: StateFile, told: str, text: str = FULL, now: datetime = NOW, keys: Any = None) -> None:
    with pytest.raises(VerificationError, match=told):
        let_go(run, state, text, now, keys)
    assert not (run.parent / "released").exists()


@pytest.mark.parametrize("place", [".", "sub"])
def test_a_run_is_not_released_over_itself(run: Path, state: StateFile, place: str) -> None:
    with pytest.raises(UsageError, match="name another folder"):
        release(run, run / place, policy(FULL), trusted(), NOW, state)


def test_a_manifest_that_is_exchanged_after_it_was_verified(
    run: Path, state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest in the verdict is of the bytes that were verified, so that the other ones are never released."""
    verified = collecting.check_dataset

    def exchange(*arguments: Any) -> Any:
        found = verified(*arguments)
        (run / MANIFEST).write_bytes(b"other rows")
        return found

    monkeypatch.setattr(collecting, "check_dataset", exchange)
    assert decided(run, state, UNREVIEWED) == PASSED
    monkeypatch.undo()
    assert read_vsa(run / VSA, trusted(), NOW).files[MANIFEST] == digest(ROWS)
    refused(run, state, "manifest.parquet changed since the verdict", UNREVIEWED)


def test_every_statement_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(path.name) or read(path))
    collect(run, trusted(), NOW)
    assert sorted(seen) == sorted({name for name in seen if name.endswith(".json")})
    assert len(seen) == 7


def test_a_report_that_nobody_signed(tmp_path: Path, state: StateFile) -> None:
    run = World(scan=scanned(report="")).write(tmp_path / "run")
    (run / SCAN_REPORT).write_text('{"verdict": "nothing found", "forged": true}')
    assert decided(run, state, UNREVIEWED) == PASSED
    assert let_go(run, state, UNREVIEWED).isdisjoint({SCAN_REPORT})
    assert not (tmp_path / "released" / SCAN_REPORT).exists()
    verdict = decide(policy(UNREVIEWED), collect(run, trusted(), NOW), NOW)
    assert verdict.left_out == (SCAN_REPORT, REVIEW)


def test_figures_that_nobody_measured(run: Path, state: StateFile) -> None:
    assert decided(run, state) == PASSED
    assert VICTIM in let_go(run, state)
    (run / VICTIM).write_text('{"asr": 0}')
    assert decided(run, state) == PASSED
    assert VICTIM not in let_go(run, state)
    assert not (run.parent / "released" / VICTIM).exists()


def test_a_card_that_nobody_signed(tmp_path: Path, state: StateFile) -> None:
    """Provenance of before the card was signed: the weights are vouched for, and nothing says what they answer."""
    text = FULL[: FULL.index("[measure]")]
    run = World(card_signed=False).write(tmp_path / "run")
    assert decided(run, state, text) == PASSED
    assert let_go(run, state, text).isdisjoint({CARD, VICTIM, MEASURE})


def test_a_bundle_that_was_exchanged_for_another_with_the_same_payload(run: Path, state: StateFile) -> None:
    decided(run, state)
    (run / BUNDLE).write_bytes((run / BUNDLE).read_bytes() + b"\n")
    refused(run, state, f"{BUNDLE} changed since the verdict")


def test_any_file_as_the_model_of_a_policy_that_only_asks_for_data(run: Path, state: StateFile) -> None:
    text = '[data]\n[scan]\nrequire_detectors = ["strip"]\n'
    (run / MODEL).write_text("no model at all")
    assert decided(run, state, text) == PASSED
    found = statement(run)
    assert found["subject"] == [{"name": MANIFEST, "digest": {"sha256": digest(ROWS)}}]
    assert found["predicate"]["verifiedLevels"] == ["WHITESQUARE_DATA_SIGNED", "WHITESQUARE_DATA_SCANNED"]
    assert MODEL not in read_vsa(run / VSA, trusted(), NOW).files
    refused(run, state, "no rule of the policy covers the weights", text)
    (run / MODEL).unlink()
    assert decided(run, state, text) == PASSED


def test_nothing_is_signed_about_data_that_nobody_can_trust(run: Path, state: StateFile) -> None:
    (run / MANIFEST).unlink()
    with pytest.raises(NothingToDoError, match=r"manifest\.parquet"):
        decided(run, state, "[data]\n")


ENDS = {
    "the waiver": (NOW.replace(hour=23, minute=59, second=59, microsecond=999999) + DAY, {}),
    "the attestation": (NOW + 2 * DAY, {"dataset": replace(DATASET, expires=to_text(NOW + 2 * DAY))}),
    "the scan": (NOW + 3 * DAY, {"scan": scanned(finished=to_text(NOW - 27 * DAY))}),
    "the decisions": (
        NOW + 5 * DAY,
        {"review": reviewed(dict.fromkeys(("003", "005"), said("keep", "bob", at=at(days=25))), REPORT)},
    ),
    "the measurement": (NOW + 4 * DAY, {"measure": replace(World().measure, finished=to_text(NOW - 86 * DAY))}),
}


@pytest.mark.parametrize("what", ENDS)
def test_a_verdict_ends_with_the_first_thing_it_rests_on(tmp_path: Path, state: StateFile, what: str) -> None:
    ends, changes = ENDS[what]
    text = FULL
    if what == "the waiver":
        changes, text = {"scan": alarmed().scan.value}, FULL + waiver(ALARM_KEY, "2026-06-02")
    run = World(**changes).write(tmp_path / "run")
    assert decided(run, state, text) == PASSED
    assert read_vsa(run / VSA, trusted(), NOW).expires == ends
    refused(run, state, "holds until", text, now=ends + timedelta(seconds=1))
    assert MODEL in let_go(run, state, text, now=ends)


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave", "gate"])
def test_a_verdict_ends_with_the_first_of_its_keys(run: Path, name: str) -> None:
    keys = tuple(replace(one, not_after=NOW + DAY) if one.name == name else one for one in trusted())
    evidence = collect(run, keys, NOW)
    verdict = decide(policy(), evidence, NOW)
    assert expiry(verdict, policy(), evidence, signer("gate").keyid, NOW) == NOW + DAY


def test_a_policy_that_means_for_ever_is_no_crash(run: Path, state: StateFile) -> None:
    text = FULL + "[release]\nmax_age_days = 1e300\n"
    assert decided(run, state, text) == PASSED
    assert MODEL in let_go(run, state, text)


def test_a_waiver_that_ended_stops_a_release_whatever_the_verdict_says(tmp_path: Path, state: StateFile) -> None:
    """The evidence is judged anew: a verdict that claims to hold for longer does not help."""
    text = FULL + waiver(ALARM_KEY, "2026-06-02")
    run = World(scan=alarmed().scan.value).write(tmp_path / "run")
    assert decided(run, state, text) == PASSED
    predicate = statement(run)["predicate"]
    predicate["https://whitesquare.dev/gate/v1"]["expires"] = to_text(NOW + 300 * DAY)
    resigned(run, predicate)
    refused(run, state, "today it would be FAILED. scan-alarms: ", text, now=NOW + 2 * DAY)
    refused(run, state, "this model was FAILED", text, now=NOW)


def test_a_verdict_of_a_version_that_did_not_say_when_it_ends(run: Path, state: StateFile) -> None:
    predicate = statement(gated(run))["predicate"]
    del predicate["https://whitesquare.dev/gate/v1"]["expires"]
    resigned(run, predicate)
    refused(run, state, "does not say until when it holds.* run `whitesquare gate` again")


@pytest.mark.parametrize("name", [MODEL, MANIFEST, SCAN])
def test_a_file_larger_than_the_disk_is_not_copied(run: Path, state: StateFile, name: str) -> None:
    """Exchanged for a large one after the verdict: the release refuses it before a byte of it is written."""
    gated(run)
    os.truncate(run / name, 2**26)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        refused(run, state, f"{name} changed since the verdict")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("grows", [True, False])
def test_a_file_that_changes_between_check_and_copy(
    run: Path, state: StateFile, monkeypatch: pytest.MonkeyPatch, grows: bool
) -> None:
    """What is released is what was hashed as it was written; of a file that grows, no more than that."""
    gated(run)
    good, path, hashing = (run / MODEL).read_bytes(), run / MODEL, releasing._hash

    def then_change(reader: Any, *arguments: Any) -> str:
        found = hashing(reader, *arguments)
        if Path(reader.name) == path:
            path.write_bytes(good + b"more" if grows else b"x" * len(good))
        return found

    monkeypatch.setattr(releasing, "_hash", then_change)
    if grows:
        assert MODEL in let_go(run, state)
        assert (run.parent / "released" / MODEL).read_bytes() == good
    else:
        refused(run, state, f"{MODEL} changed since the verdict")


def test_a_verdict_that_names_more_files_than_the_rules_vouch_for(tmp_path: Path, state: StateFile) -> None:
    """As verdicts of older versions did: every file that lay there."""
    run = World(scan=scanned(report="")).write(tmp_path / "run")
    predicate = statement(gated(run, policy(UNREVIEWED)))["predicate"]
    predicate["https://whitesquare.dev/gate/v1"]["files"][SCAN_REPORT] = digest((run / SCAN_REPORT).read_bytes())
    resigned(run, predicate)
    refused(run, state, "names other files than a rule vouches for", UNREVIEWED)


def test_an_old_passed_that_is_put_back_after_a_failed(run: Path, state: StateFile, tmp_path: Path) -> None:
    assert decided(run, state) == PASSED
    shutil.copytree(run, tmp_path / "kept")
    World(scan=scanned(alarms=(ALARM,), verdict="suspicious", finished=to_text(NOW + DAY))).write(run)
    assert decided(run, state, now=NOW + DAY) == FAILED
    refused(tmp_path / "kept", state, "this model was FAILED at 2026-06-02", now=NOW + 2 * DAY)
    World().write(run)
    assert decided(run, state, now=NOW + 2 * DAY) == PASSED
    refused(tmp_path / "kept", state, "this model was PASSED at 2026-06-03", now=NOW + 2 * DAY)
    assert MODEL in let_go(run, state, now=NOW + 2 * DAY)
    assert MODEL in let_go(run, state, now=NOW + 3 * DAY)


def test_a_clock_that_is_set_back_revives_nothing(run: Path, state: StateFile) -> None:
    model = digest(World().weights)
    record(state, model, Decision(to_text(NOW), PASSED, "p"))
    with pytest.raises(UsageError, match="set the clock"):
        record(state, model, Decision(to_text(NOW - DAY), PASSED, "p"))
    record(state, model, Decision(to_text(NOW - timedelta(minutes=5)), PASSED, "p"))
    accept(state, model, NOW, "p")
    record(state, model, Decision(to_text(NOW - DAY), FAILED, "p"))
    with pytest.raises(VerificationError, match="was FAILED"):
        accept(state, model, NOW, "p")
    accept(state, model, NOW + DAY, "p")
    accept(state, "99" * 32, NOW, "p")


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"decided": "x", "result": "PASSED", "policy": ""}}'])
def test_a_damaged_memory_lets_nothing_go(run: Path, state: StateFile, content: str) -> None:
    decided(run, state)
    state.path.write_text(content)
    with pytest.raises(DataError, match="damaged"):
        let_go(run, state)
    assert not (run.parent / "released").exists()


def test_where_decisions_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "accepted.json"))
    assert memory_file() == StateFile(tmp_path / "decided.json", True)
    assert memory_file(tmp_path / "mine.json") == StateFile(tmp_path / "mine.json", True)
    with pytest.raises(UsageError, match="is a folder"):
        memory_file(tmp_path)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    assert memory_file() == StateFile(tmp_path / "home" / "whitesquare" / "decided.json", False)


def test_a_memory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    place = tmp_path / "file" / "decided.json"
    decision = Decision(to_text(NOW), PASSED, "p")
    assert "cannot be written" in record(StateFile(place, False), "m", decision)
    with pytest.raises(UsageError, match="name another with --state"):
        record(StateFile(place, True), "m", decision)


def test_evidence_is_what_the_rules_vouch_for_and_nothing_else() -> None:
    verdict = decide(policy(), good(), NOW)
    assert not verdict.left_out
    assert set(verdict.files) == {MODEL, CARD, VICTIM, SCAN_REPORT, MANIFEST, BUNDLE, "manifest.dsse.json",
                                  "provenance.sigstore.json", SCAN, REVIEW, MEASURE}  # fmt: skip
    for result in decide(policy(), alarmed(), NOW).rules:
        assert not (result.status == FAILED and result.covers)
