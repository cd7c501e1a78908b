"""Published detectors that need a network from the inside and a few trusted samples: AGPD and IBD-PSC."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from torch import nn

from whitesquare.data import from_arrays
from whitesquare.detectors.activation_gradients import ActivationGradients, separate, targets
from whitesquare.detectors.parameter_scaling import ParameterScaling
from whitesquare.detectors.types import CannotScoreError, Evidence
from whitesquare.errors import ContractError
from whitesquare.learning import classifier as door
from whitesquare.learning.classifier import classifier
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import DEFAULT, ScanSettings
from whitesquare.testing import check_detector

from .test_detectors import CASES, degenerate, model_for, names, normalised, real

__all__ = ["normalised", "real"]

FLAGGED = float(np.exp(2))


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 4, 3)]
    made = nn.Sequential(*layers).eval()
    for layer in (made[3], made[6]):
        nn.init.uniform_(layer.weight, 0.5, 2)
        nn.init.uniform_(layer.bias, -1, 1)
        nn.init.uniform_(layer.running_mean, -1, 1)
    return made


def pictures(count=7):
    return np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)


class Slopes:
    """A classifier whose activations have the gradients it is given; it reads every image as its label."""

    device, feature_layer = "cpu", "none"

    def __init__(self, labels, layers, classes=3):
        self.labels, self.layers, self.classes = labels, layers, names(classes)

    def positions(self, images):
        return images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 0, 1]

    def features(self, images):
        return np.zeros((len(images), 1), np.float32)

    def logits(self, images):
        return np.eye(len(self.classes), dtype=np.float32)[self.labels[self.positions(images)]]

    def channel_slopes(self, images, labels):
        return tuple(layer[self.positions(images)] for layer in self.layers)


def planted(share, size=400, classes=6):
    """Six classes whose gradients point their own way; a share of class 1 points elsewhere, in the second layer."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), size)
    count = len(labels)
    quiet = np.eye(16)[labels] + 0.05 * rng.normal(size=(count, 16))
    loud = np.eye(16)[labels] + 0.05 * rng.normal(size=(count, 16))
    poisoned = np.zeros(count, bool)
    poisoned[size : size + round(share * size)] = True
    loud[poisoned] += 2 * np.eye(16)[9]
    images = np.zeros((count, 1, 1, 2), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(count), 256)
    trusted = ~poisoned & (np.arange(count) % 20 == 19)
    model = Slopes(labels, [quiet.astype(np.float32), loud.astype(np.float32)], classes)
    return Evidence(images, labels, names(classes), trusted, model=model), poisoned


# What a network shows of its inside


def test_channel_slopes_are_the_derivatives_of_each_logit(monkeypatch):
    made, images, labels = network(), pictures(), np.arange(7) % 3
    monkeypatch.setattr(door, "_BATCH", 3)
    found = classifier(made, names(3), device="cpu").channel_slopes(images, labels)
    plain = deepcopy(made)
    for at in (1, 4):
        plain[at].inplace = False
    x = torch.from_numpy(images / np.float32(255))
    for layer, at in zip(found, (0, 2, 5), strict=True):
        middle = plain[: at + 1](x).detach().requires_grad_()
        own = plain[at + 1 :](middle).gather(1, torch.from_numpy(labels)[:, None])
        expected = torch.autograd.grad(own.sum(), middle)[0].mean((2, 3)).numpy()
        assert np.allclose(layer, expected, atol=1e-6)


def test_a_frozen_network_shows_slopes_too_and_keeps_none():
    made = network().requires_grad_(False)
    asked = classifier(made, names(3), device="cpu")
    assert [layer.shape for layer in asked.channel_slopes(pictures(), np.zeros(7, np.int64))] == [
        (7, 3),
        (7, 4),
        (7, 5),
    ]
    assert not any(layer._forward_hooks for layer in asked.network.modules())


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_amplified_is_the_network_with_larger_scales_and_shifts(layers):
    made = network()
    asked = classifier(made, names(3), device="cpu")
    assert asked.normalisations == 2
    larger = deepcopy(made)
    for at in (6, 3)[:layers]:
        larger[at].weight.data *= 1.5
        larger[at].bias.data *= 1.5
    expected = classifier(larger, names(3), device="cpu").logits(pictures())
    assert np.allclose(asked.amplified(pictures(), layers, 1.5), expected, atol=1e-5)
    assert np.allclose(asked.logits(pictures()), classifier(made, names(3), device="cpu").logits(pictures()))


