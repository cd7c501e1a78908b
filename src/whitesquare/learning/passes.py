"""The passes of a step, side by side: each computes on one thread, on a copy of the network that shares its weights.

Threads that share one pass wait for one another at every layer: where another process computes as well, for most of
their time. Passes have nothing to wait for. What they find is put together in their order, so the result depends
neither on how many run at a time nor on the number of cores.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

from whitesquare._base.crew import Crew

Item = TypeVar("Item")
Result = TypeVar("Result")


class Passes:
    """Computes passes of a network in training, and leaves it as if they had come one after the other.

    Gradients are added; normalisations, which learn from every pass for itself, learn in the order of the passes. A
    network whose steps are of one pass computes it by itself, on as many threads as it is given.
    """

    def __init__(self, network: nn.Module, most: int) -> None:
        """Make copies of a network that is in training.

        Args:
            network: whose weights are shared; they may be moved in place between two calls.
            most: passes of a step, at most.
        """
        self._network = network
        self._copies = [_sharing(network) for _ in range(most)] if most > 1 else []
        on_processor = all(weight.device.type == "cpu" for weight in network.parameters())
        self._threads = torch.get_num_threads()
        workers = min(most, self._threads) if on_processor else 1
        self._crew = Crew(workers, _one_thread) if workers > 1 else None

    def __enter__(self) -> "Passes":
        if self._crew is not None:
            self._crew.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        torch.set_num_threads(self._threads)
        if self._crew is not None:
            self._crew.__exit__(*raised)  # type: ignore[arg-type]  # what the interpreter hands over is handed on

    def run(self, work: Callable[[nn.Module, Item], Result], items: Sequence[Item]) -> list[Result]:
        """Do ``work``, which leaves gradients, on the network and each item; return what it returns, in their order."""
        if not self._copies:
            return [work(self._network, item) for item in items]
        copies = self._copies[: len(items)]
        for copy in copies:
            copy.zero_grad(set_to_none=True)
        pairs = list(zip(copies, items, strict=True))
        found = (
            [work(*pair) for pair in pairs] if self._crew is None else list(self._crew.map(lambda p: work(*p), pairs))
        )
        self._put_together(copies)
        return found

    def _put_together(self, copies: Sequence[nn.Module]) -> None:
        for weight, *shared in zip(self._network.parameters(), *(copy.parameters() for copy in copies), strict=True):
            for one in shared:
                if one.grad is not None:
                    weight.grad = one.grad if weight.grad is None else weight.grad.add_(one.grad)
        with torch.no_grad():
            for norm, *seen in zip(_norms(self._network), *map(_norms, copies), strict=True):
                for one in seen:
                    norm.running_mean.lerp_(one.running_mean, norm.momentum)
                    norm.running_var.lerp_(one.running_var, norm.momentum)
                    norm.num_batches_tracked += 1


def _sharing(network: nn.Module) -> nn.Module:
    """Return a copy whose weights lie in the same memory, and whose normalisations know the last pass alone."""
    copy = deepcopy(network)
    for own, shared in zip(copy.parameters(), network.parameters(), strict=True):
        own.data = shared.data
    for norm in _norms(copy):
        norm.momentum = 1.0
    return copy


def _norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


def _one_thread() -> None:
    torch.set_num_threads(1)
