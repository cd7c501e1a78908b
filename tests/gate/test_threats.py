"""What an attacker with the run folder would try, each by name; every one of them ends in FAILED, none in a crash."""

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from whitesquare.errors import UsageError
from whitesquare.gating.collect import collect
from whitesquare.gating.rules import decide
from whitesquare.gating.types import FAILED, MISSING, PASSED
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, REVIEW, SCAN, SCAN_REPORT
from whitesquare.provenance.predicates import scan_predicate
from whitesquare.provenance.types import BUNDLE, DATASET_TYPE, ENVELOPE, MANIFEST
from whitesquare.signing.dsse import encode_bundle, sign
from whitesquare.signing.keys import generate, load_signer, load_trusted
from whitesquare.signing.statements import (
    TEST_RESULT_TYPE,
    Subject,
    encode_statement,
    write_statement,
)
from whitesquare.signing.times import to_text

from .world import (
    DATASET,
    FULL,
    NOW,
    ROWS,
    SCAN_SAID,
    TRAINED,
    World,
    at,
    digest,
    edited,
    keyring,
    manifest,
    policy,
    rule,
    scanned,
    signer,
    statuses,
    trusted,
    verdict_of,
)

STATEMENTS = (SCAN, REVIEW, PROVENANCE, MEASURE)
LOOSE = FULL.replace(f'manifest = "{digest(ROWS)}"', "")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return World().write(tmp_path / "run")


def failed(verdict: Any) -> set[str]:
    return {one.rule for one in verdict.failed}


def test_an_honest_run_passes(run: Path) -> None:
    assert verdict_of(run).result == PASSED


def test_a_passed_scan_of_data_set_a_offered_with_manifest_b(tmp_path: Path) -> None:
    rows = manifest("other")
    splits = {**DATASET.splits, "train": replace(DATASET.splits["train"], root="56" * 32)}
    other = replace(DATASET, splits=splits, manifest=replace(DATASET.manifest, bytes=len(rows)))
    trained = replace(TRAINED, manifest=digest(rows), root="56" * 32)
    run = World(rows=rows, dataset=other, training=trained).write(tmp_path / "run")
    assert failed(verdict_of(run, LOOSE)) == {"scan-subject", "scan-complete", "review-complete"}


def test_a_passed_scan_of_a_subset(tmp_path: Path) -> None:
    run = World(scan=scanned(size=50, root="34" * 32)).write(tmp_path / "run")
    verdict = verdict_of(run)
    assert failed(verdict) == {"scan-complete"}
    assert "only a part" in rule(verdict, "scan-complete").reason


def test_the_scanners_key_is_the_datas_key(tmp_path: Path) -> None:
    run = World(data_by=("alice", "bob", "carol")).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"scan-separate"}


def test_one_key_trusted_under_two_names_is_refused(tmp_path: Path) -> None:
    """Alice copies her public key under another name to be a scanner too."""
    trust = tmp_path / "trust"
    trust.mkdir()
    for path in (keyring() / "trusted").iterdir():
        (trust / path.name).write_bytes(path.read_bytes())
    (trust / "zoe.pub").write_bytes((trust / "alice.pub").read_bytes())
    (trust / "zoe.toml").write_text('role = "scanner"\n')
    with pytest.raises(UsageError, match="one key under two names, 'alice' and 'zoe'"):
        load_trusted(trust)


def test_a_replayed_old_scan(tmp_path: Path) -> None:
    run = World(scan=scanned(finished=at(days=45))).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"scan-age"}


def test_a_replayed_scan_of_an_older_version_of_the_data(tmp_path: Path) -> None:
    run = World(scan_of="56" * 32).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"scan-subject"}


def test_a_replayed_older_data_set(tmp_path: Path) -> None:
    older = replace(DATASET, dataset=replace(DATASET.dataset, version=2))
    run = World(dataset=older).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"data-version"}


def test_the_model_is_swapped_after_training(run: Path) -> None:
    (run / "model.safetensors").write_bytes(b"backdoored")
    assert failed(verdict_of(run)) == {"training-model", "measure-model"}


def test_the_card_beside_the_model_is_exchanged(run: Path) -> None:
    """Other class names are another model, for who trained it and for who measured it."""
    (run / "model.json").write_text('{"classes": ["1", "0"]}')
    assert failed(verdict_of(run)) == {"training-model", "measure-model"}
    (run / "model.json").unlink()
    assert failed(verdict_of(run)) == {"training-model", "measure-model"}


def test_the_training_read_another_root(tmp_path: Path) -> None:
    run = World(training=replace(TRAINED, root="34" * 32)).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"training-complete"}


def test_the_training_read_the_test_split(tmp_path: Path) -> None:
    test = DATASET.splits["test"]
    run = World(training=replace(TRAINED, split="test", size=test.size, root=test.root)).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"training-complete"}


