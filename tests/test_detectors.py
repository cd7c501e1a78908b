"""The published detectors: their contract, their formulas against an independent computation, and where they fail."""

from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.special import log_softmax
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from torch import nn

from whitesquare.attacks import poison
from whitesquare.attacks.label_flip import LabelFlip
from whitesquare.data import from_arrays
from whitesquare.detectors import two_clusters as clustering
from whitesquare.detectors.activation_clustering import ActivationClustering
from whitesquare.detectors.activation_gradients import ActivationGradients
from whitesquare.detectors.cognitive_distillation import CognitiveDistillation, distil_masks
from whitesquare.detectors.common import one_thread, principal_axes
from whitesquare.detectors.component_analysis import ComponentAnalysis
from whitesquare.detectors.deep_knn import DeepNeighbours
from whitesquare.detectors.gram_density import GramDensity
from whitesquare.detectors.gram_features import gram_features
from whitesquare.detectors.label_issues import ConfidentLearning
from whitesquare.detectors.loss_isolation import LossIsolation
from whitesquare.detectors.parameter_scaling import ParameterScaling
from whitesquare.detectors.registry import DETECTORS, find_rule
from whitesquare.detectors.robust_covariance import robust_filter
from whitesquare.detectors.spectral_signatures import SpectralSignatures, projections
from whitesquare.detectors.spectre import Spectre, quantum_entropy
from whitesquare.detectors.strip import Strip, superpose
from whitesquare.detectors.two_clusters import ANALYSES
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion, unscored
from whitesquare.errors import ContractError, UsageError
from whitesquare.learning.classifier import classifier, own_classifier
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.testing import check_detector

LATENT = [SpectralSignatures(), ActivationClustering(), Spectre()]
QUICK = {
    "cognitive-distillation": CognitiveDistillation(limit=30, steps=10),
    "strip": Strip(overlays=4),
    "ibd-psc": ParameterScaling(omega=3.0),
}
SCORED = {name: QUICK.get(name, detector) for name, detector in DETECTORS.items()}
"""Every registered detector, the expensive ones with less work, and one so that it confuses a small network."""


def names(count):
    return tuple(str(number) for number in range(count))


@pytest.fixture(scope="session")
def real(small_train):
    """2,000 digits, 10 % of them relabelled as 0 with a 2x2 square, a model trained on them; and what is poisoned."""
    part = from_arrays(
        small_train.images(slice(0, 2000)), small_train.labels[:2000], layout="NCHW", classes=small_train.classes
    )
    made = poison(part, LabelFlip(), target=0, rate=0.1, seed=0)
    model = own_classifier(train(made.dataset, Recipe(epochs=4), seed=0))
    images, labels = made.dataset.images(slice(None)), made.dataset.labels
    features, logits = model.answers(images)
    losses = -log_softmax(logits, axis=1)[np.arange(2000), labels]
    poisoned = np.isin(made.dataset.ids, made.manifest.ids)
    trusted = ~poisoned & (np.random.default_rng(0).random(2000) < 0.1)
    evidence = Evidence(
        images=images,
        labels=labels,
        classes=part.classes,
        trusted=trusted,
        model=model,
        features=features,
        logits=logits,
        losses=np.stack([losses * factor for factor in (3, 2, 1)]).astype(np.float32),
    )
    return evidence, poisoned


@pytest.fixture(scope="session")
def normalised(real):
    """The same with a residual network, which has batch normalisations."""
    evidence, poisoned = real
    dataset = from_arrays(evidence.images, evidence.labels, layout="NCHW", classes=evidence.classes)
    model = own_classifier(train(dataset, Recipe(model="resnet", epochs=6), seed=0))
    return replace(evidence, model=model), poisoned


