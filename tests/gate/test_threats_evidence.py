"""What a signer or a trainer would try with evidence that is properly signed, or nearly; each ends in FAILED."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from whitesquare.gating.policy import example
from whitesquare.gating.types import PASSED
from whitesquare.provenance.evidence import (
    FORMAT,
    UNKNOWN,
    CoverageRecord,
    Figure,
    ReferenceRecord,
    SourceFigure,
    TriggerFigure,
)
from whitesquare.provenance.types import BUNDLE, DATASET_TYPE, ENVELOPE, MANIFEST
from whitesquare.signing.dsse import encode_bundle, encode_envelope, read_envelope, sign
from whitesquare.signing.statements import Subject, encode_statement

from .world import (
    DATASET,
    FULL,
    MEASURED,
    ROOT,
    ROWS,
    TRIGGER,
    World,
    digest,
    policy,
    rule,
    scanned,
    signer,
    verdict_of,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return World().write(tmp_path / "run")


def failed(verdict: Any) -> set[str]:
    return {one.rule for one in verdict.failed}


def test_a_bundle_with_a_worthless_signature_beside_the_envelope(run: Path) -> None:
    """Its payload is the right one, and anybody could have written it."""
    other = signer("mallory")
    payload = read_envelope((run / ENVELOPE).read_bytes(), "").payload
    (run / BUNDLE).write_text(encode_bundle(sign(payload, [other])))
    assert "data-signed" in failed(verdict_of(run))
    (run / BUNDLE).write_text(encode_bundle(sign(payload, [signer("dave")])))  # trusted, and not to speak for data
    assert "did not sign" in rule(verdict_of(run), "data-signed").reason
    forged = sign(payload, [signer("alice")])
    garbage = replace(forged, signatures=(replace(forged.signatures[0], sig=bytes(64)),))
    (run / BUNDLE).write_text(encode_bundle(garbage))
    assert "is wrong" in rule(verdict_of(run), "data-signed").reason


def test_a_signed_manifest_under_another_name(tmp_path: Path) -> None:
    """The file that a release would copy is not the one that was verified."""
    world = World(dataset=replace(DATASET, manifest=replace(DATASET.manifest, name="real.parquet")))
    run = world.write(tmp_path / "run")
    payload = encode_statement([Subject("real.parquet", digest(ROWS))], DATASET_TYPE, asdict(world.dataset))
    envelope = sign(payload, [signer("alice"), signer("bob")])
    (run / ENVELOPE).write_text(encode_envelope(envelope))
    (run / BUNDLE).write_text(encode_bundle(envelope))
    (run / "real.parquet").write_bytes(ROWS)
    (run / MANIFEST).write_bytes(b"anything")
    assert "expected manifest.parquet" in rule(verdict_of(run), "data-signed").reason


def attacked(*figures: tuple[int, float]) -> tuple[TriggerFigure, ...]:
    return tuple(TriggerFigure(TRIGGER, target, Figure(asr, asr, asr, 9_000)) for target, asr in figures)


def starter(run: Path) -> Any:
    return verdict_of(run, example())


def starting(**changes: Any) -> World:
    """A world in which the policy that `gate --init` writes passes."""
    return World(scan=scanned(detectors=policy(example()).scan.require_detectors), **changes)


def test_the_policy_to_start_with_passes_an_honest_run(tmp_path: Path) -> None:
    assert starter(starting().write(tmp_path / "run")).result == PASSED


def test_a_measurement_of_another_class_than_the_one_that_works(tmp_path: Path) -> None:
    """`measure --target 0` finds nothing where the backdoor answers 1: the other class must have been tried too."""
    run = starting(measure=replace(MEASURED, asr=attacked((0, 0.0)))).write(tmp_path / "wrong-class")
    assert failed(starter(run)) == {"measure-targets"}
    assert "nobody measured how often the model answers '1'" in rule(starter(run), "measure-targets").reason
    run = starting(measure=replace(MEASURED, asr=attacked((0, 0.0), (1, 0.996)))).write(tmp_path / "all-classes")
    assert failed(starter(run)) == {"measure-attack"}


def test_a_backdoor_for_the_images_of_one_class(tmp_path: Path) -> None:
    """85 % of the fives turn, and in the success rate over all classes that is 9 %."""
    one = SourceFigure(TRIGGER, 0, 1, Figure(0.85, 0.83, 0.87, 892))
    hidden = replace(MEASURED, asr=attacked((0, 0.091), (1, 0.0)), sources=(one, MEASURED.sources[1]))
    verdict = starter(starting(measure=hidden).write(tmp_path / "starter"))
    assert failed(verdict) == {"measure-sources"}
    assert "on images of 1 '1' alone is 85.00 %" in rule(verdict, "measure-sources").reason.replace("%", " %")
    older = example().replace("max_source_success", "# ").replace("max_untargeted_success", "# ")
    assert failed(verdict_of(tmp_path / "starter", older)) == {"measure-sources"}


def test_a_class_without_test_images_passes_only_where_any_share_does(tmp_path: Path) -> None:
    unknown = tuple(replace(one, asr=UNKNOWN) for one in MEASURED.sources)
    run = World(measure=replace(MEASURED, sources=unknown)).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"measure-sources"}
    assert "no test image could turn" in rule(verdict_of(run), "measure-sources").reason
    assert verdict_of(run, FULL.replace("max_source_success = 0.10", "max_source_success = 1.0")).result == PASSED


def test_a_measurement_by_the_trainer_or_on_images_of_its_own(tmp_path: Path) -> None:
    assert failed(starter(starting(measure_by="dave").write(tmp_path / "trainer"))) == {"measure-signed"}
    run = starting(measure=replace(MEASURED, test_root="34" * 32)).write(tmp_path / "images")
    assert failed(starter(run)) == {"measure-test"}


def test_a_measurement_that_does_not_say_of_which_classes(tmp_path: Path) -> None:
    """One of format 1 is read, and the weights are the right ones; what it leaves open fails, and says what to do."""
    old = replace(MEASURED, format=1, classes=(), asr=attacked((0, 0.0)), sources=(), untargeted=())
    verdict = verdict_of(World(measure=old).write(tmp_path / "run"))
    assert failed(verdict) == {"measure-targets", "measure-classes", "measure-sources", "measure-answers"}
    assert "measured before format 2" in rule(verdict, "measure-targets").reason
    assert rule(verdict, "measure-model").status == PASSED


@pytest.mark.parametrize("format", [FORMAT + 1, 99])
def test_a_statement_of_a_format_that_is_not_known(tmp_path: Path, format: int) -> None:
    """What a later version says with the same words may mean less."""
    verdict = verdict_of(World(measure=replace(MEASURED, format=format)).write(tmp_path / "one"))
    assert f"this version knows 1 to {FORMAT}" in rule(verdict, "measure-signed").reason
    verdict = verdict_of(World(scan=scanned(format=format)).write(tmp_path / "two"))
    assert f"this version knows 1 to {FORMAT}" in rule(verdict, "scan-signed").reason


def test_targets_that_the_policy_names_are_the_ones_that_count(tmp_path: Path) -> None:
    text = FULL.replace("min_images", 'targets = ["1"]\nmin_images')
    run = World(measure=replace(MEASURED, asr=attacked((0, 0.5), (1, 0.0)))).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"measure-attack"}
    assert verdict_of(run, text).result == PASSED
    assert failed(verdict_of(run, text.replace('["1"]', '["2"]'))) == {"measure-targets"}
    run = World(measure=replace(MEASURED, asr=attacked((0, 0.5), (1, 0.5)))).write(tmp_path / "worse")
    assert failed(verdict_of(run, text)) == {"measure-attack"}


def test_permuted_class_names(tmp_path: Path) -> None:
    """The weights are untouched, and every answer means another class."""
    alone = "[measure]\nmin_clean_accuracy = 0.9\nattested_test = false\n"
    run = World().write(tmp_path / "after")
    assert verdict_of(run, alone).result == PASSED
    (run / "model.json").write_bytes(b'{"classes": ["1", "0"]}')
    assert failed(verdict_of(run, alone)) == {"measure-model"}
    run = World(measure=replace(MEASURED, classes=("1", "0"))).write(tmp_path / "before")
    assert failed(verdict_of(run)) == {"measure-classes"}


def test_a_measurement_of_the_weights_without_their_card(tmp_path: Path) -> None:
    run = World(card_signed=False).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"measure-model"}


def test_a_scan_with_a_model_that_sees_nothing(tmp_path: Path) -> None:
    """All-zero weights as the given model make every detector that needs one blind."""
    zeros = digest(bytes(100))
    blind = scanned(mode="given model", model=zeros)
    assert failed(verdict_of(World(scan=blind).write(tmp_path / "another"))) == {"scan-model"}
    here = replace(blind, model=digest(World().weights))
    assert verdict_of(World(scan=here).write(tmp_path / "this")).result == PASSED
    chance = replace(here, learned=Figure(0.5, 0.48, 0.52, 2000))
    assert failed(verdict_of(World(scan=chance).write(tmp_path / "chance"))) == {"scan-model"}
    old = replace(blind, format=1, model="", learned=None)
    assert "scan-model" in failed(verdict_of(World(scan=old).write(tmp_path / "old")))


def test_a_scan_that_came_to_no_decision(tmp_path: Path) -> None:
    for number, verdict in enumerate(("not decided", "not checked", "", "Nothing found", "passed")):
        run = World(scan=scanned(verdict=verdict)).write(tmp_path / str(number))
        assert failed(verdict_of(run)) == {"scan-alarms"}


ALLOWED = FULL.replace("seed = 0", "seed = 0\nallow_reference = true")
WITNESS = ReferenceRecord("11" * 32, "22" * 32, 2000, "train", (signer("alice").keyid, signer("bob").keyid))
WITNESSES = {
    "nobody": replace(WITNESS, signers=()),
    "one of two": replace(WITNESS, signers=WITNESS.signers[:1]),
    "the same twice": replace(WITNESS, signers=WITNESS.signers[:1] * 2),
    "a stranger": replace(WITNESS, signers=("99" * 32,)),
    "the trainer": replace(WITNESS, signers=(signer("dave").keyid,)),
    "the scanner as well": replace(WITNESS, signers=(*WITNESS.signers, signer("carol").keyid)),
    "the data themselves": replace(WITNESS, root=ROOT),
    "the data themselves, read in part": replace(WITNESS, manifest=digest(ROWS)),
    "none at all": replace(WITNESS, size=0),
}


def test_a_scan_that_was_told_what_is_clean(tmp_path: Path) -> None:
    """Unsigned images with the trigger as a reference made a confirmed backdoor look like nothing found."""
    run = World(scan=scanned(reference=WITNESS)).write(tmp_path / "run")
    assert failed(verdict_of(run)) == {"scan-reference"}
    assert verdict_of(run, ALLOWED).result == PASSED


@pytest.mark.parametrize("who", WITNESSES)
def test_a_reference_that_nobody_vouches_for(tmp_path: Path, who: str) -> None:
    run = World(scan=scanned(reference=WITNESSES[who])).write(tmp_path / "run")
    assert failed(verdict_of(run, ALLOWED)) == {"scan-reference"}


def test_a_scan_that_could_not_have_found_anything(tmp_path: Path) -> None:
    """Sixty samples, or two classes, and no rule could have spoken: to find nothing there says nothing."""
    idle = (CoverageRecord("SS01", 0, 2), CoverageRecord("PX01", 0, 2))
    run = World(scan=scanned(coverage=idle)).write(tmp_path / "run")
    text = FULL.replace('require_rules = ["SS01"]\n', "")
    assert failed(verdict_of(run, text)) == {"scan-coverage"}
    assert "however poisoned" in rule(verdict_of(run, text), "scan-coverage").reason
    half = World(scan=scanned(coverage=(idle[0], CoverageRecord("PX01", 1, 2)))).write(tmp_path / "half")
    assert verdict_of(half, text).result == PASSED
    assert failed(verdict_of(half, FULL.replace('["SS01"]', '["all"]'))) == {"scan-coverage"}


def test_a_scan_that_does_not_say_whether_it_had_a_reference(tmp_path: Path) -> None:
    run = World(scan=scanned(format=1, learned=None)).write(tmp_path / "run")
    for text in (FULL, ALLOWED):
        assert failed(verdict_of(run, text)) == {"scan-reference", "scan-coverage"}
        assert "scan again" in rule(verdict_of(run, text), "scan-reference").reason