# AGPD


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_a_planted_class_is_the_target_and_its_poison_ranks_first(share):
    evidence, poisoned = planted(share)
    found = ActivationGradients().score(evidence)
    assert np.flatnonzero(found.class_stats > FLAGGED).tolist() == [1]
    assert roc_auc_score(poisoned, found.scores) > 0.999


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_what_the_authors_flag_can_be_read_off_the_score(share):
    evidence, poisoned = planted(share)
    found = ActivationGradients().score(evidence)
    statistics = found.class_stats[evidence.labels]
    flagged = (statistics > FLAGGED) & (found.scores > (1 + statistics) / 2)
    assert flagged[poisoned].all()
    assert flagged[~poisoned].mean() < 0.01


def test_clean_classes_are_no_targets():
    evidence, _ = planted(0.0)
    assert (ActivationGradients().score(evidence).class_stats < FLAGGED).all()


def test_a_class_without_trusted_samples_is_not_scored():
    evidence, _ = planted(0.1)
    found = ActivationGradients().score(replace(evidence, trusted=evidence.trusted & (evidence.labels != 2)))
    assert np.isnan(found.scores[evidence.labels == 2]).all()
    assert np.isfinite(found.scores[evidence.labels != 2]).all()
    assert np.isnan(found.class_stats).tolist() == [False, False, True, False, False, False]


def test_trusted_samples_score_like_clean_ones_of_their_class():
    evidence, poisoned = planted(0.1)
    scores = ActivationGradients().score(evidence).scores
    mine = evidence.labels == 1
    clean, trusted = scores[mine & ~poisoned & ~evidence.trusted], scores[mine & evidence.trusted]
    assert clean.min() <= np.median(trusted) <= np.quantile(clean, 0.8)


def test_the_layer_in_which_a_class_stands_out_most_counts():
    gaps = np.array([[0.1, 0.11, 0.12, 0.13], [0.1, 0.11, 0.12, 0.9]])
    layer, statistics = targets(gaps)
    assert layer == 1
    assert np.allclose(statistics, [0, 0, 0.005 / 1.4826 / 0.010001, 0.785 / 1.4826 / 0.010001], rtol=1e-4)


def test_where_every_class_is_dispersed_the_late_layers_are_asked():
    even = np.array([0.1, 0.2, 0.3, 0.4])
    gaps = np.stack([even / 4, even / 2, even + 0.15, even, even])
    layer, statistics = targets(gaps)
    assert layer == 2
    assert np.allclose(statistics, FLAGGED * gaps[2] / 0.3)
    assert (targets(np.stack([even / 4, even / 4, even / 4, even + 0.15]))[1] < FLAGGED).all()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_class_of_a_few_samples_has_a_suspect_and_no_more(size):
    rows = np.random.default_rng(0).normal(size=(size, 4)).astype(np.float32)
    joined, closeness = separate(rows, np.arange(size) == 0, 0.05, 10)
    assert joined.sum() >= 1
    assert np.isfinite(closeness).all()


def test_a_trained_network_gives_its_poison_away(real):
    evidence, poisoned = real
    assert roc_auc_score(poisoned, ActivationGradients().score(evidence).scores) > 0.75


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("detector", [ActivationGradients(), ParameterScaling(xi=0.01)], ids=["agpd", "ibd-psc"])
def test_trusted_samples_alone_never_crash(detector, case):
    evidence = degenerate(case)
    model = model_for(evidence.images, evidence.classes, normalised=True)
    evidence = replace(evidence, model=model, trusted=np.ones(len(evidence.labels), bool))
    try:
        check_detector(detector, evidence)
    except (CannotScoreError, ContractError):
        assert case in {"no sample", "one sample", "two samples", "two of one class", "one class", "one image"}


