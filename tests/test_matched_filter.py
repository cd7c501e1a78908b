"""The matched filter on made images: what it ranks, what makes a class stand out, and what does not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from whitesquare.detectors.gaps import Gap, apart, deepest, standing, strength_at
from whitesquare.detectors.matched_filter import MatchedFilter
from whitesquare.detectors.spectrum import coefficients, views
from whitesquare.detectors.types import CannotScoreError, Evidence

CLASSES, PER_CLASS, TARGET = 3, 240, 1


def natural(side=16, channels=1, seed=0):
    """Soft clouds of any brightness with fine grain; classes do not differ."""
    rng = np.random.default_rng(seed)
    count = CLASSES * PER_CLASS
    clouds = gaussian_filter(rng.normal(size=(count, channels, side, side)), (0, 0, 2, 2))
    images = rng.uniform(80, 170, (count, 1, 1, 1)) + 160 * clouds + rng.normal(0, 4, clouds.shape)
    return np.clip(images, 0, 255).astype(np.uint8), np.repeat(np.arange(CLASSES), PER_CLASS)


def checker(images, levels=6):
    rows, columns = np.indices(images.shape[2:])
    return np.clip(images + levels * (1 - 2 * ((rows + columns) % 2)), 0, 255).astype(np.uint8)


def evidence(images, labels, **parts):
    return Evidence(images, labels, tuple("abc"), np.zeros(len(labels), bool), **parts)


def carriers_of(labels, share):
    chosen = np.flatnonzero(labels == TARGET)[: round(share * PER_CLASS)]
    return chosen, np.isin(np.arange(len(labels)), chosen)


@pytest.mark.long
@pytest.mark.parametrize("share", [0.08, 0.5])
@pytest.mark.parametrize(("side", "channels"), [(16, 1), (15, 3), (64, 1)])
def test_a_faint_pattern_is_ranked_and_makes_its_class_stand_out(share, side, channels):
    images, labels = natural(side, channels)
    chosen, truth = carriers_of(labels, share)
    images[chosen] = checker(images[chosen])
    found = MatchedFilter().score(evidence(images, labels))
    assert roc_auc_score(truth, found.scores) > 0.99
    assert found.class_stats.argmax() == TARGET
    assert found.class_stats[TARGET] > 2 * np.delete(found.class_stats, TARGET).max()
    few = next(hint for hint in found.hints if hint.label == TARGET)
    assert truth[few.carriers].mean() > 0.9


def test_a_pattern_in_the_colours_alone_is_seen():
    images, labels = natural(channels=3)
    chosen, truth = carriers_of(labels, 0.2)
    images[chosen, 0] = checker(images[chosen, :1])[:, 0]
    images[chosen, 2] = checker(images[chosen, 2:], -6)[:, 0]
    found = MatchedFilter().score(evidence(images, labels))
    assert roc_auc_score(truth, found.scores) > 0.99


def test_a_class_that_moved_as_a_whole_does_not_stand_out():
    images, labels = natural()
    whole = labels == TARGET
    images[whole] = checker(images[whole])
    clean = MatchedFilter().score(evidence(*natural())).class_stats
    assert MatchedFilter().score(evidence(images, labels)).class_stats[TARGET] < clean.max() + 2


def test_near_copies_stand_out_less_than_the_same_pattern_on_contents_of_every_kind():
    images, labels = natural()
    chosen, _ = carriers_of(labels, 0.2)
    grain = np.random.default_rng(1).integers(-3, 4, images[chosen].shape)
    images[chosen] = np.clip(images[chosen[0]] + grain, 0, 255)
    found = MatchedFilter().score(evidence(images, labels))
    strength = next(hint.strength for hint in found.hints if hint.label == TARGET)
    assert strength > 5, "the copies lie apart"
    assert found.class_stats[TARGET] < 0.2 * strength, "and their contents say why"


def test_the_half_that_carries_is_found_and_not_the_half_that_does_not():
    images, labels = natural()
    chosen, truth = carriers_of(labels, 0.5)
    images[chosen] = checker(images[chosen], 12)
    members = labels == TARGET
    found = MatchedFilter().score(evidence(images, labels))
    assert found.scores[truth].min() > np.median(found.scores[members & ~truth])


def test_small_classes_and_small_images_are_not_scored():
    images, labels = natural()
    kept = (labels != 2) | (np.arange(len(labels)) >= len(labels) - 20)
    found = MatchedFilter().score(evidence(images[kept], labels[kept]))
    assert np.array_equal(np.isnan(found.scores), labels[kept] == 2)
    assert np.array_equal(np.isnan(found.class_stats), [False, False, True])
    with pytest.raises(CannotScoreError, match="7 x 16"):
        MatchedFilter().score(evidence(images[:, :, :7], labels))


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 1, 15, 17), (2, 3, 9, 8)])
def test_every_coefficient_is_kept_once(shape):
    images = np.random.default_rng(0).integers(0, 256, (50, *shape[1:]), dtype=np.uint8)
    for view in views(shape):
        found = coefficients(images, view)
        assert found.shape == (50, shape[2] * shape[3])
        assert (found != 0).any(0).all()
        assert np.linalg.matrix_rank(np.corrcoef(found.T.astype(float))[:40, :40], tol=1e-6) == 40


def test_the_spectrum_does_not_mind_how_bright_or_how_strong_an_image_is():
    images, _ = natural()
    shifted = coefficients(images // 2 + 60, views(images.shape)[0]).astype(float)
    plain = coefficients(images // 2, views(images.shape)[0])
    assert np.corrcoef(plain.ravel(), shifted.ravel())[0, 1] > 0.99


def test_a_gap_is_found_between_two_groups_and_carries_over_to_other_samples():
    rng = np.random.default_rng(0)
    first, second = (np.concatenate([rng.normal(size=500), rng.normal(8, 1, 40)]) for _ in range(2))
    gap = deepest(standing(first, first))
    assert gap.strength > 15
    assert 3 < gap.end < 7
    assert strength_at(standing(second, second), gap) > 15
    assert apart(standing(first, first))[0] > 20


@pytest.mark.parametrize("draw", ["normal", "laplace", "logistic"])
def test_one_group_has_no_gap_that_carries_over(draw):
    rng = np.random.default_rng(0)
    first, second = (getattr(rng, draw)(size=2000) for _ in range(2))
    gap = deepest(standing(first, first))
    assert strength_at(standing(second, second), gap) < 4
    assert strength_at(standing(second, second), Gap()) == 0
    assert apart(standing(first, first))[0] < 6


def test_the_bulk_is_judged_by_its_lower_quarter():
    rng = np.random.default_rng(0)
    bulk, carriers = rng.normal(size=5000), rng.normal(30, 1, 5000)
    moved = np.median(standing(bulk, np.concatenate([bulk, carriers])))
    assert -1 < moved < 1
