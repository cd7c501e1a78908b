"""Grain components on made images: what is counted, who is ranked, what makes a class stand out, and what does not."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from whitesquare.data import from_arrays
from whitesquare.data.cache_size import CacheSize
from whitesquare.data.stored import StoredPixels
from whitesquare.detectors.grain_components import GrainComponents, grain_of
from whitesquare.detectors.types import CannotScoreError, Evidence
from whitesquare.scanning.criteria import CRITERIA, beyond_others, stands_out
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings

CLASSES, PER_CLASS, TARGET = 5, 300, 1
(GRAIN,) = (criterion for criterion in CRITERIA if criterion.rule_id == "GR01")


def natural(side=16, channels=3, seed=0):
    """Soft clouds of any brightness and contrast with fine grain of any strength; classes do not differ."""
    rng, count = np.random.default_rng(seed), CLASSES * PER_CLASS
    one = (count, 1, 1, 1)
    clouds = gaussian_filter(rng.normal(size=(count, channels, side, side)), (0, 0, 2, 2))
    grain = rng.gamma(4, 1, one) * rng.normal(size=clouds.shape)
    images = rng.uniform(80, 170, one) + rng.uniform(100, 300, one) * clouds + grain
    return np.clip(images, 0, 255).astype(np.uint8), np.repeat(np.arange(CLASSES), PER_CLASS)


def perturbed(images, levels=24, seed=5):
    """Change every pixel by so many levels, either way, otherwise in each image: as attacks by gradient signs do."""
    signs = np.sign(gaussian_filter(np.random.default_rng(seed).normal(size=images.shape), (0, 0, 0.5, 0.5)))
    return np.clip(images + levels * signs, 0, 255).astype(np.uint8)


def evidence(images, labels):
    return Evidence(images, labels, tuple("abcde"), np.zeros(len(labels), bool))


def some_of(labels, share):
    chosen = np.random.default_rng(2).permutation(np.flatnonzero(labels == TARGET))[: round(share * PER_CLASS)]
    return chosen, np.isin(np.arange(len(labels)), chosen)


def sizes(labels):
    return np.bincount(labels)


@pytest.mark.parametrize(
    ("side", "channels", "share"), [(16, 3, 0.2), (16, 3, 0.4), (24, 1, 0.2), (24, 1, 0.4), (90, 3, 0.4)]
)
def test_images_that_were_perturbed_each_in_its_own_way_are_ranked_and_make_their_class_stand_out(
    side, channels, share
):
    images, labels = natural(side, channels)
    chosen, truth = some_of(labels, share)
    images[chosen] = perturbed(images[chosen])
    found = GrainComponents().score(evidence(images, labels))
    assert roc_auc_score(truth, found.scores) > 0.99
    assert [stands_out(GRAIN, found.class_stats, sizes(labels), label) for label in range(CLASSES)] == [
        label == TARGET for label in range(CLASSES)
    ]
    few = next(hint for hint in found.hints if hint.label == TARGET)
    assert truth[few.carriers].all()


@pytest.mark.parametrize("seed", range(4))
def test_no_clean_class_stands_out(seed):
    images, labels = natural(seed=seed)
    found = GrainComponents().score(evidence(images, labels))
    assert np.isfinite(found.scores).all()
    assert not any(stands_out(GRAIN, found.class_stats, sizes(labels), label) for label in range(CLASSES))


def test_a_class_that_moved_as_a_whole_does_not_stand_out():
    images, labels = natural()
    images[labels == TARGET] = perturbed(images[labels == TARGET])
    found = GrainComponents().score(evidence(images, labels))
    assert not stands_out(GRAIN, found.class_stats, sizes(labels), TARGET)


def test_copies_of_a_few_images_do_not_make_their_class_stand_out():
    images, labels = natural()
    chosen, _ = some_of(labels, 0.2)
    copies = perturbed(images[chosen[:3]])[np.arange(len(chosen)) % 3]
    images[chosen] = np.clip(copies + np.random.default_rng(1).integers(-3, 4, copies.shape), 0, 255)
    found = GrainComponents().score(evidence(images, labels))
    assert not stands_out(GRAIN, found.class_stats, sizes(labels), TARGET)
    assert next(hint.strength for hint in found.hints if hint.label == TARGET) > 5, "the copies lie apart"


def test_images_in_a_file_are_scored_as_those_in_memory():
    images, labels = natural()
    filed = StoredPixels(len(images), images.shape[1:], CacheSize(2**24, "for a test"), lambda index: images[index])
    filed.write(0, images)
    one, other = (GrainComponents().score(evidence(pixels, labels)) for pixels in (images, filed))
    np.testing.assert_array_equal(one.scores, other.scores)


def test_small_classes_are_not_scored_and_small_images_are_refused():
    images, labels = natural()
    kept = (labels != 2) | (np.arange(len(labels)) % PER_CLASS < 30)
    found = GrainComponents().score(evidence(images[kept], labels[kept]))
    assert np.array_equal(np.isnan(found.scores), labels[kept] == 2)
    with pytest.raises(CannotScoreError, match="7 x 16"):
        GrainComponents().score(evidence(images[:, :, :7], labels))


def test_a_scan_flags_those_that_were_perturbed():
    images, labels = natural()
    chosen, truth = some_of(labels, 0.3)
    images[chosen] = perturbed(images[chosen])
    dataset = from_arrays(images, labels, classes=tuple("abcde"))
    settings = ScanSettings(model_free=True, detectors=("pixel-contrast", "matched-filter", "grain-components"))
    found = run_scan(dataset, settings).result
    (alarm,) = found.alarms
    assert (found.verdict, alarm.label, alarm.tier) == ("suspicious", TARGET, "suspicious")
    assert "GR01" in {reason[:4] for reason in alarm.reasons}
    assert alarm.rule_id == "GR01"
    assert "another camera" in alarm.benign[-1]
    flagged = [flag.position for flag in found.flagged if flag.tier == "suspicious"]
    assert truth[flagged].sum() >= 0.98 * truth.sum()
    assert (~truth[flagged]).sum() <= 2


def test_who_stands_out_is_beyond_all_but_a_share_of_the_others():
    scores = np.concatenate([[5.0, 99.5, np.nan, 101.0], np.arange(101)]).astype(np.float32)
    own = np.arange(len(scores)) < 4
    np.testing.assert_array_equal(beyond_others(scores, own, 0.01), [1, 3])
    np.testing.assert_array_equal(beyond_others(scores, own, 1e-4), [3])
    assert not len(beyond_others(np.where(own, scores, np.nan), own, 0.01)), "nobody to compare with"


def counted(image):
    """Count by hand what the detector counts at once: roots of shares by kind of difference and direction."""
    x = image.astype(int)
    differences = {
        "across": x[:, :, :-2] - 2 * x[:, :, 1:-1] + x[:, :, 2:],
        "down": x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:],
        "mixed": np.diff(np.diff(x, axis=2), axis=1),
    }
    steps = {name: np.clip(np.rint(one / 8), -2, 2).astype(int) for name, one in differences.items()}
    kinds = sorted({kind_of(three) for three in product(range(-2, 3), repeat=3)})
    found = []
    for ways in ((("across", 2), ("down", 1)), (("across", 1), ("down", 2)), (("mixed", 2), ("mixed", 1))):
        shares = dict.fromkeys(kinds, 0.0)
        for name, axis in ways:
            threes = np.stack([np.roll(steps[name], -k, axis) for k in range(3)], -1)
            threes = threes[:, :, :-2] if axis == 2 else threes[:, :-2]
            flat = threes.reshape(-1, 3).tolist()
            for three in flat:
                shares[kind_of(three)] += 1 / len(flat)
        found.append([shares[kind] for kind in kinds])
    return np.sqrt(found)


def kind_of(three):
    a, b, c = three
    return min((a, b, c), (c, b, a), (-a, -b, -c), (-c, -b, -a))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 8, 8), (3, 9, 12)]), st.integers(1, 255))
def test_the_numbers_are_those_that_are_counted_by_hand(seed, shape, spread):
    image = np.random.default_rng(seed).integers(0, spread + 1, shape).astype(np.uint8)
    (found,) = grain_of(image[None])
    np.testing.assert_allclose(np.sort(found.reshape(3, -1)), np.sort(counted(image)), atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 100, 100), (1, 100, 20), (3, 20, 200)])
def test_nothing_is_counted_across_the_edges_of_windows(shape):
    """A ramp has no grain, wherever windows lie."""
    ramp = np.broadcast_to(((np.arange(shape[2]) + 2 * np.arange(shape[1])[:, None]) // 4).astype(np.uint8), shape)
    (found,) = grain_of(ramp[None])
    assert (found > 1e-6).sum() == 3


def test_two_poisoned_classes_are_both_seen():
    images, labels = natural()
    for label in (1, 3):
        chosen = np.flatnonzero(labels == label)[:90]
        images[chosen] = perturbed(images[chosen], seed=label)
    found = GrainComponents().score(evidence(images, labels))
    assert [stands_out(GRAIN, found.class_stats, sizes(labels), label) for label in range(CLASSES)] == [
        label in (1, 3) for label in range(CLASSES)
    ]


@given(st.integers(0, 2**32 - 1))
def test_mirrored_turned_and_negative_images_have_the_same_grain(seed):
    images = np.random.default_rng(seed).integers(0, 256, (2, 3, 11, 11)).astype(np.uint8)
    expected = grain_of(images)
    for same in (images[..., ::-1], images[:, :, ::-1], images.transpose(0, 1, 3, 2), 255 - images):
        np.testing.assert_allclose(grain_of(same), expected, atol=1e-6)
