"""FLARE: how likely what is given to a layer is, where a tree of clusters is cut, and what becomes of poison."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from scipy.stats import norm

from whitesquare.attacks import poison
from whitesquare.attacks.label_flip import LabelFlip
from whitesquare.data import from_arrays
from whitesquare.detectors.layer_likelihood import LayerLikelihood, split_density
from whitesquare.detectors.types import CannotScoreError, Evidence
from whitesquare.errors import UsageError
from whitesquare.learning.classifier import classifier, own_classifier
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.testing import check_detector

TREE = [("parent", int), ("child", int), ("lambda_val", float), ("child_size", int)]
THERE = find_spec("umap") is not None and find_spec("hdbscan") is not None


def with_libraries(test):
    """UMAP warns of what else it could do with TensorFlow."""
    quiet = pytest.mark.filterwarnings("ignore:Tensorflow not installed")(test)
    return pytest.mark.skipif(not THERE, reason="UMAP and HDBSCAN are missing; `make frameworks` brings them")(quiet)


def small(count=400, network=None):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 2
    return Evidence(
        images, labels, ("a", "b"), np.zeros(count, bool), model=network and classifier(network, ("a", "b"))
    )


def two_norms():
    """Two normalisations whose inputs can be told by hand: the image itself, and its negative."""
    first, second = torch.nn.BatchNorm2d(1), torch.nn.BatchNorm2d(1, affine=False)
    first.running_mean[:], first.running_var[:] = 0.4, 0.01
    second.running_mean[:], second.running_var[:] = 1.0, 4.0
    return torch.nn.Sequential(first, second, torch.nn.Flatten(), torch.nn.Linear(64, 2)).eval()


def test_the_least_likely_input_of_every_layer_is_that_of_its_normal_distribution():
    evidence = small(300, two_norms())
    found = evidence.model.likelihoods(evidence.images)
    given = evidence.images.reshape(300, -1) / 255
    after = (given - 0.4) / np.sqrt(0.01 + 1e-5)
    expected = [
        norm(mean, np.sqrt(variance + 1e-5)).logpdf(values).min(1)
        for values, mean, variance in ((given, 0.4, 0.01), (after, 1.0, 4.0))
    ]
    assert found.shape == (300, 2)
    assert np.allclose(found, np.stack(expected, 1), rtol=1e-4)


def test_the_tree_is_cut_where_the_density_of_the_largest_child_jumps():
    rows = [(500, 501, 0.5, 300), (500, 502, 0.5, 200), (501, 503, 0.51, 180), (501, 504, 0.51, 110)]
    rows += [(503, 7, 0.6, 1), (503, 8, 0.7, 1)]
    tree = np.array(rows, TREE)
    assert split_density(tree, 0.02) == 0.6
    assert split_density(tree, 0.005) == 0.51
    assert split_density(tree, 0.2) is None


def test_a_tree_without_clusters_is_not_cut():
    assert split_density(np.array([(3, 0, 0.1, 1), (3, 1, 0.2, 1)], TREE), 0.02) is None


@pytest.mark.parametrize("bad", [{"xi": 0.0}, {"neighbours": 1}, {"smallest": 1}, {"xi": float("nan")}])
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(UsageError, match="xi must be above 0"):
        LayerLikelihood(**bad)


def test_what_it_cannot_score_it_says():
    with pytest.raises(CannotScoreError, match="no batch normalisation"):
        LayerLikelihood().score(small(network=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)).eval()))
    with pytest.raises(CannotScoreError, match="199 samples, too few for two clusters of 100"):
        LayerLikelihood().score(small(199, two_norms()))


@pytest.mark.skipif(THERE, reason="UMAP and HDBSCAN are installed")
def test_without_its_libraries_it_names_the_command():
    with pytest.raises(CannotScoreError, match=r"pip install 'whitesquare\[flare\]'"):
        LayerLikelihood().score(small(network=two_norms()))


@with_libraries
def test_relabelled_poison_is_a_cluster_apart(small_train):
    part = from_arrays(
        small_train.images(slice(0, 2000)), small_train.labels[:2000], layout="NCHW", classes=small_train.classes
    )
    made = poison(part, LabelFlip(), target=0, rate=0.1, seed=0)
    model = own_classifier(train(made.dataset, Recipe(model="resnet", epochs=6), seed=0))
    evidence = Evidence(
        made.dataset.images(slice(None)), made.dataset.labels, part.classes, np.zeros(2000, bool), model=model
    )
    found = LayerLikelihood(smallest=50).score(evidence)
    poisoned = np.isin(made.dataset.ids, made.manifest.ids)
    assert found.scores[poisoned].mean() > 0.9
    assert found.scores[~poisoned].mean() < 0.02
    assert found.class_stats.argmax() == 0


@with_libraries
def test_it_keeps_the_contract_where_nothing_is_apart():
    check_detector(LayerLikelihood(), replace(small(network=two_norms()), seed=3))