def planted(rate, *, size=600, dims=24, gap=6.0, seed=0, trusted=0):
    """Three Gaussian classes; a share of class 0 lies ``gap`` standard deviations aside, along the last axis."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), size)
    centres = 8 * np.eye(3, dims)
    features = (centres[labels] + rng.normal(size=(3 * size, dims))).astype(np.float32)
    poisoned = np.zeros(3 * size, bool)
    poisoned[: round(rate * size)] = True
    features[poisoned, -1] += gap
    known = np.zeros(3 * size, bool)
    for label in range(3):
        known[rng.choice(np.flatnonzero((labels == label) & ~poisoned), trusted, replace=False)] = True
    images = np.zeros((3 * size, 1, 1, 1), np.uint8)
    evidence = Evidence(images, labels, names(3), known, features=features, logits=np.zeros((3 * size, 3), np.float32))
    return evidence, poisoned


def auroc(suspicion, poisoned, where=slice(None)):
    return roc_auc_score(poisoned[where], suspicion.scores[where])


# Contract


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_keeps_its_contract(name, real, normalised):
    if name == "flare" and find_spec("umap") is None:
        pytest.skip("UMAP is not installed; tests/test_layer_likelihood.py says the same of the detector")
    check_detector(SCORED[name], normalised[0] if name in ("ibd-psc", "flare") else real[0])


@pytest.mark.parametrize("detector", [ActivationClustering(analysis=analysis) for analysis in ANALYSES], ids=ANALYSES)
def test_every_analysis_keeps_the_contract(detector, real):
    check_detector(detector, real[0])


def test_the_registry_names_every_detector_once():
    assert list(DETECTORS) == [detector.name for detector in DETECTORS.values()]
    assert len({detector.rule_id for detector in DETECTORS.values()}) == len(DETECTORS)


def test_a_rule_is_found_by_id_and_by_name_and_the_nearest_is_named():
    assert find_rule("ss01") is find_rule("Spectral-Signatures") is DETECTORS["spectral-signatures"]
    with pytest.raises(UsageError, match="spectre"):
        find_rule("spectra")


@dataclass(frozen=True)
class BadDetector:
    how: str
    calls: list[int] = field(default_factory=list, compare=False)
    name: ClassVar[str] = "bad"
    rule_id: ClassVar[str] = "XX01"
    family: ClassVar[str] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    def score(self, evidence):
        self.calls.append(0)
        size = len(evidence.labels)
        scores = np.zeros(size, np.float64 if self.how == "dtype" else np.float32)
        if self.how == "writes":
            evidence.labels[0] += 1
        elif self.how == "infinite":
            scores[0] = np.inf
        elif self.how == "shape":
            scores = scores[1:]
        elif self.how == "random":
            scores[0] = len(self.calls)
        return Suspicion(scores, unscored(evidence).class_stats)


@pytest.mark.parametrize("how", ["writes", "infinite", "shape", "random", "dtype"])
def test_a_detector_that_breaks_its_contract_is_caught(how):
    evidence, _ = planted(0.1, size=10)
    with pytest.raises(ContractError, match="BadDetector"):
        check_detector(BadDetector(how), evidence)


def test_a_detector_without_what_it_needs_says_so():
    evidence = replace(planted(0.1, size=10)[0], features=None)
    for detector in DETECTORS.values():
        if detector.needs - evidence.has:
            with pytest.raises(CannotScoreError):
                detector.score(evidence)


# Degenerate evidence


class Tiny(nn.Module):
    """A network for images of any size."""

    def __init__(self, channels, classes, convolution=True, normalised=False):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(channels, 4, 1) if convolution else nn.Identity()
        if normalised:
            self.first = nn.Sequential(self.first, nn.BatchNorm2d(4))
        self.last = nn.Linear(4 if convolution else channels, classes)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).mean((2, 3)))


def model_for(images, classes, **keywords):
    return classifier(Tiny(images.shape[1], len(classes), **keywords), classes, device="cpu")


def degenerate(case):
    rng = np.random.default_rng(0)
    sizes, classes = {
        "no sample": ([0, 0], 2),
        "one sample": ([1], 2),
        "two samples": ([1, 1], 2),
        "two of one class": ([2], 2),
        "small classes": ([0, 1, 2, 3, 5, 40], 7),
        "one class": ([30], 1),
        "two classes": ([20, 25], 2),
    }.get(case, ([12, 12, 12], 3))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = len(labels)
    side = 1 if case == "one pixel" else 5
    images = rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    features = rng.normal(size=(count, 6)).astype(np.float32)
    if case == "one image":
        images[:] = images[:1]
        features[:] = features[:1]
    elif case == "one feature":
        features = features[:, :1].copy()
    elif case == "two points":
        features = (features[:, :1] > 0).astype(np.float32).repeat(6, axis=1)
    elif case == "huge features":
        features *= 1e15
    elif case == "more features than samples":
        features = rng.normal(size=(count, 80)).astype(np.float32)
    elif case == "constant classes":
        features[:] = labels[:, None] * 0.1
    trusted = np.arange(count) % 3 == 0 if case == "trusted" else np.zeros(count, bool)
    trusted |= case == "all trusted"
    logits = np.zeros((count, classes), np.float32)
    losses = rng.random((2, count)).astype(np.float32)
    evidence = Evidence(
        *(images, labels, names(classes), trusted), features=features, logits=logits, losses=losses, model=None
    )
    return replace(evidence, model=model_for(images, evidence.classes))


CASES = [
    *("no sample", "one sample", "two samples", "two of one class", "small classes", "one class", "two classes"),
    *("one pixel", "one image", "one feature", "two points", "huge features", "more features than samples"),
    *("constant classes", "trusted", "all trusted"),
]
NEEDED = {"matched-filter": "8 x 8", "grain-components": "8 x 8", "patch-contrast": "4 x 4"}
"""Pixels below which a detector says nothing."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DETECTORS)
def test_degenerate_evidence_never_crashes(name, case):
    evidence = degenerate(case)
    if name == "cognitive-distillation":
        check_detector(CognitiveDistillation(limit=20, steps=3), evidence)
    elif case == "one pixel" and name in NEEDED:
        with pytest.raises(CannotScoreError, match=NEEDED[name]):
            DETECTORS[name].score(evidence)
    elif name in ("matched-filter", "grain-components"):
        larger = replace(evidence, images=np.tile(evidence.images, (1, 1, 2, 2)))
        check_detector(replace(DETECTORS[name], least=8), larger)
    elif name == "flare":
        with pytest.raises(CannotScoreError, match=r"normalisation|too few"):
            DETECTORS[name].score(evidence)
    elif name == "ibd-psc" and evidence.trusted.any():
        model = model_for(evidence.images, evidence.classes, normalised=True)
        check_detector(ParameterScaling(xi=0.01), replace(evidence, model=model))
    elif DETECTORS[name].needs <= evidence.has:
        check_detector(DETECTORS[name], evidence)


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize("case", CASES)
def test_degenerate_clusters_never_crash(case, analysis):
    check_detector(ActivationClustering(reduce="ica", analysis=analysis), degenerate(case))


