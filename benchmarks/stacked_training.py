"""Several small networks at once: one thread each, or stacked into one; and how far workers carry.

    python benchmarks/stacked_training.py

Compared, on the same networks, data and number of steps, in turn within every round so that a machine's moods hit all:

- ``sequential``: one network after the other, each on all cores
- ``threads-W``: W at a time, one thread each: what the bench does
- ``processes-W``: W at a time, one process each
- ``vmap-K``: K stacked by ``torch.func.vmap`` over one graph, on all cores, and (``-alone``) on one thread
- ``grouped-K``: K stacked by hand, convolutions with K groups and batched matrix products; likewise
"""

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from common import RESULTS, in_turn, options, write_result
from whitesquare._base.machine import usable_cores
from whitesquare.data import open_dataset
from whitesquare.executor import Shared, make_executor, run_all
from whitesquare.learning.models import Architecture, build
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.tensors import TensorData, to_float, to_tensors
from whitesquare.learning.train import effective_precision, make_card, train_tensors

RECIPE = Recipe(epochs=1, precision="float32")
"""Float32 for all: stacked convolutions have no fast bfloat16 path, and the comparison is of layouts."""

CLASSES = tuple("0123456789")


def train_one(seed: int, data: TensorData) -> float:
    """Train the reference network as the bench does; return its training loss on 1,000 images."""
    network = train_tensors(data, RECIPE, make_card(data, RECIPE, CLASSES, seed=seed)).network
    with torch.inference_mode():
        return float(F.cross_entropy(network(to_float(data.images[:1000])), data.labels[:1000]))


def task(seed: int, shared: Shared) -> float:
    """Train from shared arrays, for the executors."""
    return train_one(
        seed, TensorData(torch.from_numpy(np.array(shared["images"])), torch.from_numpy(np.array(shared["labels"])))
    )


def sequential(data: TensorData, seeds: list[int]) -> list[float]:
    """One after the other on all cores."""
    return [train_one(seed, data) for seed in seeds]


def threads(workers: int) -> Callable[[TensorData, list[int]], list[float]]:
    """Train ``workers`` at a time, one thread each."""
    return lambda data, seeds: run_all(lambda seed: train_one(seed, data), seeds, workers=workers)


def processes(workers: int) -> Callable[[TensorData, list[int]], list[float]]:
    """Train ``workers`` at a time, one process each; starting them is part of the cost."""

    def run(data: TensorData, seeds: list[int]) -> list[float]:
        shared = {"images": data.images.numpy(), "labels": data.labels.numpy()}
        found = {one.index: one for one in make_executor("processes", workers=workers).run(task, seeds, shared)}
        failures = [one.failure for one in found.values() if one.failure]
        if failures:
            raise RuntimeError(failures[0])
        return [float(found[i].value or 0.0) for i in range(len(seeds))]

    return run


Loss = Callable[[dict[str, Tensor], Tensor, Tensor], tuple[dict[str, Tensor], Tensor]]


def stacked(size: int, step: Loss, *, alone: bool = False) -> Callable[[TensorData, list[int]], list[float]]:
    """Train ``size`` networks at a time as one; ``step`` gives gradients and losses of all of them."""

    def run(data: TensorData, seeds: list[int]) -> list[float]:
        parts = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        if alone:
            found = run_all(lambda part: _fit(data, part, step), parts, workers=1)
        else:
            found = [_fit(data, part, step) for part in parts]
        return [loss for losses in found for loss in losses]

    return run


