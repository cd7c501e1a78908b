"""What somebody would try to have an alarm lifted that people have not settled; and what an honest review does."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whitesquare.errors import UsageError
from whitesquare.gating.types import FAILED, PASSED
from whitesquare.provenance.evidence import REVIEW, SCAN_REPORT

from .world import (
    ALARM,
    DECIDED,
    FULL,
    World,
    digest,
    edited,
    policy,
    reviewed,
    rule,
    said,
    scan_file,
    scanned,
    verdict_of,
)

ROLES = 'signatures = { review = 1 }\nroles = ["review"]\n'


def report(tiers: dict[str, str], classes: tuple[str, ...] = ("even", "odd")) -> bytes:
    """A scan.json that also names the classes, as every scan does."""
    record = json.loads(scan_file(tiers))
    record["classes"] = [{"label": label, "name": name, "size": 30} for label, name in enumerate(classes)]
    return json.dumps(record).encode()


FLAGGED = report({"003": "suspicious", "005": "suspicious", "007": "review"})
FOUND = replace(ALARM, class_name="odd", carriers=2)


def lifting(*tiers: str, more: str = "") -> str:
    text = f"lift_alarms = {json.dumps(tiers)}\n{more}"
    return FULL.replace(f"[review]\n{ROLES}", f"[review]\n{text if 'signatures' in more else ROLES + text}\n")


def alarmed(
    folder: Path, decisions: dict[str, Any], *, data: bytes = FLAGGED, about: bytes | None = None, **changes: Any
) -> Path:
    """A run whose scan raised alarms, and what people decided."""
    alarms = changes.pop("alarms", (FOUND,))
    contents = changes.pop("contents", None)
    about = data if about is None else about
    found = World(
        report=data,
        scan=scanned(report=digest(data), alarms=alarms, verdict=alarms[0].tier),
        review=reviewed(decisions, about, contents=contents),
        review_of=digest(about),
        **changes,
    )
    return found.write(folder)


def stands(run: Path, why: str, text: str = "") -> None:
    """Hold that the alarm fails the run, and that the reason says why nobody's decision lifts it."""
    verdict = verdict_of(run, text or lifting("suspicious"))
    assert verdict.result == FAILED
    failed = rule(verdict, "scan-alarms")
    assert failed.status == FAILED
    assert why in failed.reason


def test_who_keeps_every_sample_behind_an_alarm_lifts_it_where_the_policy_says_so(tmp_path: Path) -> None:
    run = alarmed(tmp_path / "run", DECIDED)
    assert rule(verdict_of(run), "scan-alarms").status == FAILED, "by default no decision lifts an alarm"
    verdict = verdict_of(run, lifting("suspicious"))
    assert verdict.result == PASSED
    found = rule(verdict, "scan-alarms").found
    assert found == "0 of 1 alarms count; people keep every sample behind 1"


def test_a_confirmed_alarm_is_lifted_only_where_the_policy_names_its_tier(tmp_path: Path) -> None:
    data = report({"003": "confirmed", "005": "confirmed"})
    run = alarmed(tmp_path / "run", DECIDED, data=data, alarms=(replace(FOUND, tier="confirmed"),))
    stands(run, "the policy lets nobody lift an alarm that is 'confirmed'")
    assert verdict_of(run, lifting("suspicious", "confirmed")).result == PASSED
    assert verdict_of(run, lifting("confirmed")).result == PASSED
    with pytest.raises(UsageError, match=r"lift_alarms is .*expected some of confirmed, suspicious, or none"):
        policy(lifting("review"))
    assert policy(lifting()).review.lift_alarms == ()


def test_of_two_alarms_only_the_settled_one_is_lifted(tmp_path: Path) -> None:
    data = report({"003": "suspicious", "005": "suspicious", "004": "suspicious"})
    other = replace(FOUND, class_name="even", carriers=1, fingerprint="88" * 32)
    run = alarmed(tmp_path / "one", DECIDED, data=data, alarms=(FOUND, other))
    stands(run, "The class 'even' is suspicious")
    assert len(rule(verdict_of(run, lifting("suspicious")), "scan-alarms").faults) == 1
    run = alarmed(tmp_path / "two", DECIDED | {"004": said("keep", "bob")}, data=data, alarms=(FOUND, other))
    assert verdict_of(run, lifting("suspicious")).result == PASSED


@pytest.mark.parametrize("who", [(), ("mallory",), ("carol",), ("alice",)])
def test_decisions_that_nobody_signed_who_may_lift_nothing(tmp_path: Path, who: tuple[str, ...]) -> None:
    stands(alarmed(tmp_path / "run", DECIDED, review_by=who), "no decision of people lifts that")


def test_a_file_of_decisions_without_a_signature_lifts_nothing(tmp_path: Path) -> None:
    run = alarmed(tmp_path / "run", DECIDED)
    (run / "decisions.jsonl").write_bytes((run / REVIEW).read_bytes())
    (run / REVIEW).unlink()
    stands(run, "nobody whose word counts has signed decisions about it")
    run = alarmed(tmp_path / "edited", DECIDED)
    edited(run / REVIEW, lambda record: record.update(signatures=[]))
    stands(run, "nobody whose word counts has signed decisions about it")