# IBD-PSC


def test_the_score_is_the_certainty_of_confused_networks(normalised):
    evidence, _ = normalised
    detector = ParameterScaling(omega=3.0, models=3)
    found = detector.score(evidence).scores
    model, known = evidence.model, evidence.trusted
    errors = [
        (model.amplified(evidence.images[known], depth, 3.0).argmax(1) != evidence.labels[known]).mean()
        for depth in range(1, 8)
    ]
    first = next(depth for depth, error in enumerate(errors, 1) if error > 0.6)
    read = model.logits(evidence.images[:50]).argmax(1)
    sure = [
        softmax(model.amplified(evidence.images[:50], min(first + more, 7), 3.0), axis=1)[np.arange(50), read]
        for more in range(3)
    ]
    assert np.allclose(found[:50], np.mean(sure, axis=0), atol=1e-4)


def test_a_backdoor_survives_larger_parameters(normalised):
    evidence, poisoned = normalised
    found = ParameterScaling(omega=3.0).score(evidence)
    assert roc_auc_score(poisoned, found.scores) > 0.8
    assert found.class_stats.argmax() == 0


# Bad input


@pytest.mark.parametrize("detector", [ActivationGradients(), ParameterScaling()], ids=["agpd", "ibd-psc"])
def test_without_trusted_samples_they_say_so(detector, normalised):
    evidence = replace(normalised[0], trusted=np.zeros(2000, bool))
    with pytest.raises(CannotScoreError, match="no trusted samples"):
        detector.score(evidence)


def test_what_a_model_does_not_show_is_named(normalised):
    evidence = degenerate("trusted")
    with pytest.raises(CannotScoreError, match="no convolution"):
        ActivationGradients().score(
            replace(evidence, model=model_for(evidence.images, evidence.classes, convolution=False))
        )
    with pytest.raises(CannotScoreError, match="no batch normalisation"):
        ParameterScaling().score(evidence)
    with pytest.raises(CannotScoreError, match=r"Whichever of its 7 batch normalisations .* still reads \d+ % of"):
        ParameterScaling(omega=1.0001).score(normalised[0])
    silent = planted(0.1)[0]
    with pytest.raises(CannotScoreError, match="no batch normalisation"):
        ParameterScaling().score(silent)
    unread = replace(silent, labels=(silent.labels + 1) % 6)
    with pytest.raises(CannotScoreError, match="reads none of the 118 trusted samples"):
        ActivationGradients().score(unread)


# In a scan


def test_a_scan_runs_them_where_there_is_a_reference_and_nothing_else_changes(real, small_test):
    evidence, _ = real
    data = from_arrays(evidence.images, evidence.labels, layout="NCHW", classes=evidence.classes)
    trusted = from_arrays(small_test.images(slice(0, 1100)), small_test.labels[:1100], classes=small_test.classes)
    given = classifier(evidence.model.network, evidence.classes, device="cpu")
    assert not {"agpd", "ibd-psc"} & set(DEFAULT)
    usual = ScanSettings(detectors=("spectral-signatures",))
    asked = ScanSettings(detectors=("spectral-signatures", "agpd", "ibd-psc"))
    alone, found = (run_scan(data, how, model=given, reference=trusted) for how in (usual, asked))
    assert "agpd" not in found.result.not_run
    assert "no batch normalisation" in found.result.not_run["ibd-psc"]
    assert found.scores.by_detector["agpd"].shape == (2000,)
    assert found.result.classes[0].statistics["agpd"] is not None
    assert np.array_equal(found.scores.fused, alone.scores.fused)
    assert np.array_equal(found.scores.p_values, alone.scores.p_values)
    without = run_scan(data, asked, model=given).result
    assert without.not_run["agpd"] == without.not_run["ibd-psc"] == "it needs trusted samples (--reference)"
