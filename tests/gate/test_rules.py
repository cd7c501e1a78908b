"""Every rule passes, fails, and fails closed, each on its own; and the decision is a pure function."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any

import pytest

from whitesquare.gating import rules
from whitesquare.gating.rules import RULES, decide
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import FAILED, MISSING, PASSED, FileState, RuleOutcome, RunEvidence
from whitesquare.provenance.evidence import (
    SCAN_REPORT,
    UNKNOWN,
    CoverageRecord,
    Figure,
    ReferenceRecord,
    SourceFigure,
    TriggerFigure,
    UntargetedFigure,
)
from whitesquare.signing.statements import Subject
from whitesquare.signing.times import from_text, to_text

from .world import (
    ALARM,
    DATASET,
    DECIDED,
    FULL,
    MEASURED,
    NOW,
    REPORT,
    REVIEWED,
    ROWS,
    TRAINED,
    TRIGGER,
    at,
    digest,
    good,
    key,
    policy,
    reviewed,
    rule,
    said,
    scanned,
    statuses,
)

PARTS = ("dataset", "scan", "review", "training", "measure")
Change = Callable[[RunEvidence], RunEvidence]


def says(part: str, said: Any) -> Change:
    return lambda found: replace(found, **{part: replace(getattr(found, part), said=said)})


def about(part: str, sha256: str) -> Change:
    return lambda found: replace(found, **{part: replace(getattr(found, part), subjects=(Subject("x", sha256),))})


def by(part: str, *signers: Any) -> Change:
    return lambda found: replace(found, **{part: replace(getattr(found, part), signers=signers)})


def scan(**changes: Any) -> Change:
    return says("scan", scanned(**changes))


def trained(**changes: Any) -> Change:
    return says("training", replace(TRAINED, **changes))


def measured(**changes: Any) -> Change:
    return says("measure", replace(MEASURED, **changes))


def flags(**changes: Any) -> Change:
    return lambda found: replace(found, flagged=replace(found.flagged, **changes))


def decided(**decisions: Any) -> Change:
    """Other decisions than those of the world, by the sample: ``s003=said("remove", "bob")``."""
    every = DECIDED | {name.removeprefix("s"): people for name, people in decisions.items()}
    return says("review", reviewed({name: people for name, people in every.items() if people}, REPORT))


def data(**changes: Any) -> Change:
    return says("dataset", replace(DATASET, **changes))


def attacked(low: float, value: float, high: float, n: int = 9000) -> Change:
    return measured(asr=(TriggerFigure(TRIGGER, 0, Figure(value, low, high, n)), MEASURED.asr[1]))


def from_source(value: float, low: float, high: float, n: int = 900) -> Change:
    return measured(sources=(SourceFigure(TRIGGER, 0, 1, Figure(value, low, high, n)), MEASURED.sources[1]))


def untargeted(value: float, low: float, high: float, n: int = 9000) -> Change:
    return measured(untargeted=(UntargetedFigure(TRIGGER, Figure(value, low, high, n)),))


EXPIRED = replace(key("alice"), not_after=NOW - timedelta(seconds=1))
FUTURE = replace(key("alice"), not_before=NOW + timedelta(days=1))
DAY = timedelta(days=1)
REFERENCE = ReferenceRecord("11" * 32, "22" * 32, 50, "train", (key("alice").keyid, key("bob").keyid))

FAULTS: list[tuple[str, str, Change]] = [
    ("model-present", "unreadable", lambda found: replace(found, model=FileState("m", problem="no file"))),
    ("data-signed", "one role missing", by("dataset", key("alice"))),
    ("data-signed", "the same key twice is one", by("dataset", key("alice"), key("alice"))),
    ("data-signed", "nobody", by("dataset")),
    ("data-signed", "expired key", by("dataset", EXPIRED, key("bob"))),
    ("data-signed", "key of the future", by("dataset", FUTURE, key("bob"))),
    ("data-current", "expired", data(expires=at(seconds=1))),
    ("data-version", "older", data(dataset=replace(DATASET.dataset, version=2))),
    ("data-version", "another data set", data(dataset=replace(DATASET.dataset, id="letters", version=9))),
    ("data-pinned", "another manifest", about("dataset", "99" * 32)),
    ("scan-signed", "by the trainer", by("scan", key("dave"))),
    ("scan-signed", "expired", by("scan", replace(key("carol"), not_after=NOW - DAY))),
    ("scan-separate", "the same key", by("dataset", key("alice"), key("bob"), key("carol"))),
    ("scan-subject", "another manifest", about("scan", "99" * 32)),
    ("scan-subject", "no subject", lambda found: replace(found, scan=replace(found.scan, subjects=()))),
    ("scan-subject", "two subjects", lambda found: replace(
        found, scan=replace(found.scan, subjects=(*found.scan.subjects, Subject("y", "99" * 32))))),
    ("scan-complete", "a subset", scan(size=59, root="34" * 32)),
    ("scan-complete", "the size alone", scan(size=59)),
    ("scan-complete", "the root alone", scan(root="34" * 32)),
    ("scan-complete", "the other split, whole", scan(split="test", size=10, root="cd" * 32)),
    ("scan-complete", "no such split", data(splits={"test": DATASET.splits["test"]})),
    ("scan-report", "another report", lambda found: replace(
        found, files=found.files | {SCAN_REPORT: FileState(SCAN_REPORT, "99" * 32)})),
    ("scan-report", "unreadable", lambda found: replace(
        found, files=found.files | {SCAN_REPORT: FileState(SCAN_REPORT, problem="it is a folder")})),
    ("scan-age", "old", scan(finished=at(days=30, seconds=1))),
    ("scan-age", "to come", scan(finished=to_text(NOW + timedelta(minutes=11)))),
    ("scan-settings", "model-free", scan(mode="model-free")),
    ("scan-settings", "seed", scan(seed=1)),
    ("scan-settings", "version", scan(version="0.0.9")),
    ("scan-detectors", "one missing", scan(detectors=("strip",))),
    ("scan-detectors", "a stranger", scan(detectors=("spectral-signatures", "lucky"))),
    ("scan-detectors", "none at all", scan(detectors=())),
    ("scan-coverage", "not in every class", scan(coverage=(CoverageRecord("SS01", 1, 2),))),
    ("scan-coverage", "no such rule", scan(coverage=(CoverageRecord("PX01", 2, 2),))),
    ("scan-coverage", "before format 3", scan(format=2, coverage=None)),
    ("scan-not-run", "crashed", scan(not_run={"spectre": "out of memory"})),
    ("scan-alarms", "suspicious", scan(alarms=(ALARM,), verdict="suspicious")),
    ("scan-alarms", "confirmed", scan(alarms=(replace(ALARM, tier="confirmed"),), verdict="confirmed")),
    ("scan-alarms", "of an unknown tier", scan(alarms=(replace(ALARM, tier="harmless"),), verdict="nothing found")),
    ("scan-alarms", "denied by the verdict", scan(alarms=(replace(ALARM, tier="review"),), verdict="nothing found")),
    ("scan-alarms", "verdict without alarm", scan(verdict="confirmed")),
    ("scan-alarms", "nothing was decided", scan(verdict="not decided")),
    ("scan-alarms", "nothing was checked", scan(verdict="not checked")),
    ("scan-alarms", "an alarm, and nothing was decided", scan(
        alarms=(replace(ALARM, tier="review"),), verdict="not decided")),
    ("scan-model", "another model", scan(mode="given model", model="99" * 32)),
    ("scan-model", "no digest of the given one", scan(mode="given model")),
    ("scan-model", "its own, and one was given", scan(model=digest(b"weights"))),
    ("scan-model", "given before format 2", scan(mode="given model", format=1, learned=None)),
    ("scan-model", "does not say what it learned", scan(learned=None)),
    ("scan-model", "learned nothing", scan(learned=Figure(0.51, 0.49, 0.53, 2000))),
    ("scan-model", "no share", scan(learned=Figure(float("nan"), 0.9, 1.0, 2000))),
    ("scan-reference", "one was used", scan(reference=REFERENCE)),
    ("scan-reference", "before format 2", scan(format=1, learned=None)),
    ("review-signed", "by the data's owner", by("review", key("alice"))),
    ("review-signed", "nobody", by("review")),
    ("review-signed", "expired", by("review", replace(key("bob"), not_after=NOW - DAY))),
    ("review-subject", "another scan", about("review", "99" * 32)),
    ("review-subject", "a scan without its report", scan(report="")),
    ("review-subject", "another report", flags(scan="99" * 32)),
    ("review-subject", "says another scan than it is about", says("review", replace(REVIEWED, scan="99" * 32))),
    ("review-subject", "of other data", says("review", replace(REVIEWED, dataset="99" * 32))),
    ("review-subject", "of data that are others now", flags(dataset="99" * 32)),
    ("review-subject", "nobody knows", flags(problem="There is no scan.json.")),
    ("review-complete", "one open", decided(s003={})),
    ("review-complete", "nothing decided", says("review", replace(REVIEWED, decisions=()))),
    ("review-complete", "one more flagged", flags(tiers=good().flagged.tiers | {"009": "confirmed"})),
    ("review-complete", "other content", flags(contents=good().flagged.contents | {"003": "99" * 32})),
    ("review-complete", "not in the manifest", flags(contents={"003": digest(b"3")})),
    ("review-complete", "in no role", decided(s003=said("keep", "bob", role=""))),
    ("review-complete", "in a role for which no key signed", decided(s003=said("keep", "ann", role="data"))),
    ("review-complete", "another report", flags(scan="99" * 32)),
    ("review-sure", "one", decided(s003=said("unsure", "bob"))),
    ("review-sure", "one of two people", decided(s003=said("keep", "bob") | said("unsure", "eve"))),
    ("review-sure", "in the queue", decided(s007=said("unsure", "bob"))),
    ("review-agreed", "keep and remove", decided(s003=said("keep", "bob") | said("remove", "eve"))),
    ("review-agreed", "to two classes", decided(
        s003=said("relabel", "bob", label="0") | said("relabel", "eve", label="1"))),
    ("review-done", "to be removed", decided(s003=said("remove", "bob"))),
    ("review-done", "to be relabelled", decided(s005=said("relabel", "bob", label="0"))),
    ("review-done", "in the queue", decided(s007=said("remove", "bob"))),
    ("review-done", "not flagged at all", decided(s010=said("remove", "bob"))),
    ("review-done", "one of two people", decided(s003=said("keep", "bob") | said("remove", "eve"))),
    ("review-age", "old", decided(
        s003=said("keep", "bob", at=at(days=31)), s005=said("keep", "bob", at=at(days=30, seconds=1)))),
    ("review-age", "to come", decided(s003=said("keep", "bob", at=to_text(NOW + timedelta(minutes=11))))),
    ("training-signed", "by the scanner", by("training", key("carol"))),
    ("training-model", "swapped", lambda found: replace(found, model=FileState("m", "99" * 32))),
    ("training-data", "another manifest", trained(manifest="99" * 32)),
    ("training-complete", "another root", trained(root="34" * 32)),
    ("training-complete", "part", trained(size=59)),
    ("training-complete", "the other split", trained(split="test", size=10, root="cd" * 32)),
    ("training-code", "other code", trained(code="99" * 32)),
    ("measure-signed", "by the data's owner", by("measure", key("alice"))),
    ("measure-model", "of another model", about("measure", "99" * 32)),
    ("measure-model", "without the card", about("measure", digest(b"weights"))),
    ("measure-classes", "permuted", measured(classes=("1", "0"))),
    ("measure-classes", "one more", measured(classes=("0", "1", "2"))),
    ("measure-classes", "before format 2", measured(format=1, classes=())),
    ("measure-targets", "one of two", measured(asr=MEASURED.asr[:1])),
    ("measure-targets", "another one under a second trigger", measured(
        asr=(*MEASURED.asr, TriggerFigure("x", 0, MEASURED.asr[0].asr)))),
    ("measure-targets", "before format 2", measured(format=1, classes=())),
    ("measure-targets", "of no class", measured(classes=())),
    ("measure-test", "other images", measured(test_root="99" * 32)),
    ("measure-test", "none named", measured(test_root="")),
    ("measure-test", "no signed test split", data(splits={"train": DATASET.splits["train"]})),
    ("measure-age", "old", measured(finished=at(days=91))),
    ("measure-images", "few clean", measured(ca=Figure(0.98, 0.975, 0.985, 999))),
    ("measure-images", "few attacked", attacked(0, 0, 0, 999)),
    ("measure-accuracy", "low end below", measured(ca=Figure(0.98, 0.949, 0.99, 10_000))),
    ("measure-accuracy", "not a number", measured(ca=Figure(0.98, float("nan"), 0.99, 10_000))),
    ("measure-accuracy", "no interval", measured(ca=Figure(0.98, 0.99, 0.985, 10_000))),
    ("measure-accuracy", "above one", measured(ca=Figure(98.0, 97.0, 99.0, 10_000))),
    ("measure-attack", "high end above", attacked(0.05, 0.08, 0.101)),
    ("measure-attack", "negative", attacked(-1, -1, -1)),
    ("measure-sources", "one class turns", from_source(0.083, 0.0, 0.101)),
    ("measure-sources", "said twice, the better one last", measured(
        sources=(SourceFigure(TRIGGER, 0, 1, Figure(0.9, 0.89, 0.91, 900)), *MEASURED.sources))),
    ("measure-answers", "said twice, the better one last", measured(
        untargeted=(UntargetedFigure(TRIGGER, Figure(0.9, 0.89, 0.91, 9000)), *MEASURED.untargeted))),
    ("measure-sources", "no image of it", from_source(*astuple(UNKNOWN))),
    ("measure-sources", "not a number", from_source(float("nan"), 0.0, 0.02)),
    ("measure-sources", "the target itself", measured(sources=tuple(replace(
        one, source=one.target) for one in MEASURED.sources))),
    ("measure-sources", "not of one target", measured(sources=MEASURED.sources[:1])),
    ("measure-sources", "before it was measured", measured(sources=())),
    ("measure-answers", "all to all", untargeted(0.083, 0.0, 0.101)),
    ("measure-answers", "never right", untargeted(*astuple(UNKNOWN))),
    ("measure-answers", "under another trigger", measured(untargeted=(replace(
        MEASURED.untargeted[0], trigger="x"),))),
    ("measure-answers", "before it was measured", measured(untargeted=())),
    ("measure-images", "few of every class", untargeted(0.0, 0.0, 0.01, 999)),
    ("measure-attack", "a second one", measured(asr=(*MEASURED.asr, TriggerFigure("x", 1, Figure(1, 1, 1, 5000))))),
]  # fmt: skip

LACKS: list[tuple[str, str, Change]] = [
    ("model-present", "no file", lambda found: replace(found, model=FileState("model.safetensors"))),
    ("scan-report", "no file", lambda found: replace(
        found, files=found.files | {SCAN_REPORT: FileState(SCAN_REPORT)})),
    ("measure-triggers", "not tried", measured(
        asr=tuple(replace(one, trigger="other") for one in MEASURED.asr),
        sources=tuple(replace(one, trigger="other") for one in MEASURED.sources),
        untargeted=tuple(replace(one, trigger="other") for one in MEASURED.untargeted))),
    ("measure-triggers", "none tried", measured(asr=())),
]  # fmt: skip


def test_all_pass_on_good_evidence_and_all_are_asked() -> None:
    verdict = decide(policy(), good(), NOW)
    assert statuses(verdict) == {one.id: PASSED for one in RULES}
    assert verdict.result == PASSED
    assert not verdict.failed
    assert not verdict.only_missing


@pytest.mark.parametrize(("name", "what", "change"), FAULTS, ids=[f"{one[0]}: {one[1]}" for one in FAULTS])
def test_a_fault_fails_its_rule(name: str, what: str, change: Change) -> None:
    verdict = decide(policy(), change(good()), NOW)
    found = rule(verdict, name)
    assert found.status == FAILED
    assert verdict.result == FAILED
    assert not verdict.only_missing
    assert found.reason
    assert found.found
    assert found.expected
    assert found.step
    assert found.fingerprints


@pytest.mark.parametrize(("name", "what", "change"), LACKS, ids=[f"{one[0]}: {one[1]}" for one in LACKS])
def test_what_is_missing_fails_too_and_is_told_apart(name: str, what: str, change: Change) -> None:
    verdict = decide(policy(), change(good()), NOW)
    assert rule(verdict, name).status == MISSING
    assert verdict.only_missing
    assert verdict.result == FAILED


def test_every_rule_has_a_way_to_fail() -> None:
    assert {name for name, _, _ in [*FAULTS, *LACKS]} == {one.id for one in RULES}


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("part", PARTS)
def test_without_a_part_every_rule_that_needs_it_fails(part: str, missing: bool) -> None:
    broken = replace(
        getattr(good(), part), said=None, subjects=(), signers=(), problem="it cannot be read", missing=missing
    )
    verdict = decide(policy(), replace(good(), **{part: broken}), NOW)
    needing = {one.id for one in RULES if part in one.needs}
    assert needing
    expected = MISSING if missing else FAILED
    assert statuses(verdict) == {one.id: expected if one.id in needing else PASSED for one in RULES}
    assert verdict.only_missing is missing
    root = rule(verdict, rules.ROOTS[part])
    assert root.reason == "it cannot be read"
    assert root.step
    assert all(one.because == root.rule for one in verdict.failed if one.rule != root.rule)


def test_rules_that_need_nothing_of_the_kind_are_judged_alone() -> None:
    text = "[measure]\nmin_clean_accuracy = 0.9\nattested_test = false"
    verdict = decide(policy(text), good(), NOW)
    assert set(statuses(verdict)) == {
        "model-present", "measure-signed", "measure-model", "measure-images", "measure-accuracy",
    }  # fmt: skip


def test_a_rule_that_breaks_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(policy: Policy, evidence: RunEvidence, now: object) -> RuleOutcome:
        raise ZeroDivisionError("oops")

    changed = tuple(replace(one, check=broken) if one.id == "scan-age" else one for one in RULES)
    monkeypatch.setattr(rules, "RULES", changed)
    verdict = decide(policy(), good(), NOW)
    assert rule(verdict, "scan-age").status == FAILED
    assert "oops" in rule(verdict, "scan-age").reason
    assert verdict.result == FAILED
    assert len(verdict.failed) == 1


def test_bounds_are_inclusive_and_the_worse_end_counts() -> None:
    figures = {
        "ca": Figure(0.99, 0.95, 0.995, 1000),
        "asr": tuple(TriggerFigure(TRIGGER, target, Figure(0.05, 0.0, 0.1, 1000)) for target in (0, 1)),
    }
    just = measured(**figures)(good())
    assert decide(policy(), just, NOW).result == PASSED


def test_ages_count_to_the_second_and_clocks_may_differ_a_little() -> None:
    for finished in (at(days=30), to_text(NOW + timedelta(minutes=9))):
        assert decide(policy(), scan(finished=finished)(good()), NOW).result == PASSED


def test_the_tier_that_fails_is_the_policys() -> None:
    text = FULL.replace("seed = 0", 'seed = 0\nfail_on = "confirmed"')
    suspicious = scan(alarms=(ALARM,), verdict="suspicious")(good())
    assert decide(policy(text), suspicious, NOW).result == PASSED
    review = scan(alarms=(replace(ALARM, tier="review"),), verdict="review")(good())
    assert decide(policy(), review, NOW).result == PASSED


def test_detectors_may_be_missing_where_the_policy_says_so() -> None:
    idle = scan(not_run={"spectre": "out of memory"})(good())
    assert decide(policy(FULL.replace("seed = 0", 'seed = 0\nallow_not_run = ["spectre"]')), idle, NOW).result == PASSED


def test_the_same_inputs_give_the_same_verdict_and_stay_as_they_are() -> None:
    asked, shown = policy(), scan(alarms=(ALARM,), verdict="suspicious")(good())
    before = repr((asked, shown))
    assert decide(asked, shown, NOW) == decide(asked, shown, NOW)
    assert repr((asked, shown)) == before


def test_time_counts_only_as_it_is_given() -> None:
    """Everything fifty years later: the verdict is the same, whatever the clock on the wall says."""
    late = timedelta(days=50 * 365)

    def later(text: str) -> str:
        return to_text(from_text(text) + late)

    shown = data(expires=later(DATASET.expires or ""))(good())
    shown = scan(finished=later(at(days=2)))(shown)
    shown = measured(finished=later(at(days=2)))(shown)
    shown = decided(s003=said("keep", "bob", at=later(at(days=1))))(shown)
    assert statuses(decide(policy(), shown, NOW + late)) == statuses(decide(policy(), good(), NOW))
    assert decide(policy(), good(), NOW + late).result == FAILED


def test_the_decision_opens_no_file_and_reads_no_clock() -> None:
    code = (
        "import sys, datetime, time\n"
        "from tests.gate.world import good, policy, NOW\n"
        "from whitesquare.gating.rules import decide\n"
        "asked, shown = policy(), good()\n"
        "import whitesquare.signing.times as times\n"
        "def no(*args): raise AssertionError('a clock was read')\n"
        "times._clock = time.time = time.monotonic = time.time_ns = no\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(name))\n"
        "first = decide(asked, shown, NOW)\n"
        "bad = [name for name in seen if name.split('.')[0] in ('open', 'os', 'socket', 'subprocess', 'import')]\n"
        "assert not bad, bad\n"
        "assert first.result == 'PASSED', first\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digests_in_the_verdict_are_those_of_the_evidence() -> None:
    verdict = decide(policy(), good(), NOW)
    assert verdict.model == digest(b"weights")
    assert verdict.manifest == digest(ROWS)
    assert verdict.policy == policy().sha256
