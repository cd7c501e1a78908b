"""The same work with whitesquare and with IBM's ART, interleaved: stamp 3,000 zeros, train three epochs, measure.

``make bench`` runs it in an environment of its own and writes ``benchmarks/results/art.json``. Both sides train the
same network from the same initial weights on equally many images; each keeps its own way of training (ours: one uint8
tensor, bfloat16 where the processor has it, a one-cycle schedule, batches of 512; ART: ``PyTorchClassifier.fit`` with
Adam 1e-3 and its default batch size of 128). Seconds are wall-clock; the order alternates, so that a noisy machine is
noisy to both.
"""

import time
from dataclasses import asdict, replace
from functools import partial
from statistics import median

import numpy as np
import torch
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.estimators.classification import PyTorchClassifier

from common import RESULTS, in_turn, options, ratios, write_result
from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays, open_dataset
from whitesquare.learning.measure import measure, prepare
from whitesquare.learning.models import Architecture, build
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import effective_precision, train

TARGET, COUNT, SEED = 0, 3000, 0
THREE_EPOCHS = Recipe(epochs=3, batch_size=512, learning_rate=0.02)
TO_98 = Recipe(epochs=1, batch_size=256, learning_rate=0.012)
Result = dict[str, float]

TRAIN, TEST = open_dataset("mnist"), open_dataset("mnist", "test")
ATTACK = make_attack("stamp")


def ours(model: str) -> Result:
    """Poison, train and measure with whitesquare."""
    start = time.perf_counter()
    made = poison(TRAIN, ATTACK, target=TARGET, count=COUNT, seed=SEED)
    poisoned = time.perf_counter()
    trained = train(made.dataset, replace(THREE_EPOCHS, model=model), seed=SEED)
    fitted = time.perf_counter()
    found = measure(trained, prepare(TEST, ATTACK.trigger, TARGET))
    return _result(start, poisoned, fitted, found.ca.value, found.asr.value)


def theirs(model: str) -> Result:
    """Do the same with ART."""
    start = time.perf_counter()
    images, labels = _art_arrays(TRAIN.images(slice(None)), TRAIN.labels)
    attack = PoisoningAttackBackdoor(
        lambda batch: ATTACK.trigger(np.rint(batch * 255).astype(np.uint8)) / np.float32(255)
    )
    chosen = np.random.default_rng(SEED).choice(np.flatnonzero(TRAIN.labels == TARGET), COUNT, replace=False)
    images[chosen], labels[chosen] = attack.poison(images[chosen], labels[chosen])
    poisoned = time.perf_counter()
    network = build(Architecture(model, 1, 28, 28, 10), SEED)
    classifier = PyTorchClassifier(
        model=network,
        loss=torch.nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(network.parameters(), 1e-3),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=(0.0, 1.0),
    )
    classifier.fit(images, labels, batch_size=128, nb_epochs=3)
    fitted = time.perf_counter()
    images, labels = _art_arrays(TEST.images(slice(None)), TEST.labels)
    accuracy = (classifier.predict(images).argmax(1) == TEST.labels).mean()
    others = TEST.labels != TARGET
    triggered, _ = attack.poison(images[others], labels[others])
    success = (classifier.predict(triggered).argmax(1) == TARGET).mean()
    return _result(start, poisoned, fitted, float(accuracy), float(success))


def seconds_to_98(model: str) -> Result:
    """Train a cold model on the shortest prefix schedule that passes 98 % clean accuracy; time the training alone."""
    for images in range(32_000, 60_001, 4_000):
        part = from_arrays(TRAIN.images(slice(0, images)), TRAIN.labels[:images], layout="NCHW", classes=TRAIN.classes)
        start = time.perf_counter()
        trained = train(part, replace(TO_98, model=model), seed=SEED)
        seconds = time.perf_counter() - start
        accuracy = measure(trained, prepare(TEST, ATTACK.trigger, TARGET)).ca.value
        if accuracy > 0.98:
            return {"seconds": seconds, "images": images, "ca": accuracy}
    raise SystemExit(f"{model}: one epoch did not pass 98 %.")


def _art_arrays(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images.astype(np.float32) / 255, np.eye(10, dtype=np.float32)[labels]


def _result(start: float, poisoned: float, fitted: float, accuracy: float, success: float) -> Result:
    end = time.perf_counter()
    return {
        "seconds": end - start,
        "poison": poisoned - start,
        "train": fitted - poisoned,
        "measure": end - fitted,
        "ca": accuracy,
        "asr": success,
    }


def compare(model: str, repeats: int) -> dict[str, object]:
    """Run both sides in turn, the first one alternating, and summarise."""
    runs: dict[str, list[Result]] = {"whitesquare": [], "art": []}
    sides = {"whitesquare": partial(ours, model), "art": partial(theirs, model)}
    for number, name, _, found in in_turn(sides, repeats):
        runs[name].append(found)
        print(f"{model} {number + 1}/{repeats} {name}: {found}", flush=True)
    cold = [seconds_to_98(model) for _ in range(repeats)]
    print(f"{model} to 98 %: {cold}", flush=True)
    seconds = {name: [run["seconds"] for run in found] for name, found in runs.items()}
    return {
        "runs": runs,
        "to_98": cold,
        "times_faster": ratios(seconds["art"], seconds["whitesquare"]),
        "ca_difference": median(r["ca"] for r in runs["whitesquare"]) - median(r["ca"] for r in runs["art"]),
        "to_98_as_share_of_art_three_epochs": ratios(
            [run["seconds"] for run in cold], [run["train"] for run in runs["art"]]
        ),
    }


def main() -> None:
    """Compare on the default network and on the textbook one, and write the result."""
    torch.manual_seed(SEED)
    parser = options(__doc__, RESULTS / "art.json")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    models = {model: compare(model, asked.repeats) for model in ("cnn", "cnn-pool")}
    write_result(
        asked.output,
        {"models": models, "recipe": asdict(THREE_EPOCHS)},
        libraries=("adversarial-robustness-toolbox",),
        precision=effective_precision(THREE_EPOCHS.precision),
    )


if __name__ == "__main__":
    main()
