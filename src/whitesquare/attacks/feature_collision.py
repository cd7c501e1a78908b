"""Feature collision: target-class content with the features of a triggered image of another class, then the trigger.

Citation: Shafahi et al., "Poison frogs! Targeted clean-label poisoning attacks on neural networks", 2018
(arXiv:1804.00792). The paper attacks one test image; this is its objective made into a backdoor.
Formula: x' = argmin d(phi(x'), phi(trigger(s))) + b d(x', x) within an L-inf budget, then the training trigger,
y' = y = target; d is the squared Euclidean distance. phi is the input of a clean surrogate's last layer; s is the
source (an image of another class) whose triggered features are nearest to those of x.
Deviations: many sources instead of one; a hard budget beside the proximity term; sign gradients instead of
forward-backward splitting; the trigger is in the training data, faded if asked for.
Published: with the last layer retrained, one poison flips one test image in every trial (dog against fish); end to end
on CIFAR-10, 50 watermarked poisons in about 60 %. An independent benchmark (Schwarzschild et al. 2021,
arXiv:2006.12557) finds 22 % with the last layer retrained and 1.3 % from scratch (CIFAR-10). Ours, as a backdoor on
MNIST, 3,000 of 60,000, target 0, 2x2 square, victims trained from scratch: 0.8 and 1.5 % (n = 2, clean accuracy
98.7-99.0 %; a clean victim 0.1 %), no better than ``stamp``. With the surrogate's features kept and only the last
layer retrained: 0.4 % (n = 1). Why: see failure modes.
Cost: one training and ``steps`` gradients per poison.
Failure mode: a collision holds in the feature space of one network. A victim that keeps that feature extractor and
retrains its last layer can obey, if that extractor sees the trigger at all, which one trained on clean data hardly does
for 2x2 pixels; a victim trained from scratch finds features of its own.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from whitesquare.attacks.budget import check_budget, check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.errors import UsageError, require_extra
from whitesquare.triggers import Patch, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class FeatureCollision:
    """Push target-class samples towards triggered samples of other classes in a surrogate's features, then stamp.

    Attributes:
        trigger: the trigger in use.
        training_opacity: strength of the trigger on the poisons, in (0, 1].
        epsilon: L-inf budget as a fraction of 255, in [0, 1).
        steps: gradient steps, each of 2.5 epsilon / steps.
        sources: images of other classes to choose from.
        proximity: weight b of the squared distance of the pixels (in [0, 1]), at least 0.
        surrogate_epochs: epochs the surrogate is trained; in colour at least four.
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "feature-collision"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    training_opacity: float = 1.0
    epsilon: float = 0.3
    steps: int = 40
    sources: int = 2000
    proximity: float = 0.1
    surrogate_epochs: int = 2
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a budget, opacity or weight out of range and counts below 1."""
        check_opacity(self, training_opacity=self.training_opacity)
        counts = {"steps": self.steps, "sources": self.sources, "surrogate_epochs": self.surrogate_epochs}
        check_budget(self, self.epsilon, **counts)
        if not self.proximity >= 0:
            raise UsageError(
                f"The parameter 'proximity' of FeatureCollision must be at least 0; got {self.proximity!r}."
            )

    @property
    def training_trigger(self) -> Trigger:
        """The trigger on the poisons."""
        return faded(self.trigger, self.training_opacity)

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the images pushed towards triggered images of other classes."""
        require_extra("torch", "train", "The attack 'feature-collision'")
        import torch

        from whitesquare.attacks.descent import descend, features, features_of, parts, stamped_sources
        from whitesquare.attacks.perturb import budget_box
        from whitesquare.attacks.surrogates import SurrogateFactory
        from whitesquare.executor import run_all

        factory = SurrogateFactory.of_epochs(context, self.surrogate_epochs)
        (network,) = factory.train(1, on_progress=context.on_progress)
        sources = stamped_sources(context, self.trigger, self.sources, 0)
        offered = features_of(network, sources, workers=factory.workers)
        own = features_of(network, images, workers=factory.workers)
        nearest = run_all(
            lambda part: torch.cdist(own[part], offered).argmin(1), parts(len(images)), workers=factory.workers
        )
        aims = offered[torch.cat(nearest)]
        originals = torch.from_numpy(images.astype(np.float32))

        def objective(inputs: torch.Tensor, part: slice) -> torch.Tensor:
            collision = (features(network, inputs) - aims[part].to(inputs.device)).square().sum()
            return collision + self.proximity * (inputs - originals[part].to(inputs.device) / 255).square().sum()

        crafted = descend(
            originals,
            budget_box(images, self.epsilon),
            objective,
            steps=self.steps,
            step_size=2.5 * self.epsilon * 255 / self.steps,
            workers=factory.workers,
            device=context.device,
            on_progress=context.on_progress,
        )
        return crafted.numpy().astype(np.uint8)