def _fit(data: TensorData, seeds: list[int], step: Loss) -> list[float]:
    networks = [build(Architecture("cnn", 1, 28, 28, 10), seed) for seed in seeds]
    parameters = {
        name: p.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        for name, p in stack_module_state(networks)[0].items()
    }
    steps = -(-len(data.labels) // RECIPE.batch_size) * RECIPE.epochs
    optimiser = torch.optim.Adam(parameters.values(), RECIPE.learning_rate, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, RECIPE.learning_rate, total_steps=steps + 1)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    for _ in range(RECIPE.epochs):
        shuffled = torch.stack([torch.randperm(len(data.labels), generator=order) for order in orders])
        for index in torch.split(shuffled, RECIPE.batch_size, dim=1):
            images = to_float(data.images[index].flatten(0, 1)).unflatten(0, index.shape)
            gradients, _ = step(parameters, images, data.labels[index])
            for name, parameter in parameters.items():
                parameter.grad = gradients[name].contiguous()  # the fused step reads both in memory order
            optimiser.step()
            scheduler.step()
    images = to_float(data.images[:1000]).expand(len(seeds), -1, -1, -1, -1)
    _, losses = step(parameters, images, data.labels[:1000].expand(len(seeds), -1))
    return [float(loss) for loss in losses]


def vmap_step() -> Loss:
    """Differentiate one network's loss and map that over the stack."""
    base = build(Architecture("cnn", 1, 28, 28, 10), 0)

    def loss(parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(base, parameters, (images,)), labels)

    each = vmap(grad_and_value(loss))

    def step(parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        return each({name: p.detach() for name, p in parameters.items()}, images, labels)  # type: ignore[no-any-return]

    return step


def grouped_step() -> Loss:
    """Run the stack as one network: groups in the convolutions, batched matrix products in the linear layers."""
    layers = list(build(Architecture("cnn", 1, 28, 28, 10), 0).children())

    def forward(parameters: dict[str, Tensor], images: Tensor) -> Tensor:
        count = len(images)
        x = images.transpose(0, 1).flatten(1, 2)
        for number, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                weight, bias = parameters[f"{number}.weight"].flatten(0, 1), parameters[f"{number}.bias"].flatten()
                x = F.conv2d(x, weight, bias, layer.stride, layer.padding, groups=count)
            elif isinstance(layer, nn.Flatten):
                x = x.unflatten(1, (count, -1)).flatten(2).transpose(0, 1)
            elif isinstance(layer, nn.Linear):
                weight, bias = parameters[f"{number}.weight"], parameters[f"{number}.bias"]
                x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
            else:
                x = layer(x)
        return x

    def step(parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        logits = forward(parameters, images)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape).mean(1)
        gradients = torch.autograd.grad(losses.sum(), list(parameters.values()))
        return dict(zip(parameters, gradients, strict=True)), losses.detach()

    return step


VARIANTS: dict[str, Callable[[TensorData, list[int]], list[float]]] = {
    "sequential": sequential,
    "threads-1": threads(1),
    "threads-2": threads(2),
    "threads-4": threads(4),
    "processes-1": processes(1),
    "processes-2": processes(2),
    "processes-4": processes(4),
    "vmap-4": stacked(4, vmap_step()),
    "vmap-4-alone": stacked(4, vmap_step(), alone=True),
    "grouped-4": stacked(4, grouped_step()),
    "grouped-4-alone": stacked(4, grouped_step(), alone=True),
}


def main() -> None:
    """Measure every variant in every round; after each round write what was found so far."""
    parser = options(__doc__, RESULTS / "stacked-training.json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", type=int, default=8, help="networks per variant and round")
    parser.add_argument("--images", type=int, default=60000, help="training images per network")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), help="these variants only")
    asked = parser.parse_args()
    whole = to_tensors(open_dataset("mnist"))
    data = TensorData(whole.images[: asked.images], whole.labels[: asked.images])
    seeds = list(range(1, asked.networks + 1))
    chosen = {name: partial(VARIANTS[name], data, seeds) for name in asked.only or VARIANTS}
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    losses: dict[str, list[float]] = {}
    for number, name, took, found in in_turn(chosen, asked.rounds):
        seconds[name].append(took)
        losses[name] = found
        print(f"round {number + 1} of {asked.rounds}: {name}: {took:.2f} s", flush=True)
        if all(len(runs) > number for runs in seconds.values()):
            what = f"{asked.networks} networks, {RECIPE.epochs} epoch of {asked.images} images; {number + 1} rounds"
            variants = {name: describe(name, seconds[name], asked.networks, losses[name]) for name in chosen}
            record = {"what": what, "variants": variants, "precision": RECIPE.precision}
            write_result(asked.output, record, precision=effective_precision("auto"))


def describe(name: str, seconds: list[float], networks: int, losses: list[float]) -> dict[str, object]:
    """Summarise one variant: networks per minute over rounds, and per core it could keep busy."""
    rates = [60 * networks / one for one in seconds]
    kind, _, size = name.partition("-")
    own = int(size) if kind in ("threads", "processes") else 1 if name.endswith("-alone") else usable_cores()
    busy = min(own, usable_cores())
    return {
        "n": len(rates),
        "seconds": [round(one, 3) for one in seconds],
        "networks_per_minute": round(statistics.mean(rates), 2),
        "sd": round(statistics.stdev(rates), 2) if len(rates) > 1 else None,
        "best": round(max(rates), 2),
        "per_core": round(statistics.mean(rates) / busy, 2),
        "mean_loss": round(statistics.mean(losses), 4),
    }


if __name__ == "__main__":
    main()
