"""A reference cannot hide what the data carry: it gives p-values, is looked at itself, and decides nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import from_arrays, write_dataset
from whitesquare.detectors.noise_residual import NoiseResidual
from whitesquare.detectors.types import Evidence
from whitesquare.errors import DataError, TrainingError
from whitesquare.scanning import beside
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.carried import beyond_chance, carried
from whitesquare.scanning.marks.field import FieldKind
from whitesquare.scanning.marks.roaming import RoamingKind
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.reference import Reference
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings

from .report.scan_sample import alarm

QUICK = ScanSettings(model_free=True, detectors=("pixel-contrast", "confident-learning"))
CLEAN = "clean-reference"


def checker(images, at):
    """Stamp the chequered patch of the review in the corner."""
    images[at, :, 25:28, 25:28] = 0
    for row, column in ((25, 25), (25, 27), (26, 26), (27, 25), (27, 27)):
        images[at, :, row, column] = 255


@pytest.fixture(scope="module")
def flipped(small_train):
    """4,000 images, of which 150 of other classes carry the patch and the label 7."""
    images, labels = small_train.images(slice(0, 4000)).copy(), small_train.labels[:4000].copy()
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(labels != 7))[:150]
    checker(images, chosen)
    labels[chosen] = 7
    return from_arrays(images, labels, classes=small_train.classes)


@pytest.fixture(scope="module")
def references(small_test):
    """References by what was done to them."""
    images, labels = small_test.images(slice(None)), small_test.labels
    made = {CLEAN: images.copy()}
    made["stamped"] = images.copy()
    checker(made["stamped"], slice(None))
    made["a tenth of class 7"] = images.copy()
    checker(made["a tenth of class 7"], np.flatnonzero(labels == 7)[::10])
    made["a hundredth, other classes"] = images.copy()
    checker(made["a hundredth, other classes"], np.flatnonzero(labels != 7)[::80])
    made["noise"] = np.random.default_rng(0).integers(0, 256, images.shape).astype(np.uint8)
    made["another patch on class 3"] = images.copy()
    made["another patch on class 3"][np.flatnonzero(labels == 3)[:100], :, 0:3, 0:3] = 200
    wrong = np.where(np.arange(len(labels)) % 10 == 0, (labels + 1) % 10, labels)
    named = {name: from_arrays(one, labels, classes=small_test.classes) for name, one in made.items()}
    return named | {"wrong labels": from_arrays(images, wrong, classes=small_test.classes)}


@pytest.fixture(scope="module")
def alone(flipped):
    return run_scan(flipped, QUICK)


@pytest.mark.parametrize(
    "name",
    [
        CLEAN,
        "stamped",
        "a tenth of class 7",
        "a hundredth, other classes",
        "noise",
        "another patch on class 3",
        "wrong labels",
    ],
)
def test_no_reference_changes_an_alarm_a_statistic_or_a_score(name, flipped, references, alone):
    found = run_scan(flipped, QUICK, reference=references[name])
    assert alone.result.verdict == "suspicious"
    assert found.result.verdict == alone.result.verdict
    assert found.result.alarms == alone.result.alarms
    statistics = [[row.statistics for row in one.result.classes] for one in (found, alone)]
    assert statistics[0] == statistics[1]
    assert np.array_equal(found.scores.fused, alone.scores.fused)
    flagged = [{one.id for one in each.result.flagged if one.tier != "review"} for each in (found, alone)]
    assert flagged[0] == flagged[1]
    assert len(flagged[0]) == 150


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stamped", "of class 7 carry the same trigger: the reference is not clean"),
        ("stamped", "of other classes than 7 carry the same trigger: the reference is not clean"),
        ("a tenth of class 7", "21 of 205 reference samples of class 7 carry the same trigger"),
        ("a hundredth, other classes", "of 1795 reference samples of other classes than 7 carry the same trigger"),
        ("another patch on class 3", "Class 3 stands out only once the reference is added (PX01"),
    ],
)
def test_a_reference_that_is_not_clean_is_reported_and_not_used(name, said, flipped, references):
    result = run_scan(flipped, QUICK, reference=references[name]).result
    assert said in " ".join(result.warnings)
    assert result.calibration == "approximate"
    assert result.calibration_note.startswith("The reference was not used for p-values: ")
    assert any(flag.p_value is not None for flag in result.flagged)


def test_samples_made_to_rank_high_so_that_poison_looks_ordinary_are_no_yardstick(small_train, references):
    settings = ScanSettings(model_free=True, detectors=("confident-learning",))
    clean = from_arrays(small_train.images(slice(0, 4000)), small_train.labels[:4000], classes=small_train.classes)
    assert run_scan(clean, settings, reference=references[CLEAN]).result.warnings == ()
    result = run_scan(clean, settings, reference=references["wrong labels"]).result
    assert "of 2000 reference samples rank above 99 % of the data" in " ".join(result.warnings)
    assert result.calibration == "approximate"


def test_a_clean_reference_gives_conformal_p_values_that_hold_their_level(flipped, references, alone):
    found = run_scan(flipped, QUICK, reference=references[CLEAN])
    assert found.result.warnings == ()
    assert found.result.calibration == "conformal"
    assert found.result.reference_size == 2000
    clean = np.ones(4000, bool)
    clean[[flag.position for flag in alone.result.flagged if flag.tier != "review"]] = False
    assert (found.scores.p_values[clean] <= 0.01).mean() <= 0.02
    assert np.median(found.scores.p_values[~clean]) <= 0.01


def test_poison_put_into_the_reference_as_it_is_cannot_vouch_for_itself(flipped, alone):
    result = run_scan(flipped, QUICK, reference=flipped).result
    assert "150 of" in result.warnings[1]
    assert "of class 7 carry the same trigger" in result.warnings[1]
    assert result.alarms == alone.result.alarms


@pytest.mark.parametrize("error", [TrainingError, DataError])
def test_a_model_may_fail_on_a_reference_and_the_alarms_stay(error, flipped, references, alone, monkeypatch):
    def diverge(*_):
        raise error("The loss is not a number.")

    monkeypatch.setattr(beside, "gather_beside", diverge)
    result = run_scan(flipped, QUICK, reference=references[CLEAN]).result
    assert result.alarms == alone.result.alarms
    assert "asking a model about it failed: The loss is not a number." in result.calibration_note


def test_a_crash_beside_the_reference_is_told(flipped, references, monkeypatch):
    from whitesquare.detectors.label_issues import ConfidentLearning

    score = ConfidentLearning.score

    def crash(self, evidence):
        if evidence.trusted.any():
            raise ZeroDivisionError("broken")
        return score(self, evidence)

    monkeypatch.setattr(ConfidentLearning, "score", crash)
    result = run_scan(flipped, QUICK, reference=references[CLEAN]).result
    assert [run.name for run in result.runs if run.crashed] == ["confident-learning"]
    assert result.verdict == "suspicious"


@pytest.mark.long
def test_the_command_confirms_and_ends_with_1_whatever_it_is_told_to_trust(flipped, references, tmp_path):
    write_dataset(tmp_path / "data", flipped, None, "npz")
    write_dataset(tmp_path / "stamped", references["stamped"], None, "npz")
    asked = ("scan", str(tmp_path / "data"), "--reference", str(tmp_path / "stamped"), "--detectors", "pixel-contrast")
    done = CliRunner().invoke(app, [*asked, "-o", "table", "-o", f"html={tmp_path / 'page.html'}"])
    assert done.exit_code == 1, done.output
    shown = " ".join(done.stdout.split())
    assert shown.startswith("A planted trigger was confirmed in class")
    for text in (shown, (tmp_path / "page.html").read_text()):
        assert "205 of 205 reference samples of class 7 carry the same trigger: the reference is not clean." in text


SIDE = 16


def stripes(per_class, seed):
    """Stripes of another period for every class, at a random phase."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), per_class)
    phase = rng.uniform(0, 2 * np.pi, (len(labels), 1, 1))
    waves = 50 * np.sin(2 * np.pi * np.arange(SIDE)[:, None] / (4 + 2 * labels[:, None, None]) + phase)
    images = 110 + waves + rng.normal(0, 12, (len(labels), SIDE, SIDE))
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


