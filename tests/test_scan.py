"""The scan's own parts: what is planted is found, what is harmless not confirmed, p-values mean what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import nn

from whitesquare.data import from_arrays, open_dataset
from whitesquare.detectors.codes import Scale, code_bits, window_codes
from whitesquare.detectors.contrast import log_contrast
from whitesquare.detectors.noise_residual import NoiseResidual
from whitesquare.detectors.patch_contrast import PatchContrast
from whitesquare.detectors.pixel_contrast import PixelContrast
from whitesquare.detectors.residual_components import ResidualComponents
from whitesquare.detectors.trigger_inversion import Inversion, smallness
from whitesquare.detectors.types import Evidence, Hint, Suspicion, unscored
from whitesquare.learning.classifier import classifier
from whitesquare.scanning.alarms import raise_alarms
from whitesquare.scanning.benign import benign_causes
from whitesquare.scanning.calibration import calibrate
from whitesquare.scanning.fusion import Scored, fuse
from whitesquare.scanning.marks.reconstruct import reconstruct
from whitesquare.scanning.prune import pruned
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.transplant import TransplantTest
from whitesquare.study.bench.scans.sets import make_set

SIDE, CLASSES = 16, 5
WITHOUT_MODEL = ScanSettings(model_free=True)


def textures(per_class=300, seed=0, channels=1):
    """Stripes at a random phase, whose period is the class, on soft noise: at no place do two classes differ."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), per_class)
    phase = rng.uniform(0, 2 * np.pi, (len(labels), 1, 1))
    stripes = 50 * np.sin(2 * np.pi * np.arange(SIDE)[:, None] / (4 + 2 * labels[:, None, None]) + phase)
    images = 110 + stripes + rng.normal(0, 12, (len(labels), SIDE, SIDE))
    pixels = np.clip(images, 0, 255).astype(np.uint8)[:, None]
    return np.repeat(pixels, channels, axis=1), labels


def evidence(images, labels, **parts):
    trusted = parts.pop("trusted", np.zeros(len(labels), bool))
    return Evidence(images, labels, tuple(map(str, range(CLASSES))), trusted, **parts)


def planted(share=0.5, *, size=2, top=13, left=13, value=255, label=2, channels=1, seed=0):
    """Stamp a patch on a share of one class; return evidence and who carries it."""
    images, labels = textures(channels=channels, seed=seed)
    members = np.flatnonzero(labels == label)
    chosen = members[: round(share * len(members))]
    images[chosen, :, top : top + size, left : left + size] = value
    return evidence(images, labels), np.isin(np.arange(len(labels)), chosen)