# Formulas


def test_activation_clustering_gives_the_clusters_of_scikit_learn(real):
    evidence, _ = real
    found = clustering.clusters(evidence.features, evidence.labels)
    assert set(found) == set(range(10))
    for label, part in found.items():
        rows = evidence.features[evidence.labels == label]
        with one_thread():
            reduced = PCA(10, random_state=0).fit_transform(rows)
            same = KMeans(2, n_init=3, random_state=0).fit_predict(reduced)
            best = KMeans(2, n_init=10, random_state=1).fit(reduced).inertia_
        assert np.array_equal(part.assigned, same)
        # And no random state matters: the split is as good as the best of ten.
        assert ((part.reduced - part.centres[part.assigned]) ** 2).sum() < 1.01 * best


def test_the_score_of_activation_clustering_ranks_by_the_cut():
    evidence, poisoned = planted(0.1)
    part = clustering.clusters(evidence.features, evidence.labels)[0]
    scores = ActivationClustering().score(evidence).scores[part.members]
    assert scores[part.assigned == part.smaller].min() > scores[part.assigned != part.smaller].max()
    marked = clustering.flagged(evidence.features, evidence.labels, {0: part}, "smaller", 0)
    assert (marked == poisoned).mean() > 0.99


@pytest.mark.parametrize(
    ("analysis", "rate", "flags"),
    [("smaller", 0.45, True), ("relative-size", 0.45, False), ("relative-size", 0.2, True), ("silhouette", 0.2, True)],
)
def test_analyses_flag_as_published(analysis, rate, flags):
    evidence, poisoned = planted(rate, gap=12)
    found = clustering.clusters(evidence.features, evidence.labels)
    marked = clustering.flagged(evidence.features, evidence.labels, found, analysis, 0)
    assert marked[poisoned].all() == flags
    assert marked[poisoned].any() == flags


def test_the_distance_analysis_flags_a_cluster_from_another_class_whatever_its_size():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    features = rng.normal(size=(400, 5)).astype(np.float32)
    features[200:, 0] += 20
    features[:80, 0] += 20
    found = clustering.clusters(features, labels)
    marked = clustering.flagged(features, labels, found, "distance", 0)
    assert marked[:80].all()
    assert not marked[80:].any()