def test_a_scan_signed_by_a_stranger(run: Path) -> None:
    write_statement(
        run / SCAN, [Subject(MANIFEST, digest(World().rows))], TEST_RESULT_TYPE, scan_predicate(SCAN_SAID),
        signer("mallory"),
    )  # fmt: skip
    verdict = verdict_of(run)
    assert rule(verdict, "scan-signed").status == FAILED
    assert "none of the 5 trusted ones" in rule(verdict, "scan-signed").reason


def test_a_measurement_offered_as_a_scan(run: Path) -> None:
    (run / SCAN).write_bytes((run / MEASURE).read_bytes())
    assert rule(verdict_of(run), "scan-signed").status == FAILED


def test_an_expired_key(run: Path) -> None:
    old = tuple(replace(key, not_after=NOW - timedelta(days=1)) if key.name == "carol" else key for key in trusted())
    verdict = decide(policy(), collect(run, old, NOW), NOW)
    assert rule(verdict, "scan-signed").status == FAILED
    assert "expired" in rule(verdict, "scan-signed").reason


def test_an_expired_data_set(tmp_path: Path) -> None:
    run = World(dataset=replace(DATASET, expires=to_text(NOW - timedelta(days=1)))).write(tmp_path / "run")
    verdict = verdict_of(run)
    assert verdict.result == FAILED
    assert "expired" in rule(verdict, "data-signed").reason


def test_a_signature_stripped(run: Path) -> None:
    edited(run / ENVELOPE, lambda record: record["signatures"].pop())
    assert failed(verdict_of(run)) == {"data-signed"}


def test_the_envelope_with_all_signatures_taken_away(run: Path) -> None:
    (run / ENVELOPE).unlink()
    verdict = verdict_of(run)
    assert rule(verdict, "data-signed").reason == "The manifest is signed by 0 keys of the role review; expected 1."


def test_a_signature_duplicated(run: Path) -> None:
    edited(run / ENVELOPE, lambda record: record["signatures"].append(record["signatures"][0]))
    assert "data-signed" in failed(verdict_of(run))


def test_signatures_re_ordered_are_the_same_signatures(run: Path) -> None:
    edited(run / ENVELOPE, lambda record: record["signatures"].reverse())
    assert verdict_of(run).result == PASSED


def test_all_signatures_stripped(run: Path) -> None:
    edited(run / SCAN, lambda record: record["dsseEnvelope"]["signatures"].clear())
    assert "scan-signed" in failed(verdict_of(run))


def test_bundle_and_envelope_of_two_data_sets(run: Path, tmp_path: Path) -> None:
    other = World(dataset=replace(DATASET, tool="another")).write(tmp_path / "other")
    (run / BUNDLE).write_bytes((other / BUNDLE).read_bytes())
    assert "different things" in rule(verdict_of(run), "data-signed").reason


def test_key_confusion(run: Path, tmp_path: Path) -> None:
    """An Ed25519 signature under the name of a P-256 key, and the other way round."""
    generate(tmp_path / "other", "ecdsa-p256", None)
    wrong = load_signer(str(tmp_path / "other.pem"), lambda _: "")
    payload = encode_statement([Subject(MANIFEST, digest(World().rows))], TEST_RESULT_TYPE, scan_predicate(SCAN_SAID))
    signed = sign(payload, [wrong])
    renamed = replace(signed, signatures=(replace(signed.signatures[0], keyid=signer("carol").keyid),))
    (run / SCAN).write_text(encode_bundle(renamed))
    verdict = verdict_of(run)
    assert "is wrong" in rule(verdict, "scan-signed").reason
    assert verdict.result == FAILED


@pytest.mark.parametrize("name", [*STATEMENTS, ENVELOPE])
def test_an_unknown_payload_type(run: Path, name: str) -> None:
    def change(record: dict[str, Any]) -> None:
        record.get("dsseEnvelope", record)["payloadType"] = "text/plain"

    edited(run / name, change)
    assert verdict_of(run).result == FAILED


@pytest.mark.parametrize("name", [*STATEMENTS, ENVELOPE])
def test_duplicate_keys_in_the_envelope(run: Path, name: str) -> None:
    text = (run / name).read_text()
    (run / name).write_text(text.replace('"payloadType"', '"payloadType": "text/plain", "payloadType"', 1))
    verdict = verdict_of(run)
    assert verdict.result == FAILED
    assert any("occurs twice" in one.reason for one in verdict.failed)