def cross(images, seed):
    """Put a white cross somewhere in every image."""
    rng, made = np.random.default_rng(seed), images.copy()
    for image in made:
        row, column = rng.integers(0, SIDE - 5, 2)
        image[:, row : row + 5, column + 2] = 255
        image[:, row + 2, column : column + 5] = 255
    return made


def wave(images, seed):
    across = 40 * np.sin(np.arange(SIDE) * 2 * np.pi / 4)
    return np.clip(images + across, 0, 255).astype(np.uint8)


def grain(images, seed):
    noise = np.random.default_rng(seed).integers(-80, 81, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def raised(kind, carriers):
    """Make an alarm as the scan would, with the trigger known exactly."""
    zero = np.zeros((1, SIDE, SIDE), np.float32)
    trigger = None
    if kind == "roaming":
        mask = np.zeros((SIDE, SIDE), np.float32)
        mask[0:5, 2] = mask[2, 0:5] = 1
        trigger = FoundTrigger(RoamingKind(), mask, 255 * mask[None], zero)
    if kind == "field":
        pattern = np.broadcast_to(40 * np.sin(np.arange(SIDE) * 2 * np.pi / 4), (1, SIDE, SIDE)).astype(np.float32)
        trigger = FoundTrigger(FieldKind(), np.ones((SIDE, SIDE), np.float32), pattern, zero)
    rule = {"roaming": "PC01", "field": "RC01", "grain": "NR01"}[kind]
    return Raised(replace(alarm(1, "1", "suspicious"), rule_id=rule), carriers, trigger)


@pytest.mark.parametrize(("kind", "plant"), [("roaming", cross), ("field", wave), ("grain", grain)])
def test_what_is_no_patch_is_looked_for_in_the_reference_too(kind, plant):
    images, labels = stripes(400, 0)
    carriers = np.flatnonzero(labels == 1)[:200]
    images[carriers] = plant(images[carriers], 1)
    found = Evidence(images, labels, tuple("0123"), np.zeros(len(labels), bool))
    clean, own = stripes(250, 5)
    fresh = np.ones(len(own), bool)
    one = raised(kind, carriers)
    assert carried(found, [one], Reference(clean, own, fresh, ())) == ()
    planted = clean.copy()
    some = np.flatnonzero(own == 1)[:60]
    planted[some] = plant(planted[some], 2)
    (said,) = carried(found, [one], Reference(planted, own, fresh, ()))
    count = int(said.split(" ")[0])
    assert 20 <= count <= 66, said
    assert "of 250 reference samples of class 1 carry the same" in said
    assert "or what they share is harmless" in said


def test_a_detector_that_breaks_on_a_crafted_reference_does_not_end_the_scan(monkeypatch):
    images, labels = stripes(100, 0)
    found = Evidence(images, labels, tuple("0123"), np.zeros(len(labels), bool))

    def crash(self, evidence):
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(NoiseResidual, "score", crash)
    clean, own = stripes(50, 5)
    one = raised("grain", np.flatnonzero(labels == 1)[:50])
    assert carried(found, [one], Reference(clean, own, np.ones(len(own), bool), ())) == ()


def test_chance_is_not_reported():
    assert not beyond_chance(0, 0, 0.0)
    assert not beyond_chance(2, 2000, 0.0)
    assert not beyond_chance(5, 200, 0.02)
    assert beyond_chance(12, 2000, 0.0)
    assert beyond_chance(20, 200, 0.02)
