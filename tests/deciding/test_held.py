"""Decisions that are too many for a statement: the file beside it counts only while it is the one that was signed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.gate.world import (
    DECIDED,
    NOW,
    REVIEWED,
    World,
    edited,
    gather,
    new_folder,
    reviewed,
    rule,
    said,
    signer,
    trusted,
    verdict_of,
)
from tests.gate.world import REPORT as SCAN
from whitesquare.deciding import held, signed
from whitesquare.deciding.held import SignedDecision, SignedMark, held_by, held_text
from whitesquare.deciding.signed import DECISIONS_TYPE, ReviewEvidence, review_evidence, review_predicate, sign_review
from whitesquare.errors import NothingToDoError, UsageError, VerificationError
from whitesquare.gating.types import MISSING, PASSED
from whitesquare.provenance.evidence import HELD, REVIEW
from whitesquare.signing.dsse import MOST_BYTES
from whitesquare.signing.statements import read_statement


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No decision fits into a statement."""
    monkeypatch.setattr(signed, "_ROOM", 0)


def predicate(path: Path) -> dict[str, Any]:
    return read_statement(path, DECISIONS_TYPE, trusted(), NOW).predicate


def signed_run(run: Path, evidence: ReviewEvidence = REVIEWED) -> Path:
    """A run whose decisions lie beside their statement."""
    World().write(run)
    (run / REVIEW).unlink()
    sign_review(run / REVIEW, evidence, signer("bob"))
    assert (run / HELD).is_file()
    return run


@pytest.mark.usefixtures("no_room")
def test_they_are_read_back_as_they_were_and_the_gate_vouches_for_both_files() -> None:
    run = signed_run(new_folder())
    found = gather(run).review
    assert found.said == replace(REVIEWED, held=found.value.held, format=2)
    verdict = verdict_of(run)
    assert verdict.result == PASSED
    assert {REVIEW, HELD} <= verdict.files.keys()
    assert predicate(run / REVIEW)["decisions"] == []


@pytest.mark.usefixtures("no_room")
def test_a_second_person_adds_a_signature_to_the_same_bytes() -> None:
    run = signed_run(new_folder())
    before = (run / HELD).read_bytes()
    assert sign_review(run / REVIEW, REVIEWED, signer("alice")).signatures == 2
    assert (run / HELD).read_bytes() == before
    with pytest.raises(UsageError, match="has signed these decisions before"):
        sign_review(run / REVIEW, REVIEWED, signer("alice"))


def test_once_they_fit_again_no_file_lies_beside_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(signed, "_ROOM", 0)
        run = signed_run(new_folder())
    done = sign_review(run / REVIEW, REVIEWED, signer("bob"))
    assert (done.signatures, done.replaced) == (1, 1)
    assert not (run / HELD).exists()
    assert verdict_of(run).result == PASSED


@pytest.mark.usefixtures("no_room")
def test_a_file_that_is_not_the_signed_one_counts_for_nothing() -> None:
    """Another choice, another order, other decisions of the same people that were rightly signed before."""
    run = signed_run(new_folder())
    whole = (run / HELD).read_text()
    other = held_text(reviewed(DECIDED | {"007": said("keep", "bob")}, SCAN).decisions)
    for text in (whole.replace("keep", "gone"), whole + " ", "", other, json.dumps(json.loads(whole)[::-1])):
        (run / HELD).write_text(text)
        verdict = verdict_of(run)
        failed = rule(verdict, "review-signed")
        assert failed.reason.startswith(HELD)
        assert verdict.result != PASSED
        assert not {REVIEW, HELD} & verdict.files.keys()


@pytest.mark.usefixtures("no_room")
def test_a_file_that_is_gone_is_missing() -> None:
    run = signed_run(new_folder())
    (run / HELD).unlink()
    verdict = verdict_of(run)
    assert verdict.only_missing
    assert rule(verdict, "review-signed").status == MISSING
    assert f"There is no file {HELD}" in rule(verdict, "review-signed").reason
    with pytest.raises(NothingToDoError):
        review_evidence(predicate(run / REVIEW), REVIEW, run)


@pytest.mark.usefixtures("no_room")
def test_what_an_edited_statement_says_of_the_file_is_not_believed() -> None:
    run = signed_run(new_folder())
    edited(run / REVIEW, lambda record: record.update(payload=record["payload"].swapcase()))
    assert verdict_of(run).result != PASSED


@pytest.mark.usefixtures("no_room")
def test_a_statement_that_is_signed_and_does_not_say_where_its_decisions_are() -> None:
    run = signed_run(new_folder())
    honest = predicate(run / REVIEW)
    twice = held_text(REVIEWED.decisions + REVIEWED.decisions[:1])
    (run / "twice").mkdir()
    (run / "twice" / HELD).write_text(twice)
    lies: list[tuple[dict[str, Any], Path, str]] = [
        (honest | {"format": 1}, run, "does not say clearly"),
        (honest | {"format": 3}, run, "has the format 3"),
        (honest | {"held": None}, run, "does not say clearly"),
        (honest | {"decisions": review_predicate(REVIEWED)["decisions"]}, run, "does not say clearly"),
        (honest | {"held": honest["held"] | {"count": 9}}, run, "a number of decisions"),
        (honest | {"counts": honest["counts"] | {"keep": 9}}, run, "states counts that its decisions deny"),
        (honest | {"held": vars(held_by(twice, 3))}, run / "twice", "decides about a sample twice"),
        (honest | {"held": honest["held"] | {"path": "../x"}}, run, "unknown"),
    ]
    for said_, folder, why in lies:
        with pytest.raises(VerificationError, match=why):
            review_evidence(said_, REVIEW, folder)


@pytest.mark.usefixtures("no_room")
def test_more_than_a_file_may_hold_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed, "MOST_HELD", 100)
    run = new_folder()
    with pytest.raises(UsageError, match="no file of them has more than 100"):
        sign_review(run / REVIEW, REVIEWED, signer("bob"))
    assert list(run.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setattr(signed, "_ROOM", 0)
    signed_run(run)
    monkeypatch.setattr(held, "MOST_BYTES", 10)
    with pytest.raises(VerificationError, match=HELD):
        review_evidence(predicate(run / REVIEW), REVIEW, run)


@pytest.mark.slow
def test_sixty_thousand_decisions_are_signed_and_read_back(tmp_path: Path) -> None:
    mark = (SignedMark("ann", "review", "keep", ""),)
    many = tuple(SignedDecision(f"train/{i:06}.png", f"{i:064x}", "keep", mark) for i in range(60_000))
    evidence = replace(REVIEWED, decisions=many, counts=REVIEWED.counts | {"keep": len(many)})
    done = sign_review(tmp_path / REVIEW, evidence, signer("bob"))
    assert (tmp_path / REVIEW).stat().st_size < 10_000 < MOST_BYTES < (tmp_path / HELD).stat().st_size
    assert review_evidence(predicate(tmp_path / REVIEW), REVIEW, tmp_path) == done.evidence
