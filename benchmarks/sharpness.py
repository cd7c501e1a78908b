"""Do detectors of features see more in a model that was trained sharpness-aware, as is reported (arXiv:2411.11525)?

The same poisoned MNIST, network and seed, trained with and without; every latent detector that needs no trusted samples
scores the features of both. It writes ``benchmarks/results/sharpness.json``: AUROC by attack, network and detector, of
every seed; and what the training costs, as a ratio.
"""

import time
from itertools import product
from statistics import mean

import numpy as np
from sklearn.metrics import roc_auc_score

from common import RESULTS, options, write_result
from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays, open_dataset
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import Evidence
from whitesquare.learning.classifier import own_classifier
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.types import ImageDataset

ATTACKS = ("label-flip", "blend", "sinusoidal")
NETWORKS = ("cnn", "resnet")
LATENT = ("activation-clustering", "spectral-signatures", "component-analysis", "spectre", "latent-components")
RADII = (0.0, 0.05)
TARGET, RATE = 0, 0.01


def aurocs(data: ImageDataset, poisoned: np.ndarray, recipe: Recipe, seed: int) -> tuple[dict[str, float], float]:
    """Train once; return the AUROC of every detector, and the seconds of the training."""
    start = time.perf_counter()
    model = own_classifier(train(data, recipe, seed=seed))
    seconds = time.perf_counter() - start
    images, labels = data.images(slice(None)), data.labels
    features, logits = model.answers(images)
    nobody = np.zeros(len(labels), bool)
    evidence = Evidence(images, labels, data.classes, nobody, seed, model, features, logits)
    return {name: _auroc(DETECTORS[name].score(evidence).scores, poisoned) for name in LATENT}, seconds


def _auroc(scores: np.ndarray, poisoned: np.ndarray) -> float:
    return float(roc_auc_score(poisoned, np.nan_to_num(scores, nan=np.nanmin(scores))))


def main() -> None:
    """Measure every attack, network, radius and seed."""
    parser = options(__doc__, RESULTS / "sharpness.json")
    parser.add_argument("--size", type=int, default=20_000, help="digits, default: 20,000")
    parser.add_argument("--seeds", type=int, default=3, help="default: 3")
    given = parser.parse_args()
    mnist = open_dataset("mnist")
    clean = from_arrays(mnist.images(slice(0, given.size)), mnist.labels[: given.size], classes=mnist.classes)
    lines, cost = [], dict.fromkeys(RADII, 0.0)
    for attack, network in product(ATTACKS, NETWORKS):
        found: dict[float, list[dict[str, float]]] = {radius: [] for radius in RADII}
        for seed, radius in product(range(given.seeds), RADII):
            made = poison(clean, make_attack(attack), target=TARGET, rate=RATE, seed=seed)
            poisoned = np.isin(made.dataset.ids, made.manifest.ids)
            recipe = Recipe(model=network, sharpness=radius)
            scored, seconds = aurocs(made.dataset, poisoned, recipe, seed)
            found[radius].append(scored)
            cost[radius] += seconds
            print(attack, network, seed, radius, {name: round(value, 3) for name, value in scored.items()}, flush=True)
        for name in LATENT:
            plain, sharp = ([one[name] for one in found[radius]] for radius in RADII)
            lines.append(
                {"attack": attack, "network": network, "detector": name, "plain": plain, "sharpness-aware": sharp}
                | {"difference": mean(sharp) - mean(plain)}
            )
    record = {
        "title": f"AUROC of latent detectors, sharpness-aware training ({RADII[1]}) against plain",
        "data": f"mnist, {given.size} digits, poison rate {RATE}, target {TARGET}, n = {given.seeds} seeds",
        "training time, ratio": cost[RADII[1]] / cost[RADII[0]],
        "mean difference": mean(line["difference"] for line in lines),
        "lines": lines,
    }
    write_result(given.output, record, libraries=["scikit-learn"])


if __name__ == "__main__":
    main()