def test_decisions_about_another_scan_lift_nothing(tmp_path: Path) -> None:
    other = report({"003": "suspicious", "005": "suspicious"})
    stands(alarmed(tmp_path / "run", DECIDED, about=other), "not about this scan")


def test_a_scan_json_that_names_fewer_samples_is_not_the_signed_one(tmp_path: Path) -> None:
    run = alarmed(tmp_path / "run", {"003": said("keep", "bob")})
    (run / SCAN_REPORT).write_bytes(report({"003": "suspicious"}))
    stands(run, "not about this scan")


def test_decisions_about_a_part_lift_nothing(tmp_path: Path) -> None:
    """Also where the policy asks for a part only."""
    text = lifting("suspicious", more="min_decided = 0.5\n")
    run = alarmed(tmp_path / "part", {"003": said("keep", "bob")})
    stands(run, "for '005' is open", text)
    failed = {one.rule for one in verdict_of(run, text).failed}
    assert failed == {"scan-alarms"}


def test_an_alarm_of_which_the_scan_names_fewer_samples_than_it_found_stands(tmp_path: Path) -> None:
    run = alarmed(tmp_path / "run", DECIDED, alarms=(replace(FOUND, carriers=3),))
    stands(run, "the scan names 2 of the 3 samples behind it")


def test_an_alarm_without_samples_stands(tmp_path: Path) -> None:
    for name, alarm, data in (
        ("none", replace(FOUND, carriers=0), report({"007": "review"})),
        ("other", replace(FOUND, class_name="even", carriers=0), FLAGGED),
        ("nameless", FOUND, scan_file({"003": "suspicious", "005": "suspicious"})),
        ("renamed", FOUND, report({"003": "suspicious", "005": "suspicious"}, ("odd", "even"))),
    ):
        run = alarmed(tmp_path / name, DECIDED, data=data, alarms=(alarm,))
        stands(run, "the scan names no sample behind it")


def test_one_of_two_roles_lifts_nothing(tmp_path: Path) -> None:
    more = 'signatures = { data = 1, review = 1 }\nroles = ["data", "review"]\n'
    text = lifting("suspicious", more=more)
    both = {name: said("keep", "bob") | said("keep", "alice", role="data") for name in DECIDED}
    claimed = alarmed(tmp_path / "claimed", both)  # somebody wrote both roles down, and one key signed
    stands(claimed, "not signed as the policy asks", text)
    one = alarmed(tmp_path / "one", DECIDED, review_by=("alice", "bob"))
    stands(one, "was decided on by nobody in the role data", text)
    assert verdict_of(alarmed(tmp_path / "both", both, review_by=("alice", "bob")), text).result == PASSED


def test_one_of_two_people_lifts_nothing(tmp_path: Path) -> None:
    text = lifting("suspicious", more="people = 2\nmin_decided = 0.1\n")
    decisions = {"003": said("keep", "bob", "eve"), "005": said("keep", "bob")}
    stands(alarmed(tmp_path / "run", decisions), "'005' was decided on by 1 of 2 people", text)


def test_what_was_exchanged_since_is_not_what_people_kept(tmp_path: Path) -> None:
    run = alarmed(tmp_path / "run", DECIDED, contents={"005": "99" * 32})
    stands(run, "'005' was decided on with another content than the signed one")


@pytest.mark.parametrize("choice", ["remove", "unsure"])
def test_what_is_not_kept_lifts_nothing(tmp_path: Path, choice: str) -> None:
    """What is to be removed and lies in the data is no settled alarm; nor is what people are unsure about."""
    text = lifting("suspicious", more="allow_unsure = true\n")
    run = alarmed(tmp_path / "run", DECIDED | {"005": said(choice, "bob")})
    stands(run, f"'005' is decided on as '{choice}'", text)


def test_a_disagreement_lifts_nothing(tmp_path: Path) -> None:
    text = lifting("suspicious", more="allow_disagreement = true\nallow_unsure = true\n")
    run = alarmed(tmp_path / "run", DECIDED | {"005": said("keep", "bob") | said("unsure", "eve")})
    stands(run, "'005' is decided on as 'disagreed'", text)


def test_a_sample_that_the_signed_data_do_not_name_lifts_nothing_whatever_was_decided(tmp_path: Path) -> None:
    data = report({"099": "suspicious"})
    for choice in ("keep", "remove"):
        decisions = {"099": said(choice, "bob")}
        run = alarmed(tmp_path / choice, decisions, data=data, alarms=(replace(FOUND, carriers=1),))
        stands(run, "'099' is not in the signed manifest")


def test_decisions_that_are_too_old_lift_nothing(tmp_path: Path) -> None:
    old = "2026-01-01T00:00:00Z"
    run = alarmed(tmp_path / "run", {name: said("keep", "bob", at=old) for name in DECIDED})
    stands(run, "not recent")


def test_without_the_section_nothing_is_lifted(tmp_path: Path) -> None:
    text = FULL[: FULL.index("[review]")] + FULL[FULL.index("[training]") :]
    assert rule(verdict_of(alarmed(tmp_path / "run", DECIDED), text), "scan-alarms").status == FAILED
