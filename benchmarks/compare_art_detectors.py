"""Activation clustering and spectral signatures of whitesquare and of IBM's ART, interleaved, on one poisoned model.

Run it where ART is installed (``make bench`` makes such an environment); it writes
``benchmarks/results/detectors-art.json``. 600 digits relabelled as 0 with a square, MNIST, the default network. Both
sides score all 60,000 samples by the same penultimate activations, in two ways: with the activations *given*, which
times the detector alone, and *from images*, each side computing them in its own way and default batch size. The order
alternates, so that a noisy machine is noisy to both.

One thread each by default: with more, on a machine that others use, the threads of small products wait for one another,
and what is measured is the others' load (ours would take one thread anyway).

ART flags clusters and gives no ranking, so its AUROC is that of its flags; ``auroc_flags`` is the same for ours. Its
spectral scores come from its report, with an expected share of poison that reports every sample; they are those of
activations that are not centred, for which ``auroc_uncentered`` is ours.
"""

import os
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
from art.estimators.classification import PyTorchClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from common import RESULTS, in_turn, options, write_result
from whitesquare.attacks import make_attack, poison
from whitesquare.data import open_dataset
from whitesquare.detectors.activation_clustering import ActivationClustering
from whitesquare.detectors.spectral_signatures import SpectralSignatures
from whitesquare.detectors.two_clusters import clusters, flagged
from whitesquare.detectors.types import Evidence
from whitesquare.learning.classifier import own_classifier
from whitesquare.learning.train import train

TARGET, COUNT, SEED = 0, 600, 0
METHODS = ("activation-clustering", "spectral-signatures")
MODES = ("given", "from images")
Scores = np.ndarray


class Penultimate(PyTorchClassifier):
    """A classifier whose last layer, to ART's detectors, is the penultimate one; or whose activations are given."""

    given: np.ndarray | None = None

    @property
    def layer_names(self) -> list[str]:
        """All layers but the last."""
        return super().layer_names[:-1]

    def get_activations(self, x, layer=None, batch_size=128, framework=False):
        """Return what is given, or what ART computes."""
        if self.given is not None:
            return self.given
        return super().get_activations(x, layer, batch_size, framework)


class Bench:
    """One poisoned data set, one model, and both sides' way of scoring."""

    def __init__(self) -> None:
        made = poison(open_dataset("mnist"), make_attack("label-flip"), target=TARGET, count=COUNT, seed=SEED)
        self.poisoned = np.isin(made.dataset.ids, made.manifest.ids)
        self.images, self.labels = made.dataset.images(slice(None)), made.dataset.labels
        self.classes = made.dataset.classes
        self.model = own_classifier(train(made.dataset, seed=SEED))
        self.features, self.logits = self._evaluate()
        self.art_images = self.images.astype(np.float32) / 255
        self.one_hot = np.eye(10, dtype=np.float32)[self.labels]
        self.classifier = Penultimate(
            self.model.network, torch.nn.CrossEntropyLoss(), self.images.shape[1:], 10, clip_values=(0.0, 1.0)
        )
        theirs = self.classifier.get_activations(self.art_images[:500], len(self.classifier.layer_names) - 1)
        np.testing.assert_allclose(theirs, self.features[:500], rtol=1e-3, atol=1e-3)

    def _evaluate(self) -> tuple[np.ndarray, np.ndarray]:
        return self.model.answers(self.images)

    def evidence(self, features: np.ndarray | None = None, logits: np.ndarray | None = None) -> Evidence:
        """Return the evidence with these activations, or with those computed before."""
        return Evidence(
            images=self.images,
            labels=self.labels,
            classes=self.classes,
            trusted=np.zeros(len(self.labels), bool),
            seed=SEED,
            model=self.model,
            features=self.features if features is None else features,
            logits=self.logits if logits is None else logits,
        )

    def ours(self, method: str, mode: str) -> Scores:
        """Score with whitesquare."""
        evidence = self.evidence() if mode == "given" else self.evidence(*self._evaluate())
        detector = ActivationClustering() if method == METHODS[0] else SpectralSignatures()
        return detector.score(evidence).scores

    def theirs(self, method: str, mode: str) -> Scores:
        """Score with ART."""
        self.classifier.given = self.features if mode == "given" else None
        if method == METHODS[0]:
            defence = ActivationDefence(self.classifier, self.art_images, self.one_hot)
            _, clean = defence.detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")
            return 1 - np.asarray(clean, np.float64)
        spectral = SpectralSignatureDefense(self.classifier, self.art_images, self.one_hot, expected_pp_poison=1.0)
        report, _ = spectral.detect_poison()
        scores = np.zeros(len(self.labels))
        scores[list(report)] = list(report.values())
        return scores

    def auroc(self, scores: Scores) -> dict[str, float]:
        """AUROC over all samples and within the target class."""
        mine = self.labels == TARGET
        return {
            "all": float(roc_auc_score(self.poisoned, scores)),
            "target_class": float(roc_auc_score(self.poisoned[mine], scores[mine])),
        }


def compare(bench: Bench, method: str, mode: str, repeats: int) -> dict[str, object]:
    """Run both sides in turn, the first one alternating, and summarise."""
    sides = {"whitesquare": partial(bench.ours, method, mode), "art": partial(bench.theirs, method, mode)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    aurocs: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number, name, took, scores in in_turn(sides, repeats):
        seconds[name].append(took)
        aurocs[name].append(bench.auroc(scores))
        print(f"{method}, {mode}, {number + 1}/{repeats}, {name}: {took:.3f} s", flush=True)
    ratios = [theirs / ours for ours, theirs in zip(seconds["whitesquare"], seconds["art"], strict=True)]
    return {
        name: {
            "seconds": {"mean": mean(seconds[name]), "sd": stdev(seconds[name]), "runs": seconds[name]},
            "auroc": {key: mean(found[key] for found in aurocs[name]) for key in aurocs[name][0]},
        }
        for name in sides
    } | {"times_faster": {"mean": mean(ratios), "low": min(ratios), "high": max(ratios), "n": repeats}}


def main() -> None:
    """Read the options, and limit both sides to the same number of threads."""
    parser = options(__doc__, RESULTS / "detectors-art.json")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with threadpool_limits(asked.threads):
        run(asked.repeats, asked.output)


def run(repeats: int, output: Path) -> None:
    """Compare both methods in both modes, and write the result."""
    bench = Bench()
    for method in METHODS:  # once unmeasured: imports and first touches
        bench.ours(method, "given"), bench.theirs(method, "given")
    found = clusters(bench.features, bench.labels, seed=SEED)
    flags = flagged(bench.features, bench.labels, found, "smaller", SEED)
    result = {
        "methods": {method: {mode: compare(bench, method, mode, repeats) for mode in MODES} for method in METHODS},
        "auroc_flags": bench.auroc(flags.astype(np.float64)),
        "auroc_uncentered": bench.auroc(SpectralSignatures(centered=False).score(bench.evidence()).scores),
        "samples": len(bench.labels),
        "poisoned": COUNT,
        "dimensions": bench.features.shape[1],
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg(),
    }
    write_result(output, result, libraries=("adversarial-robustness-toolbox",))


if __name__ == "__main__":
    main()
