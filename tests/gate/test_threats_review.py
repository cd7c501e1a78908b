"""What somebody would try with decisions of people; each ends in FAILED, and says why."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whitesquare.deciding.signed import DECISIONS_TYPE, SignedDecision, SignedMark, review_predicate
from whitesquare.errors import UsageError
from whitesquare.gating.types import MISSING, PASSED
from whitesquare.provenance.evidence import REVIEW, SCAN_REPORT
from whitesquare.signing.dsse import encode_bundle, encode_envelope, read_envelope, sign
from whitesquare.signing.statements import Subject, encode_statement

from .world import (
    DECIDED,
    FULL,
    REPORT,
    REVIEWED,
    World,
    digest,
    edited,
    manifest,
    policy,
    reviewed,
    rule,
    said,
    scan_file,
    scanned,
    signer,
    statuses,
    verdict_of,
)

OTHER = scan_file({"003": "suspicious", "005": "suspicious", "009": "review"})
ROLES = 'signatures = { review = 1 }\nroles = ["review"]\n'


def failed(verdict: Any) -> set[str]:
    return {one.rule for one in verdict.failed}


def asking(text: str) -> str:
    """The full policy with other lines in `[review]`."""
    return FULL.replace(f"[review]\n{ROLES}", f"[review]\n{text}\n")


def world(decisions: dict[str, Any], **changes: Any) -> World:
    return World(review=reviewed(decisions, REPORT), **changes)


def written(run: Path, predicate: dict[str, Any], *signers: str, subject: str = digest(REPORT)) -> None:
    """Sign any statement of the kind."""
    payload = encode_statement([Subject(SCAN_REPORT, subject)], DECISIONS_TYPE, predicate)
    (run / REVIEW).write_text(encode_envelope(sign(payload, [signer(name) for name in signers or ("bob",)])))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return World().write(tmp_path / "run")


def test_an_honest_run_passes_also_with_the_decisions_in_a_bundle(run: Path) -> None:
    assert verdict_of(run).result == PASSED
    envelope = read_envelope((run / REVIEW).read_bytes(), "")
    (run / REVIEW).write_text(encode_bundle(envelope))
    assert verdict_of(run).result == PASSED


def test_decisions_about_another_scan(tmp_path: Path) -> None:
    """They are rightly signed, of the same data, and of a scan that flagged other samples."""
    other = reviewed(DECIDED, OTHER)
    run = World(review=other, review_of=digest(OTHER)).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"review-subject"}
    assert "it belongs to something else" in rule(verdict_of(run), "review-subject").reason


def test_decisions_that_say_they_are_about_this_scan_and_were_not(tmp_path: Path) -> None:
    run = World(review=reviewed(DECIDED, OTHER)).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"review-subject"}


def test_a_scan_json_that_flags_nothing(run: Path) -> None:
    """Whoever can write to the run folder would have nothing to decide; the scanner signed another one."""
    (run / SCAN_REPORT).write_bytes(scan_file({}))
    assert failed(verdict_of(run)) == {"scan-report", "review-subject", "review-complete"}


def test_a_scan_that_was_signed_without_its_report(tmp_path: Path) -> None:
    run = World(scan=scanned(report="")).write(tmp_path / "run")
    verdict = verdict_of(run)
    assert failed(verdict) == {"review-subject", "review-complete"}
    assert "which samples it flagged" in rule(verdict, "review-subject").reason


def test_a_decision_that_is_left_out(tmp_path: Path) -> None:
    """The sample that ought to go is not mentioned any more."""
    run = world({"003": said("keep", "bob")}).write(tmp_path / "run")
    verdict = verdict_of(run)
    assert failed(verdict) == {"review-complete"}
    assert "'005' is open" in rule(verdict, "review-complete").reason


def test_what_was_to_be_removed_is_in_the_data(tmp_path: Path) -> None:
    for choice, label in (("remove", ""), ("relabel", "0")):
        decisions = DECIDED | {"005": said(choice, "bob", label=label)}
        run = world(decisions).write(tmp_path / choice)
        assert failed(verdict_of(run)) == {"review-done"}
        assert f"'005' (bob: {choice})" in rule(verdict_of(run), "review-done").reason


def test_decisions_about_a_sample_that_was_exchanged(tmp_path: Path) -> None:
    """They were about another picture under this name: nobody has decided about the one that is signed."""
    other = reviewed(DECIDED, REPORT, contents={"003": "99" * 32})
    run = World(review=other).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"review-complete"}
    assert "another content" in rule(verdict_of(run), "review-complete").reason


def test_decisions_with_a_manifest_of_other_contents(tmp_path: Path) -> None:
    rows = manifest("other")
    run = World(rows=rows, scan_of=digest(rows)).write(tmp_path / "run")
    assert {"review-complete"} <= failed(verdict_of(run))


@pytest.mark.parametrize("who", [("dave",), ("alice",), ("carol",), ("mallory",), ("bob", "mallory"), ()])
def test_decisions_that_nobody_signed_who_may(tmp_path: Path, who: tuple[str, ...]) -> None:
    run = World(review_by=who).write(tmp_path / "run")
    found = failed(verdict_of(run))
    assert "review-signed" in found
    assert all(name.startswith("review-") for name in found)


def test_two_roles_that_must_sign(tmp_path: Path) -> None:
    both = asking("signatures = { data = 1, review = 1 }")
    assert failed(verdict_of(World().write(tmp_path / "one"), both)) == {"review-signed"}
    run = World(review_by=("alice", "bob")).write(tmp_path / "two")
    assert verdict_of(run, both).result == PASSED


def test_a_role_that_a_person_only_claims(tmp_path: Path) -> None:
    """One person writes down a decision in each of two roles; a key of one role signs."""
    alone = {name: said("keep", "bob") | said("keep", "robert", role="data") for name in DECIDED}
    text = asking('signatures = { data = 1, review = 1 }\nroles = ["data", "review"]')
    assert failed(verdict_of(world(alone).write(tmp_path / "one"), text)) == {"review-signed", "review-complete"}
    run = world(alone, review_by=("alice", "bob")).write(tmp_path / "two")
    assert verdict_of(run, text).result == PASSED
    run = world(DECIDED, review_by=("alice", "bob")).write(tmp_path / "three")
    assert failed(verdict_of(run, text)) == {"review-complete"}
    assert "nobody in the role data" in rule(verdict_of(run, text), "review-complete").reason
    with pytest.raises(UsageError, match=r"add it to signatures"):
        policy(asking('roles = ["data"]'))


def test_people_and_shares(tmp_path: Path) -> None:
    run = world({"003": said("keep", "bob", "eve")}).write(tmp_path / "run")
    assert failed(verdict_of(run, asking("people = 2"))) == {"review-complete"}
    assert verdict_of(run, asking("people = 2\nmin_decided = 0.5")).result == PASSED
    assert failed(verdict_of(run, asking("people = 3\nmin_decided = 0.5"))) == {"review-complete"}
    for share in ("0.0", "1.1", "-1"):
        with pytest.raises(UsageError, match="min_decided"):
            policy(asking(f"min_decided = {share}"))


def test_the_queue_counts_where_the_policy_says_so(tmp_path: Path) -> None:
    queue = asking('tier = "review"')
    assert failed(verdict_of(World().write(tmp_path / "open"), queue)) == {"review-complete"}
    run = world(DECIDED | {"007": said("keep", "bob")}).write(tmp_path / "done")
    assert verdict_of(run, queue).result == PASSED
    assert verdict_of(world({}).write(tmp_path / "none"), asking('tier = "confirmed"')).result == PASSED


def test_unsure_and_disagreed(tmp_path: Path) -> None:
    unsure = world(DECIDED | {"003": said("unsure", "bob")}).write(tmp_path / "unsure")
    assert failed(verdict_of(unsure)) == {"review-sure"}
    assert verdict_of(unsure, asking("allow_unsure = true")).result == PASSED
    differ = world(DECIDED | {"003": said("keep", "bob") | said("remove", "eve")}).write(tmp_path / "differ")
    assert failed(verdict_of(differ)) == {"review-agreed", "review-done"}
    assert "bob: keep; eve: remove" in rule(verdict_of(differ), "review-agreed").reason
    assert verdict_of(differ, asking("allow_disagreement = true")).result == PASSED


def test_nothing_was_flagged_and_that_is_signed(tmp_path: Path) -> None:
    calm = scan_file({})
    run = World(report=calm, scan=scanned(report=digest(calm)), review=reviewed({}, calm), review_of=digest(calm))
    assert verdict_of(run.write(tmp_path / "run")).result == PASSED


def test_without_decisions_the_section_lacks_evidence(run: Path) -> None:
    (run / REVIEW).unlink()
    verdict = verdict_of(run)
    assert {name: status for name, status in statuses(verdict).items() if status == MISSING}.keys() == failed(verdict)
    assert all(name.startswith("review-") for name in failed(verdict))
    assert verdict.only_missing


def lying(**changes: Any) -> dict[str, Any]:
    return review_predicate(replace(REVIEWED, **changes))


def one(choice: str, *marks: SignedMark) -> tuple[SignedDecision, ...]:
    changed = SignedDecision("003", REVIEWED.decisions[0].content, choice, marks)
    return (changed, *REVIEWED.decisions[1:])


KEEP, REMOVE = SignedMark("bob", "review", "keep", ""), SignedMark("eve", "review", "remove", "")
LIES: dict[str, dict[str, Any]] = {
    "keep is said where somebody says remove": lying(decisions=one("keep", KEEP, REMOVE)),
    "keep is said and nobody said it": lying(decisions=one("keep")),
    "one person says two things": lying(decisions=one("disagreed", KEEP, replace(REMOVE, by="bob"))),
    "a choice that is none": lying(decisions=one("fine", replace(KEEP, choice="fine"))),
    "by nobody": lying(decisions=one("keep", replace(KEEP, by=" "))),
    "a class for what is kept": lying(decisions=one("keep", replace(KEEP, label="0"))),
    "no class for what is relabelled": lying(decisions=one("relabel", replace(KEEP, choice="relabel"))),
    "one sample twice": lying(decisions=REVIEWED.decisions + REVIEWED.decisions[:1]),
    "other counts": lying(counts=REVIEWED.counts | {"keep": 3}),
    "no digest": lying(decisions=(replace(REVIEWED.decisions[0], content="abc"),)),
    "a format to come": lying(format=2),
    "another time": lying(finished="2026-05-31"),
    "a field more": review_predicate(REVIEWED) | {"trusted": True},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_signed_statement_that_contradicts_itself(run: Path, lie: str) -> None:
    written(run, LIES[lie])
    verdict = verdict_of(run)
    assert "review-signed" in failed(verdict)
    assert rule(verdict, "review-signed").reason.startswith(REVIEW)


def test_a_statement_that_was_edited_after_it_was_signed(run: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        other = encode_statement([Subject(SCAN_REPORT, digest(OTHER))], DECISIONS_TYPE, review_predicate(REVIEWED))
        record["payload"] = base64.b64encode(other).decode()

    edited(run / REVIEW, change)
    assert "is wrong" in rule(verdict_of(run), "review-signed").reason


def test_hostile_names_are_told_and_break_nothing(tmp_path: Path) -> None:
    name = "<script>\x1b[31m\n" + "x" * 500
    report = scan_file({"003": "suspicious"}).replace(b'"003"', json.dumps(name).encode())
    found = reviewed({"003": said("remove", name)}, report)
    found = replace(found, decisions=(replace(found.decisions[0], id=name),))
    run = World(report=report, scan=scanned(report=digest(report)), review=found, review_of=digest(report))
    verdict = verdict_of(run.write(tmp_path / "run"))
    assert failed(verdict) == {"review-complete", "review-done"}
    assert all("\x1b" not in one.reason and "\n" not in one.reason for one in verdict.failed)


def test_the_section_needs_a_scan() -> None:
    with pytest.raises(UsageError, match=r"has \[review\].*add \[scan\]"):
        policy("[data]\n[review]\n")