def test_duplicate_keys_in_a_signed_statement(run: Path) -> None:
    """Even its rightful signer cannot say two things at once."""
    subject = [Subject(MANIFEST, digest(World().rows))]
    payload = encode_statement(subject, TEST_RESULT_TYPE, scan_predicate(SCAN_SAID))
    doubled = payload.replace(b'"result":', b'"result":"FAILED","result":', 1)
    assert doubled != payload
    (run / SCAN).write_text(encode_bundle(sign(doubled, [signer("carol")])))
    assert "occurs twice" in rule(verdict_of(run), "scan-signed").reason


def test_an_outcome_that_its_details_deny(run: Path) -> None:
    predicate = scan_predicate(scanned(not_run={"spectre": "crashed"}))
    predicate["result"] = "PASSED"
    write_statement(run / SCAN, [Subject(MANIFEST, digest(World().rows))], TEST_RESULT_TYPE, predicate, signer("carol"))
    assert "deny" in rule(verdict_of(run), "scan-signed").reason


@pytest.mark.parametrize("field", ["size", "finished", "detectors", "alarms", "root"])
def test_a_statement_with_a_field_of_another_type(run: Path, field: str) -> None:
    for value in (10**400, 1.5, None, [[]], {"a": "b"}, "\ud800"):
        predicate = scan_predicate(SCAN_SAID)
        predicate["configuration"][0]["annotations"][field] = value
        write_statement(
            run / SCAN, [Subject(MANIFEST, digest(World().rows))], TEST_RESULT_TYPE, predicate, signer("carol")
        )
        assert verdict_of(run).result == FAILED


def test_a_manifest_that_is_not_the_signed_one(run: Path) -> None:
    (run / MANIFEST).write_bytes(World().rows + b"!")
    assert "data-signed" in failed(verdict_of(run))


def test_the_report_beside_the_scan_is_exchanged(run: Path) -> None:
    (run / SCAN_REPORT).write_text('{"verdict": "nothing found"}')
    assert failed(verdict_of(run)) == {"scan-report", "review-subject", "review-complete"}


@pytest.mark.parametrize("name", ["model.safetensors", SCAN, REVIEW, PROVENANCE, MEASURE, SCAN_REPORT, MANIFEST])
def test_a_missing_file_is_missing_evidence(run: Path, name: str) -> None:
    (run / name).unlink()
    verdict = verdict_of(run)
    assert verdict.only_missing
    assert MISSING in statuses(verdict).values()


def test_an_empty_folder(tmp_path: Path) -> None:
    verdict = verdict_of(tmp_path)
    assert set(statuses(verdict).values()) == {MISSING}
    assert verdict.only_missing


SPOILERS: dict[str, Callable[[Path], None]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "deep": lambda path: path.write_text("[" * 200_000),
    "huge": lambda path: path.write_bytes(b" " * (8 * 2**20 + 1)),
    "a link to itself": lambda path: path.symlink_to(path),
    "a number": lambda path: path.write_text("1e999"),
    "no base64": lambda path: path.write_text('{"payload": "?", "payloadType": "", "signatures": []}'),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
@pytest.mark.parametrize("name", [*STATEMENTS, ENVELOPE])
def test_whatever_lies_there_instead_never_passes_and_never_crashes(run: Path, name: str, spoiler: str) -> None:
    (run / name).unlink()
    SPOILERS[spoiler](run / name)
    verdict = verdict_of(run)
    assert verdict.result == FAILED
    assert str(run) not in repr(verdict)


@pytest.mark.parametrize("spoiler", ["a folder", "a pipe", "a link to itself"])
@pytest.mark.parametrize("name", ["model.safetensors", SCAN_REPORT, MANIFEST])
def test_a_plain_file_that_is_none(run: Path, name: str, spoiler: str) -> None:
    (run / name).unlink()
    SPOILERS[spoiler](run / name)
    assert verdict_of(run).result == FAILED


@pytest.mark.long
@pytest.mark.parametrize("name", [*STATEMENTS, ENVELOPE])
def test_one_bit_flipped_in_the_payload_or_signature(run: Path, name: str) -> None:
    whole = (run / name).read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 60)):
        changed = bytearray(whole)
        changed[position] ^= 1
        (run / name).write_bytes(bytes(changed))
        if changed != whole:
            assert verdict_of(run).result == FAILED, position


def test_a_payload_that_another_reader_would_decode_otherwise(run: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        envelope = record["dsseEnvelope"]
        envelope["payload"] = base64.urlsafe_b64encode(base64.b64decode(envelope["payload"])).decode() + "\n"

    edited(run / SCAN, change)
    assert "scan-signed" in failed(verdict_of(run))


def test_a_data_statement_about_nothing_of_the_kind(run: Path) -> None:
    payload = encode_statement([Subject(MANIFEST, digest(World().rows))], DATASET_TYPE, {"classes": []})
    for name in (ENVELOPE, BUNDLE):
        (run / name).write_text(encode_bundle(sign(payload, [signer("alice")])))
    assert "data-signed" in failed(verdict_of(run))