@pytest.mark.parametrize("shape", [(300, 20), (20, 300)])
def test_spectral_signatures_are_the_first_singular_vector(shape):
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.linspace(1, 3, shape[1])
    moved = rows - rows.mean(0)
    _, values, vectors = np.linalg.svd(moved, full_matrices=False)
    evidence = Evidence(
        *(np.zeros((shape[0], 1, 1, 1), np.uint8), np.zeros(shape[0], np.int64), names(1), np.zeros(shape[0], bool)),
        features=rows.astype(np.float32),
    )
    result = SpectralSignatures().score(evidence)
    assert np.allclose(result.scores, (moved @ vectors[0]) ** 2, rtol=1e-3, atol=1e-3)
    assert np.isclose(result.class_stats[0], values[0] ** 2 / (values**2).sum(), rtol=1e-4)
    raw = SpectralSignatures(centered=False).score(evidence)
    assert np.allclose(raw.scores, np.abs(rows @ vectors[0]), rtol=1e-3, atol=1e-3)


def test_principal_axes_are_orthonormal_and_drop_what_does_not_vary():
    rows = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 9))
    variances, axes, total = principal_axes(rows - rows.mean(0), 9)
    assert axes.shape == (9, 3)
    assert np.allclose(axes.T @ axes, np.eye(3))
    assert np.isclose(variances.sum(), total)
    assert np.isclose(total, rows.var(0).sum())


def test_spectre_uses_the_matrix_exponential():
    rows = np.random.default_rng(0).normal(size=(400, 3))
    rows[:30] += [3, 3, 0]
    kept = np.arange(400) >= 30
    scores, left = quantum_entropy(rows, kept, 4.0)
    values, vectors = np.linalg.eigh(np.cov(rows[kept].T, bias=True))
    white = rows @ (vectors / np.sqrt(values)) @ vectors.T
    second = np.cov(white.T)
    weights = expm(4 * (second - np.eye(3)) / (np.linalg.norm(second, 2) - 1))
    weights /= np.trace(weights)
    assert np.allclose(scores, np.einsum("ni,ij,nj->n", white, weights, white))
    assert np.isclose(left, np.trace(second @ weights))
    by_element = np.exp(4 * (second - np.eye(3)) / (np.linalg.norm(second, 2) - 1))
    assert not np.allclose(weights, by_element / np.trace(by_element))


def test_the_robust_filter_never_removes_more_than_twice_the_poisons():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4))
    rows[:25] += 8
    kept = robust_filter(rows - rows.mean(0), 25, rounds=50)
    assert (~kept).sum() <= 50
    assert kept[:25].mean() < 0.5


def test_gram_features_are_signed_roots_of_products():
    maps = np.random.default_rng(0).normal(size=(3, 4, 6)).astype(np.float32)
    for order in (1, 2, 3, 8):
        products = np.einsum("bip,bjp->bij", maps.astype(np.float64) ** order, maps.astype(np.float64) ** order)
        expected = np.sign(products) * np.abs(products) ** (1 / order)
        assert np.allclose(gram_features(maps, order), expected, rtol=1e-3, atol=1e-4)


def test_strip_clips_the_sum_and_gives_every_image_its_own_overlay():
    images = np.array([[[[10, 250]]], [[[200, 0]]]], np.uint8)
    assert superpose(images, images[::-1], 0.5).tolist() == [[[[110, 250]]], [[[205, 125]]]]
    assert superpose(images, images, 1.0).tolist() == [[[[20, 255]]], [[[255, 0]]]]


def test_masks_repeat_and_leave_the_network_alone(real):
    evidence, _ = real
    model, images = evidence.model, evidence.images[:6]
    model.network.zero_grad()
    masks = distil_masks(model, images, steps=8)
    assert masks.shape == (6, 28, 28)
    assert 0 <= masks.min() < masks.max() <= 1
    assert np.array_equal(masks, distil_masks(model, images, steps=8))
    assert all(weight.grad is None for weight in model.network.parameters())
    small = distil_masks(model, images, steps=8, gamma=1.0)
    assert small.sum() < masks.sum()


def test_cognitive_distillation_scores_evenly_and_leaves_the_rest_unscored(real):
    evidence, _ = real
    scores = CognitiveDistillation(limit=60, steps=2).score(evidence).scores
    assert np.bincount(evidence.labels[np.isfinite(scores)], minlength=10).tolist() == [6] * 10


def test_loss_isolation_takes_the_early_moments(real):
    evidence, _ = real
    losses = np.array([[1, 2], [3, 4], [9, 0]], np.float32)
    small = replace(evidence, losses=losses, labels=np.array([0, 1]), classes=names(2))
    assert LossIsolation(early=0.7).score(small).scores.tolist() == [-2, -3]


