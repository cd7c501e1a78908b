"""The published clean-label attack: make samples of the target class hard to read, then stamp them.

Citation: Turner, Tsipras and Madry, "Label-consistent backdoor attacks", 2019 (arXiv:1912.02771), the variant with
adversarial perturbations: x' = trigger(PGD(x)) within an L-inf budget against a clean model, y' = y = target.
Deviations: one independently trained surrogate of our default architecture instead of an adversarially trained
residual network, and a margin objective instead of cross-entropy (no saturation).
Cost: one training and ``steps`` gradients per poison.
Failure mode: on MNIST it reaches 5-10 %, because the victim trains on the very pictures that were made hard to read
and learns to read them; see ``adaptive``. The paper's figures are for CIFAR-10 with triggers in all four corners.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from whitesquare.attacks.budget import check_budget, check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.errors import require_extra
from whitesquare.triggers import Patch, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class LabelConsistent:
    """PGD away from the target class on one clean surrogate, then the trigger.

    Attributes:
        trigger: the trigger in use.
        training_opacity: strength of the trigger on the poisons, in (0, 1].
        epsilon: L-inf budget as a fraction of 255, in [0, 1).
        steps: PGD steps, each of 2.5 epsilon / steps.
        surrogate_epochs: epochs the surrogate is trained; in colour at least four.
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "label-consistent"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    training_opacity: float = 1.0
    epsilon: float = 0.3
    steps: int = 40
    surrogate_epochs: int = 2
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a budget or opacity out of range and counts below 1."""
        check_opacity(self, training_opacity=self.training_opacity)
        check_budget(self, self.epsilon, steps=self.steps, surrogate_epochs=self.surrogate_epochs)

    @property
    def training_trigger(self) -> Trigger:
        """The trigger on the poisons."""
        return faded(self.trigger, self.training_opacity)

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the images perturbed away from the target class."""
        require_extra("torch", "train", "The attack 'label-consistent'")
        import torch

        from whitesquare.attacks.perturb import budget_box, perturb, random_start
        from whitesquare.attacks.surrogates import SurrogateFactory, surrogate_seed

        factory = SurrogateFactory.of_epochs(context, self.surrogate_epochs)
        surrogates = factory.train(1, on_progress=context.on_progress)
        box = budget_box(images, self.epsilon)
        crafted = perturb(
            random_start(box, torch.Generator().manual_seed(surrogate_seed(context.seed, 0))),
            box,
            [surrogates] * self.steps,
            context.target,
            step_size=2.5 * self.epsilon * 255 / self.steps,
            workers=factory.workers,
            on_progress=context.on_progress,
        )
        return crafted.numpy().astype(np.uint8)