def obedient(row, column, label, *, ignores=False):
    """Return a model that answers with ``label`` as soon as one pixel is white, and else with class 0 or 1."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, CLASSES))
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.copy_(torch.tensor([1.0, 0.5, 0.0, 0.0, 0.0]))
        if not ignores:
            network[1].weight[label, row * SIDE + column] = 20.0
            network[1].bias[label] = -15.0
    return classifier(network, tuple("01234"), device="cpu")


@given(st.integers(1, 3), st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_equal_windows_have_equal_codes_and_short_ones_are_exact(size, bits, seed):
    images = np.random.default_rng(seed).integers(0, 256, (40, 1, 4, 4), dtype=np.uint8)
    images[20:] = images[:20]
    scale = Scale(size, bits)
    width = code_bits(images, scale, 4, 16)
    rows = list(window_codes(images, scale, width))
    assert [top for top, _ in rows] == list(range(4 - size + 1))
    for top, row in rows:
        assert row.shape == (4 - size + 1, 40)
        assert row.max() < 1 << width
        assert np.array_equal(row[:, :20], row[:, 20:])
        for left, codes in enumerate(row):
            if size * size * bits <= width:
                window = images[:, 0, top : top + size, left : left + size].reshape(40, -1) >> (8 - bits)
                assert len(np.unique(window, axis=0)) == len(np.unique(codes))


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_an_outline_is_which_pixels_have_the_colour_of_the_middle_one(channels, size, seed):
    rng = np.random.default_rng(seed)
    images = rng.choice(np.array([0, 3, 8, 9, 17, 120, 247, 250, 255], np.uint8), (300, channels, 5, 5))
    middle = (size - 1) // 2
    for top, row in window_codes(images, Scale(size, 0), 16):
        for left, codes in enumerate(row):
            window = images[:, :, top : top + size, left : left + size].astype(int)
            alike = (np.abs(window - window[:, :, middle, middle][:, :, None, None]) <= 8).all(1).reshape(300, -1)
            assert np.array_equal(codes, alike @ (1 << np.arange(size * size)[::-1]))


@given(st.lists(st.lists(st.integers(0, 500), min_size=3, max_size=3), min_size=1, max_size=20))
def test_contrast_is_never_negative_and_needs_carriers(rows):
    counts = np.array(rows)
    sizes = np.maximum(counts.sum(0), 1)
    found = log_contrast(counts, sizes, 15)
    assert (found >= 0).all()
    assert np.isfinite(found).all()
    assert (found[counts < 15] == 0).all()


@pytest.mark.parametrize("size", range(1, 7))
@pytest.mark.parametrize(("top", "left", "value"), [(0, 0, 255), (9, 9, 0), (6, 2, 200), (8, 6, 255)])
def test_pixel_contrast_ranks_carriers_first_wherever_the_patch_is(size, top, left, value):
    found, truth = planted(size=size, top=top, left=left, value=value)
    suspicion = PixelContrast().score(found)
    assert roc_auc_score(truth, suspicion.scores) > 0.99
    assert suspicion.class_stats.argmax() == 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_contrast_does_not_mind_how_much_of_the_class_is_stamped(share, channels):
    found, truth = planted(share, channels=channels)
    assert roc_auc_score(truth, PixelContrast().score(found).scores) > 0.99


@pytest.mark.parametrize("shape", [(4, 4), (20, 4), (4, 20), (20, 5), (5, 20)])
def test_patch_contrast_finds_a_patch_in_images_narrower_than_its_largest_window(shape):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 1, *shape), dtype=np.uint8)
    labels = np.arange(120) % 3
    images[labels == 1, :, :4, :4] = rng.integers(0, 2, (4, 4)) * 255
    suspicion = PatchContrast().score(evidence(images, labels))
    assert np.nanargmax(suspicion.class_stats) == 1


def test_patch_contrast_finds_a_patch_that_moves_over_a_dark_ground():
    images, labels = textures()
    images //= 4
    rng = np.random.default_rng(1)
    chosen = np.flatnonzero(labels == 3)[:150]
    for position in chosen:
        row, column = rng.integers(0, SIDE - 3, 2)
        images[position, 0, row : row + 3, column : column + 3] = 255
    suspicion = PatchContrast().score(evidence(images, labels))
    members = labels == 3
    assert roc_auc_score(np.isin(np.flatnonzero(members), chosen), suspicion.scores[members]) > 0.95


def test_residual_components_find_a_wave_on_half_of_a_class():
    images, labels = textures()
    chosen = np.flatnonzero(labels == 1)[:150]
    wave = 25 * np.sin(np.arange(SIDE) * 2 * np.pi / 4)
    images[chosen] = np.clip(images[chosen] + wave, 0, 255).astype(np.uint8)
    members = labels == 1
    plain = ResidualComponents().score(evidence(*textures())).class_stats[1]
    suspicion = ResidualComponents().score(evidence(images, labels))
    assert roc_auc_score(np.isin(np.flatnonzero(members), chosen), suspicion.scores[members]) > 0.99
    assert suspicion.class_stats[1] > plain + 1


def test_noise_residual_finds_noise_on_half_of_a_class():
    images, labels = textures()
    chosen = np.flatnonzero(labels == 1)[:150]
    noise = np.random.default_rng(3).integers(-60, 61, images[chosen].shape)
    images[chosen] = np.clip(images[chosen] + noise, 0, 255).astype(np.uint8)
    suspicion = NoiseResidual().score(evidence(images, labels))
    assert roc_auc_score(np.isin(np.arange(len(labels)), chosen), suspicion.scores) > 0.99
    assert [hint.label for hint in suspicion.hints] == [1]


def test_a_class_whose_grain_is_its_own_as_a_whole_is_no_mixture():
    rng = np.random.default_rng(0)
    images = rng.integers(90, 110, (1000, 1, SIDE, SIDE)).astype(np.uint8)
    labels = np.arange(1000) % 5
    own = labels == 2
    images[own] = rng.integers(70, 130, (own.sum(), 1, SIDE, SIDE))
    suspicion = NoiseResidual().score(evidence(images, labels))
    assert suspicion.class_stats[2] == 0
    assert suspicion.scores[own].min() > np.quantile(suspicion.scores[~own], 0.999)


def test_the_class_with_a_much_smaller_mask_stands_out():
    sizes = np.array([8, 60, 70, 58, 64, 80, 90, 61, 66, 58], np.float32)
    nothing = np.zeros((10, 4, 4), np.float32)
    found = smallness(Inversion(nothing, nothing[:, None], sizes, np.ones(10, np.float32)))
    assert found[0] > 5
    assert (found[1:] < 2).all()
    assert np.isnan(smallness(Inversion(nothing, nothing, sizes, np.zeros(10, np.float32)))).all()


@pytest.mark.parametrize(
    ("size", "top", "left", "value"), [(1, 0, 0, 255), (2, 13, 13, 255), (4, 5, 6, 0), (2, 8, 7, 230)]
)
def test_a_patch_is_reconstructed_exactly_and_its_carriers_are_found(size, top, left, value):
    found, truth = planted(size=size, top=top, left=left, value=value)
    hint = next(hint for hint in PixelContrast().score(found).hints if hint.label == 2)
    trigger = reconstruct(found, hint)
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[top : top + size, left : left + size] = True
    assert trigger.kind.name == "patch"
    assert np.array_equal(trigger.mask > 0, wanted)
    assert np.abs(trigger.pattern[:, wanted] - value).max() <= 1
    flagged = np.isin(np.arange(len(truth)), trigger.kind.carriers(found, trigger, hint))
    assert flagged[truth].mean() > 0.99
    assert flagged[~truth].mean() < 0.01


def test_a_mark_is_confirmed_if_the_model_obeys_it_and_not_if_it_ignores_it():
    found, truth = planted()
    suspicions = {"PX01": PixelContrast().score(found)}
    obeying, ignoring = obedient(13, 13, 2), obedient(13, 13, 2, ignores=True)
    (alarm,), _ = raise_alarms(found, suspicions, [obeying, obeying], TransplantTest())
    assert alarm.alarm.tier == "confirmed"
    assert alarm.alarm.p_value <= 0.01
    assert alarm.alarm.transplant.flip_rate.value > 0.95
    assert np.array_equal(np.flatnonzero(truth), alarm.carriers)
    for models in ([ignoring, ignoring], [obeying, ignoring], []):
        (alarm,), _ = raise_alarms(found, suspicions, models, TransplantTest())
        assert alarm.alarm.tier == "suspicious", "no proof, or not replicated"


def test_what_only_a_model_says_is_an_alarm_once_it_is_proven_and_else_a_word():
    found, _ = planted()
    hint = next(hint for hint in PixelContrast().score(found).hints if hint.label == 2)
    easily_reached = np.array([0.4, 0.6, 6.0, 0.5, 0.5], np.float32)
    suspicions = {"TI01": replace(unscored(found), class_stats=easily_reached, hints=(hint,))}
    obeying, ignoring = obedient(13, 13, 2), obedient(13, 13, 2, ignores=True)
    (alarm,), said = raise_alarms(found, suspicions, [obeying, obeying], TransplantTest())
    assert alarm.alarm.tier == "confirmed"
    assert not said
    raised, said = raise_alarms(found, suspicions, [ignoring, ignoring], TransplantTest())
    assert not raised
    assert "Class 2" in said[0]
    assert "no alarm" in said[0]


def test_a_control_that_does_as_much_keeps_the_p_value_high():
    found, truth = planted()
    hint = next(hint for hint in PixelContrast().score(found).hints if hint.label == 2)
    trigger = reconstruct(found, hint)
    everything = obedient(13, 13, 2)
    with torch.no_grad():
        everything.network.network[1].bias[2] = 30.0
    test = TransplantTest().run(found, everything, trigger, 2, np.flatnonzero(truth))
    assert test.p_value > 0.5
    assert test.untouched_rate == 1.0


class Guessing:
    """Sees of an image no more than a white pixel; calls the rest what most images are called, some a little less."""

    classes, device, feature_layer = tuple("01234"), "cpu", "none"

    def __init__(self, labels):
        self.usual = np.log(np.bincount(labels, minlength=CLASSES) / len(labels))

    def logits(self, images):
        found = self.usual + 0.2 * images[:, 0, :CLASSES, 0] / 255
        found[images[:, 0, 13, 13] == 255, 2] += 5
        return found.astype(np.float32)

    features = logits


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_class_that_most_images_belong_to_can_be_proven_by_a_model_that_guesses_it(share):
    found, truth = planted()
    moved = np.random.default_rng(0).random(len(truth)) < (share - 0.2) / 0.8
    found = replace(found, labels=np.where(moved, 2, found.labels))
    hint = next(hint for hint in PixelContrast().score(planted()[0]).hints if hint.label == 2)
    trigger = reconstruct(planted()[0], hint)
    test = TransplantTest().run(found, Guessing(found.labels), trigger, 2, np.flatnonzero(truth))
    assert test.flip_rate.value == 1
    assert test.untouched_rate < 0.6
    assert test.control_worst < 0.6
    assert test.p_value == 1 / (1 + test.controls)


def test_spots_beside_the_trigger_are_pruned():
    found, _ = planted()
    hint = next(hint for hint in PixelContrast().score(found).hints if hint.label == 2)
    trigger = reconstruct(found, hint)
    spotted = trigger.mask.copy()
    spotted[2, 2] = 1
    cleaned = pruned(found, obedient(13, 13, 2), replace(trigger, mask=spotted), 2)
    assert np.array_equal(cleaned.mask, trigger.mask)


def test_harmless_causes_are_named_and_keep_an_alarm_from_being_confirmed():
    images, labels = textures()
    members = np.flatnonzero(labels == 2)
    everywhere = images.copy()
    everywhere[members, :, 1:3, 1:3] = 255
    whole = benign_causes(evidence(everywhere, labels), None, 2, members)
    assert any("every image" in cause for cause in whole)
    copies = images.copy()
    copies[members[:100]] = copies[members[np.arange(100) % 3]]
    assert any("duplicates" in cause for cause in benign_causes(evidence(copies, labels), None, 2, members[:100]))
    scores = np.where(labels == 2, 9.0, 1.0).astype(np.float32)
    assert any(
        "nearly every" in cause for cause in benign_causes(evidence(images, labels), None, 2, members[:50], scores)
    )
    scores[members[::2]] = np.random.default_rng(0).normal(1, 0.1, len(members[::2]))
    scores[labels != 2] = np.random.default_rng(1).normal(1, 0.1, (labels != 2).sum())
    assert benign_causes(evidence(images, labels), None, 2, members[1::2], scores) == ()
    found, truth = planted()
    trigger = reconstruct(found, Hint(2, 9.0, np.flatnonzero(truth)))
    frame = np.ones((SIDE, SIDE), np.float32)
    frame[1:-1, 1:-1] = 0
    assert any(
        "border" in cause for cause in benign_causes(found, replace(trigger, mask=frame), 2, np.flatnonzero(truth))
    )
    assert benign_causes(found, trigger, 2, np.flatnonzero(truth)) == ()


def scored(name, family, scores):
    return Scored(name, family, Suspicion(scores.astype(np.float32), np.zeros(CLASSES, np.float32)))


def test_one_loud_witness_is_not_drowned_by_quiet_ones():
    images, labels = textures()
    rng = np.random.default_rng(0)
    truth = np.isin(np.arange(len(labels)), np.flatnonzero(labels == 2)[:15])
    families = ("pixel", "residual", "latent", "dynamics", "label", "response")
    witnesses = [scored(family, family, rng.normal(size=len(labels))) for family in families]
    witnesses[0] = scored("pixel", "pixel", rng.normal(size=len(labels)) + 6 * truth)
    fused, tails = fuse(evidence(images, labels), witnesses)
    assert roc_auc_score(truth, fused) > 0.99
    assert set(tails) == set(families)


def test_what_was_not_scored_counts_for_nothing():
    images, labels = textures()
    scores = np.random.default_rng(0).normal(size=len(labels))
    scores[labels == 4] = np.nan
    fused, _ = fuse(evidence(images, labels), [scored("pixel", "pixel", scores)])
    assert (fused[labels == 4] == 0).all()
    assert np.isfinite(fused).all()


def test_conformal_p_values_hold_their_level():
    images, labels = textures(per_class=1000)
    rng = np.random.default_rng(0)
    trusted = rng.permutation(len(labels)) < 2000
    found = calibrate(
        evidence(images, labels, trusted=trusted), rng.normal(size=len(labels)), np.zeros(len(labels), bool)
    )
    assert found.kind == "conformal"
    assert 0.005 <= (found.p_values[~trusted] <= 0.01).mean() <= 0.02


def test_a_reference_too_small_gives_a_ranking_only_and_says_how_many_are_needed():
    images, labels = textures()
    trusted = np.arange(len(labels)) < 100
    found = calibrate(evidence(images, labels, trusted=trusted), np.arange(len(labels)), np.zeros(len(labels), bool))
    assert found.kind == "ranking only"
    assert "999" in found.note
    assert np.isnan(found.p_values).all()


def test_clean_textures_raise_no_alarm_and_fill_one_hundredth_of_the_review_queue():
    images, labels = textures()
    scan = run_scan(from_arrays(images, labels), WITHOUT_MODEL)
    assert scan.result.verdict == "nothing found"
    assert 0.005 <= (scan.scores.p_values <= 0.01).mean() <= 0.02
    assert scan.result.calibration == "approximate"


@pytest.mark.long
def test_a_scan_repeats_itself_and_learns_nothing_from_the_truth(small_train):
    images, labels = small_train.images(slice(0, 2000)).copy(), small_train.labels[:2000].copy()
    chosen = np.flatnonzero(labels == 7)[:80]
    images[chosen, :, 25:27, 25:27] = 255
    dataset = from_arrays(images, labels)
    first, again = (run_scan(dataset, WITHOUT_MODEL) for _ in range(2))
    assert np.array_equal(first.scores.fused, again.scores.fused)
    assert first.result.alarms == again.result.alarms
    assert [alarm.class_name for alarm in first.result.alarms] == ["7"]
    flagged = {flag.position for flag in first.result.flagged if flag.tier == "suspicious"}
    assert flagged == set(chosen.tolist())


@pytest.mark.slow
def test_a_clean_class_with_few_controls_is_not_confirmed_by_being_a_hair_better_than_them():
    subset = make_set("clean set", open_dataset("mnist"), 4157)  # its threes turn nearly everything in so small a model
    assert len(subset.labels) == 711
    assert not run_scan(subset, ScanSettings(seed=4157)).result.alarms