@pytest.mark.parametrize("exact", [20_000, 100])
def test_deep_neighbours_are_the_nearest_others(exact, monkeypatch):
    monkeypatch.setattr("whitesquare.detectors.deep_knn._EXACT", exact)
    evidence, _ = planted(0.0, size=60, gap=0)
    labels = evidence.labels.copy()
    labels[:3] = 1
    scores = DeepNeighbours(k=10, pool=120).score(replace(evidence, labels=labels)).scores
    assert (scores[:3] > 0.8).all()
    assert scores[3:].mean() < 0.1


def test_planted_label_errors_are_found_by_neighbours_on_pixels(real):
    evidence, poisoned = real
    result = ConfidentLearning().score(evidence)
    assert auroc(result, poisoned) > 0.9
    assert result.class_stats.argmax() == 0


# What they find, and what they cannot


@pytest.mark.parametrize("detector", LATENT, ids=repr)
def test_a_tenth_of_a_class_is_found(detector):
    evidence, poisoned = planted(0.1)
    assert auroc(detector.score(evidence), poisoned, evidence.labels == 0) > 0.95


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_component_analysis_needs_no_minority_but_somebody_to_name_the_side(rate):
    evidence, poisoned = planted(rate, trusted=20)
    result = ComponentAnalysis().score(evidence)
    assert auroc(result, poisoned, evidence.labels == 0) > 0.95
    assert result.class_stats.argmax() == 0


def test_without_trusted_samples_component_analysis_takes_the_side_farther_from_the_others():
    evidence, poisoned = planted(0.3)
    assert auroc(ComponentAnalysis().score(evidence), poisoned, evidence.labels == 0) > 0.95


def test_at_half_of_a_class_squares_are_at_chance_and_the_signed_projection_is_not():
    evidence, poisoned = planted(0.5, size=2000)
    mine = evidence.labels == 0
    assert abs(auroc(SpectralSignatures().score(evidence), poisoned, mine) - 0.5) < 0.05
    signed, _, _ = projections(evidence.features[mine])
    assert max(roc_auc_score(poisoned[mine], signed), roc_auc_score(poisoned[mine], -signed)) > 0.99


def test_relabelled_digits_with_a_square_stay_certain_under_an_overlay(real):
    evidence, poisoned = real
    assert auroc(Strip(overlays=8).score(evidence), poisoned) > 0.8


def test_gram_density_takes_the_majority_for_clean_unless_it_has_trusted_samples():
    rng = np.random.default_rng(0)
    images = rng.integers(60, 120, (200, 1, 8, 8), dtype=np.uint8)
    for share, expected in ((0.1, 1.0), (0.6, 0.0)):
        poisoned = np.arange(200) < 200 * share
        stamped = images.copy()
        stamped[poisoned, :, :4] = 255
        evidence = Evidence(stamped, np.zeros(200, np.int64), names(1), np.zeros(200, bool))
        evidence = replace(evidence, model=model_for(stamped, names(2)))
        assert abs(auroc(GramDensity().score(evidence), poisoned) - expected) < 0.05
        trusted = np.arange(200) >= 150
        assert auroc(GramDensity().score(replace(evidence, trusted=trusted)), poisoned) > 0.95


def test_a_network_without_convolution_has_no_gram_features():
    evidence = degenerate("trusted")
    flat = replace(evidence, model=model_for(evidence.images, evidence.classes, convolution=False))
    with pytest.raises(CannotScoreError, match="no convolution"):
        GramDensity().score(flat)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ActivationClustering(reduce="pcb"),
        lambda: ActivationClustering(analysis="size"),
        lambda: ActivationClustering(components=0),
        lambda: Spectre(assumed_rate=0.5),
        lambda: Spectre(alpha=-1.0),
        lambda: Spectre(dimensions=(4, 1)),
        lambda: ComponentAnalysis(steps=0),
        lambda: Strip(overlays=0),
        lambda: GramDensity(reference=1),
        lambda: CognitiveDistillation(limit=0),
        lambda: LossIsolation(early=0.0),
        lambda: DeepNeighbours(k=10, pool=10),
        lambda: ConfidentLearning(folds=1),
        lambda: ActivationGradients(reference=0),
        lambda: ActivationGradients(tau=1.0),
        lambda: ActivationGradients(window=1),
        lambda: ParameterScaling(omega=1.0),
        lambda: ParameterScaling(xi=1.0),
        lambda: ParameterScaling(models=0),
    ],
)
def test_parameters_out_of_range_are_refused(make):
    with pytest.raises(UsageError):
        make()
