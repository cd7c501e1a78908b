"""How well, and how fast, the network for colour learns CIFAR-10.

    WHITESQUARE_DATA=out/data make cifar10
    python benchmarks/colour_training.py out/data/cifar10 --epochs 5 12 --seeds 10
    python benchmarks/colour_training.py out/data/cifar10 --device cuda -o benchmarks/results/colour-training-gpu.json

Each seed trains once for each number of epochs, from a cold model, on all cores: leave the machine alone meanwhile.
Accuracy is that on the whole test set; ``mirrored`` is the mean of the answers to an image and its mirror image.
``bound`` is what nothing but the network's own forward and backward passes would take, on one batch again and again,
measured before each training; ``over_bound`` is the ratio within the round.
"""

import sys
import time
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from common import RESULTS, options, ratios, spread, write_result
from whitesquare.data import open_dataset
from whitesquare.learning.models import Model
from whitesquare.learning.recipes import COLOUR, Recipe
from whitesquare.learning.tensors import TensorData, to_tensors
from whitesquare.learning.train import autocast_for, effective_precision, make_card, train_tensors

FIRST_SEED = 9001
PASSES, ASKED = 20, 500


def accuracy(model: Model, test: TensorData) -> tuple[float, float]:
    """Return the share of test images that are read rightly: as they are, and with their mirror images."""
    plain = both = 0
    with torch.inference_mode(), autocast_for(COLOUR.precision, test.images.device.type):
        for index in torch.arange(len(test.labels), device=test.images.device).split(ASKED):
            images, labels = test.batch(index)
            logits = model.network(images).float()
            mirrored = model.network(images.flip(3)).float()
            plain += int((logits.argmax(1) == labels).sum())
            both += int(((logits + mirrored).argmax(1) == labels).sum())
    return plain / len(test.labels), both / len(test.labels)


def bound(model: Model, data: TensorData, recipe: Recipe) -> float:
    """Return the seconds that the passes of a training take, and nothing else."""
    images, labels = data.batch(torch.arange(recipe.batch_size, device=data.images.device))
    network = model.network.train()
    start = 0.0
    for number in range(PASSES + 2):
        if number == 2:
            start = _now(images.device)
        with autocast_for(recipe.precision, images.device.type):
            loss = F.cross_entropy(network(images).float(), labels)
        loss.backward()
    each = (_now(images.device) - start) / PASSES
    return each * recipe.epochs * -(-len(data.labels) // recipe.batch_size)


def main() -> None:
    """Train, ask, and write after every training what is known so far."""
    parser = options(__doc__ or "", RESULTS / "colour-training.json")
    parser.add_argument("data", help="folder of CIFAR-10")
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 12])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    asked = parser.parse_args()
    dataset, held_back = open_dataset(asked.data), open_dataset(asked.data, split="test")
    data, test = to_tensors(dataset, asked.device), to_tensors(held_back, asked.device)
    found: dict[int, dict[str, list[float]]] = {
        epochs: {name: [] for name in ("seconds", "accuracy", "mirrored", "bound")} for epochs in asked.epochs
    }
    for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds):
        for epochs, values in found.items():
            recipe = replace(COLOUR, epochs=epochs)
            card = make_card(data, recipe, dataset.classes, seed=seed)
            values["bound"].append(bound(train_tensors(few(data), replace(recipe, epochs=1), card), data, recipe))
            start = _now(data.images.device)
            model = train_tensors(data, recipe, card)
            values["seconds"].append(_now(data.images.device) - start)
            plain, mirrored = accuracy(model, test)
            values["accuracy"].append(100 * plain)
            values["mirrored"].append(100 * mirrored)
            print(f"seed {seed}, {epochs} epochs: {100 * plain:.2f} %, {values['seconds'][-1]:.0f} s", file=sys.stderr)
            rows = {
                str(number): {name: spread(all_of) for name, all_of in one.items()}
                | {"over_bound": ratios(one["seconds"], one["bound"])}
                for number, one in found.items()
                if one["seconds"]
            }
            record = {
                "title": "The network for colour on CIFAR-10, by epochs",
                "first_seed": FIRST_SEED,
                "epochs": rows,
            }
            write_result(asked.output, record, precision=effective_precision(COLOUR.precision, asked.device))


def few(data: TensorData) -> TensorData:
    """Return a thousand of the samples: what a network is warmed up on."""
    some = torch.from_numpy(np.linspace(0, len(data.labels) - 1, 1000).astype(np.int64))
    return TensorData(data.images[some], data.labels[some])


def _now(device: torch.device) -> float:
    """Return the time once the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()
