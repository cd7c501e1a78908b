"""A waiver covers one finding, for a time, with a reason; never a signature, never what is missing."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from whitesquare.gating.rules import decide
from whitesquare.gating.types import FAILED, MISSING, PASSED, WAIVED, RunEvidence, Verdict
from whitesquare.gating.waivers import fingerprint
from whitesquare.provenance.evidence import CoverageRecord, Figure
from whitesquare.provenance.types import MANIFEST
from whitesquare.signing.statements import Subject

from .test_rules import FAULTS, Change
from .world import (
    ALARM,
    ALARM_KEY,
    DATASET,
    FULL,
    MEASURED,
    NOW,
    ROOT,
    World,
    at,
    digest,
    gather,
    good,
    key,
    policy,
    rule,
    scanned,
)

OTHER = replace(ALARM, fingerprint="88" * 32, class_name="one", tier="confirmed")
OTHER_KEY = fingerprint("scan-alarms", (OTHER.fingerprint, OTHER.tier, ROOT, ""))


def waiver(key: str, expires: str = "2026-06-30") -> str:
    return f'\n[[waiver]]\nfingerprint = "{key}"\nreason = "a watermark"\nexpires = {expires}\nby = "Ada"\n'


def shown(**changes: Any) -> RunEvidence:
    return replace(good(), scan=replace(good().scan, said=scanned(**changes)))


def alarmed() -> RunEvidence:
    return shown(alarms=(ALARM,), verdict="suspicious")


def judged(evidence: RunEvidence, *waivers: str, now: Any = NOW) -> Verdict:
    return decide(policy(FULL + "".join(waivers)), evidence, now)


def test_an_alarm_is_waived_by_its_fingerprint_and_stays_named() -> None:
    verdict = judged(alarmed(), waiver(ALARM_KEY))
    found = rule(verdict, "scan-alarms")
    assert found.status == WAIVED
    assert verdict.result == PASSED
    assert found.waived[0].waiver.by == "Ada"
    assert "'seven' is suspicious" in found.waived[0].reason
    assert not verdict.unused


def test_a_waiver_for_what_one_given_model_showed_covers_no_other_model() -> None:
    one, other = (fingerprint("scan-alarms", (ALARM.fingerprint, ALARM.tier, ROOT, digit * 64)) for digit in "ab")
    given = shown(alarms=(ALARM,), verdict=ALARM.tier, mode="given model", model="a" * 64)
    assert rule(judged(given, waiver(one)), "scan-alarms").status == WAIVED
    assert rule(judged(given, waiver(other)), "scan-alarms").status == FAILED


def test_one_waiver_covers_one_alarm() -> None:
    two = shown(alarms=(OTHER, ALARM), verdict="confirmed")
    verdict = judged(two, waiver(ALARM_KEY))
    found = rule(verdict, "scan-alarms")
    assert found.status == FAILED
    assert found.fingerprints == (OTHER_KEY,)
    assert len(found.waived) == 1
    assert judged(two, waiver(ALARM_KEY), waiver(OTHER_KEY)).result == PASSED


def test_a_waiver_counts_to_the_end_of_its_day_and_no_longer() -> None:
    last = waiver(ALARM_KEY, "2026-06-01")
    assert judged(alarmed(), last).result == PASSED
    verdict = judged(alarmed(), last, now=NOW + timedelta(hours=12))
    assert rule(verdict, "scan-alarms").status == FAILED
    assert verdict.notes == ("The waiver by Ada for scan-alarms does not count: it expired on 2026-06-01.",)
    assert not verdict.unused


def test_a_waiver_that_covers_nothing_is_listed() -> None:
    verdict = judged(good(), waiver("99" * 32))
    assert verdict.result == PASSED
    assert [one.fingerprint for one in verdict.unused] == ["99" * 32]


WAIVABLE = {
    "scan-age": shown(finished=at(days=40)),
    "scan-settings": shown(mode="model-free"),
    "scan-detectors": shown(detectors=("strip",)),
    "scan-coverage": shown(coverage=(CoverageRecord("SS01", 1, 2),)),
    "scan-not-run": shown(not_run={"spectre": "out of memory"}),
    "scan-alarms": alarmed(),
    "measure-accuracy": replace(
        good(), measure=replace(good().measure, said=replace(MEASURED, ca=Figure(0.9, 0.89, 0.91, 10_000)))
    ),
    "measure-images": replace(
        good(), measure=replace(good().measure, said=replace(MEASURED, ca=Figure(0.98, 0.97, 0.99, 900)))
    ),
}


@pytest.mark.parametrize("name", WAIVABLE)
def test_what_can_be_waived_tells_its_fingerprint(name: str) -> None:
    found = rule(judged(WAIVABLE[name]), name)
    assert found.status == FAILED
    assert [one.waivable for one in found.faults] == [True]
    verdict = judged(WAIVABLE[name], waiver(found.faults[0].fingerprint))
    assert rule(verdict, name).status == WAIVED
    assert verdict.result == PASSED


def test_that_nothing_could_have_been_found_cannot_be_waived() -> None:
    found = shown(coverage=(CoverageRecord("SS01", 0, 2), CoverageRecord("PX01", 0, 2)))
    short, nothing = rule(judged(found), "scan-coverage").faults
    assert (short.waivable, nothing.waivable) == (True, False)
    assert rule(judged(found, waiver(nothing.fingerprint)), "scan-coverage").status == FAILED


def test_a_waiver_for_one_model_does_not_cover_another() -> None:
    weak = WAIVABLE["measure-accuracy"]
    found = rule(judged(weak), "measure-accuracy").faults[0].fingerprint
    other = replace(weak, model=replace(weak.model, sha256="99" * 32))
    assert rule(judged(other, waiver(found)), "measure-accuracy").status == FAILED


def test_an_old_scan_that_was_waived_does_not_cover_an_older_one() -> None:
    found = rule(judged(WAIVABLE["scan-age"]), "scan-age").faults[0].fingerprint
    assert judged(WAIVABLE["scan-age"], waiver(found), now=NOW + timedelta(days=1)).result == PASSED
    assert rule(judged(shown(finished=at(days=50)), waiver(found)), "scan-age").status == FAILED


NEVER = {
    "data-signed": replace(good(), dataset=replace(good().dataset, signers=(key("alice"),))),
    "scan-signed": replace(good(), scan=replace(good().scan, signers=(key("dave"),))),
    "scan-separate": replace(good(), dataset=replace(good().dataset, signers=(key("alice"), key("bob"), key("carol")))),
    "scan-subject": replace(good(), scan=replace(good().scan, subjects=())),
    "scan-complete": shown(size=59),
    "training-model": replace(good(), model=replace(good().model, sha256="99" * 32)),
    "training-complete": replace(good(), training=replace(good().training, said=replace(
        good().training.value, root="34" * 32))),
    "measure-accuracy": replace(good(), measure=replace(good().measure, said=replace(
        MEASURED, ca=Figure(2.0, 2.0, 2.0, 9999)))),
}  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_signatures_separation_and_mismatches_can_never_be_waived(name: str) -> None:
    found = rule(judged(NEVER[name]), name)
    assert not any(one.waivable for one in found.faults)
    verdict = judged(NEVER[name], *(waiver(one) for one in found.fingerprints))
    assert rule(verdict, name).status == FAILED
    assert verdict.result == FAILED
    assert f"The waiver by Ada for {name} does not count: nobody can waive that." in verdict.notes


def test_missing_or_broken_evidence_can_never_be_waived(tmp_path: Path) -> None:
    run = World().write(tmp_path / "run")
    for data, status in ((None, MISSING), (b"{}", FAILED)):
        (run / "scan.sigstore.json").unlink()
        if data is not None:
            (run / "scan.sigstore.json").write_bytes(data)
        evidence = gather(run)
        keys = {one for result in judged(evidence).failed for one in result.fingerprints}
        verdict = judged(evidence, *map(waiver, keys))
        assert rule(verdict, "scan-signed").status == status
        assert verdict.result == FAILED
        (run / "scan.sigstore.json").write_bytes(b"")


def test_fingerprints_are_of_rule_and_content_in_order() -> None:
    assert fingerprint("a", ["b", "c"]) == fingerprint("a", ["b", "c"])
    assert len({fingerprint("a", ["b", "c"]), fingerprint("a", ["c", "b"]), fingerprint("ab", ["c"]),
                fingerprint("a", ["bc"]), fingerprint("", ["a", "b", "c"])}) == 5  # fmt: skip
    assert len(digest(b"")) == len(fingerprint("a", []))


def elsewhere(found: RunEvidence) -> RunEvidence:
    """The same evidence about another data set and the model that was made of it."""
    splits = {name: replace(split, root="61" * 32) for name, split in DATASET.splits.items()}
    return replace(
        found,
        model=replace(found.model, sha256="62" * 32),
        dataset=replace(found.dataset, subjects=(Subject(MANIFEST, "63" * 32),),
                        said=replace(found.dataset.value, splits=splits)),
        scan=replace(found.scan, said=replace(found.scan.value, root="61" * 32)),
        training=replace(found.training, said=replace(found.training.value, root="61" * 32, manifest="63" * 32)),
        measure=replace(found.measure, said=replace(found.measure.value, test_root="64" * 32)),
    )  # fmt: skip


CAN_BE_WAIVED = {
    "scan-age", "scan-settings", "scan-detectors", "scan-coverage", "scan-not-run", "scan-alarms", "review-age",
    "training-code", "measure-age",
    "measure-images", "measure-accuracy", "measure-attack", "measure-sources", "measure-answers",
}  # fmt: skip


def waivable_faults(evidence: RunEvidence, name: str) -> set[str]:
    return {one.fingerprint for one in rule(judged(evidence), name).faults if one.waivable}


def test_the_rules_that_can_be_waived_are_those_of_the_docs() -> None:
    assert {name for name, _, change in FAULTS if waivable_faults(change(good()), name)} == CAN_BE_WAIVED
    text = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
    told = text.split("These can be waived:", 1)[1].split(". ", 1)[0]
    assert set(re.findall("`([a-z-]+)`", told)) == CAN_BE_WAIVED


@pytest.mark.parametrize(("name", "what", "change"), FAULTS, ids=[f"{one[0]}: {one[1]}" for one in FAULTS])
def test_no_waiver_for_one_data_set_covers_another(name: str, what: str, change: Change) -> None:
    """Also where an alarm has no samples, so that its own fingerprint is the same everywhere."""
    here, there = waivable_faults(change(good()), name), waivable_faults(elsewhere(change(good())), name)
    assert not here & there
    assert len(here) == len(there)
