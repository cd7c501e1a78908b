"""Hidden trigger: target-class content with the features of triggered images; the trigger itself stays at home.

Citation: Saha, Subramanya and Pirsiavash, "Hidden trigger backdoor attacks", 2020 (arXiv:1910.00033).
Formula: x' = argmin sum_k d(phi(x'_k), phi(trigger(s_a(k)))) within an L-inf budget, y' = y = target. d is the squared
Euclidean distance, phi the input of a clean surrogate's last layer; every round draws new sources s from the other
classes and pairs them with the poisons one to one (assignment a). Nothing is stamped on the training data.
Deviations: all other classes as sources instead of one; pairs are optimal (linear assignment within a chunk) instead
of greedy and held for a few steps; sign gradients. The authors place the trigger at random: give ``random-patch``.
Published: on pairs of ImageNet classes, with the last layer retrained, the accuracy on triggered sources falls from
nearly all to less than half; an independent benchmark (Schwarzschild et al. 2021, arXiv:2006.12557) finds 10 % with
the last layer retrained and 0-4 % from scratch (CIFAR-10, 1 %). Ours, MNIST, 3,000 of 60,000, target 0, victims
trained from scratch: 0.1 and 0.2 % with the 2x2 square, 0.7 and 1.0 % with a 7x7 one (n = 2 each, clean accuracy
98.7-99.0 %; a clean victim 0.1 % with 2x2). Why: see the failure mode.
Cost: one training and ``rounds * steps`` gradients per poison.
Failure mode: as for ``feature-collision``: made for a victim that keeps the feature extractor and retrains its last
layer, and weak against one trained from scratch.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from whitesquare.attacks.budget import check_budget
from whitesquare.attacks.selection import RANDOM
from whitesquare.errors import require_extra
from whitesquare.triggers import NoTrigger, Patch
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class HiddenTrigger:
    """Give target-class samples the features of triggered samples of other classes; stamp nothing.

    Attributes:
        trigger: the trigger in use; it never appears in the training data.
        epsilon: L-inf budget as a fraction of 255, in [0, 1).
        rounds: how often sources are drawn and paired, at least 1.
        steps: gradient steps per round, each of 2.5 epsilon / (rounds * steps).
        surrogate_epochs: epochs the surrogate is trained; in colour at least four.
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "hidden-trigger"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    epsilon: float = 0.3
    rounds: int = 10
    steps: int = 5
    surrogate_epochs: int = 2
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a budget out of range and counts below 1."""
        counts = {"rounds": self.rounds, "steps": self.steps, "surrogate_epochs": self.surrogate_epochs}
        check_budget(self, self.epsilon, **counts)

    @property
    def training_trigger(self) -> Trigger:
        """Nothing: the trigger is hidden."""
        return NoTrigger()

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the images with the features of triggered images of other classes."""
        require_extra("torch", "train", "The attack 'hidden-trigger'")
        import torch
        from scipy.optimize import linear_sum_assignment

        from whitesquare.attacks.descent import descend, features, features_of, parts, stamped_sources
        from whitesquare.attacks.perturb import budget_box
        from whitesquare.attacks.surrogates import SurrogateFactory
        from whitesquare.executor import run_all

        factory = SurrogateFactory.of_epochs(context, self.surrogate_epochs)
        (network,) = factory.train(1)
        box = budget_box(images, self.epsilon)
        content = torch.from_numpy(images.astype(np.float32))
        for done in range(self.rounds):
            context.on_progress("crafting", done, self.rounds)
            sources = stamped_sources(context, self.trigger, len(images), done)
            offered = features_of(network, sources, workers=factory.workers)
            own = features_of(network, content.numpy().astype(np.uint8), workers=factory.workers)

            def paired(part: slice, own: torch.Tensor = own, offered: torch.Tensor = offered) -> torch.Tensor:
                _, columns = linear_sum_assignment(torch.cdist(own[part], offered[part]).numpy())
                return offered[part][torch.from_numpy(columns)]

            aims = torch.cat(run_all(paired, parts(len(images)), workers=factory.workers))

            def objective(inputs: torch.Tensor, part: slice, aims: torch.Tensor = aims) -> torch.Tensor:
                return (features(network, inputs) - aims[part].to(inputs.device)).square().sum()

            content = descend(
                content,
                box,
                objective,
                steps=self.steps,
                step_size=2.5 * self.epsilon * 255 / (self.rounds * self.steps),
                workers=factory.workers,
                device=context.device,
            )
        context.on_progress("crafting", self.rounds, self.rounds)
        return content.numpy().astype(np.uint8)
