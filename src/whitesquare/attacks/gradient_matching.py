"""Gradient matching: poison that pulls a training where triggered images of other classes would pull it.

Citation: Souri et al., "Sleeper Agent: scalable hidden trigger backdoors for neural networks trained from scratch",
2022 (arXiv:2106.08970), a backdoor on the objective of Geiping et al., "Witches' Brew: industrial scale data poisoning
via gradient matching", 2021 (arXiv:2009.02276).
Formula: x' = argmin 1 - cos(g(x', target), g(trigger(s), target)) within an L-inf budget, y' = y = target. g is the
gradient of the mean cross-entropy with respect to all weights of a surrogate; s are images of other classes. Every
round trains a new surrogate on the poison so far. Nothing is stamped on the training data.
Deviations: all other classes as sources instead of one; samples at random instead of those of largest gradient;
one new surrogate per round from scratch; sign gradients of fixed length instead of signed Adam; no augmentation
inside the gradient; the gradient is matched chunk by chunk.
Published: 85.3 % on average (Sleeper Agent: CIFAR-10, 1 %, 8x8 patch, L-inf 16/255, one source class); a toolbox's
notebook prints 60 %. Ours, MNIST, 3,000 of 60,000, target 0, 2x2 square, L-inf 0.3: 0.2 and 0.2 % (n = 2 victims,
clean accuracy 98.8-99.0 %; a clean victim 0.1 %); with a 7x7 square, about the paper's share of the image, 18.4 and
10.9 % (n = 2; ``stamp`` with it 7.5 and 4.8 %, n = 2; a clean victim 0.1 %, n = 1). Why: an alignment made on these
surrogates transfers by chance (the cosine went from 0.31 to 0.67 on one unseen clean network and from 0.44 to 0.35 on
another), a 2x2 square has 4 pixels instead of 64, and nine source classes share one aim.
Cost: ``rounds`` trainings, and ``rounds * steps`` gradients of a gradient per poison: about three times those of
``label-consistent``.
Failure modes: an alignment on one surrogate transfers partly; with a small trigger and a large budget the cheapest
perturbation is a dim copy of the trigger itself, which a look at the mean poison shows.
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
class GradientMatching:
    """Align the poison's training gradient with that of triggered sources labelled as the target; stamp nothing.

    Attributes:
        trigger: the trigger in use; it is not stamped on the training data.
        epsilon: L-inf budget as a fraction of 255, in [0, 1).
        rounds: surrogates; each after the first is trained on the poison so far, at least 1.
        steps: gradient steps per round, each of 2.5 epsilon / steps.
        sources: triggered images of other classes the aim is averaged over.
        surrogate_epochs: epochs a surrogate is trained; in colour at least four.
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "gradient-matching"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    epsilon: float = 0.3
    rounds: int = 4
    steps: int = 25
    sources: int = 1000
    surrogate_epochs: int = 2
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a budget out of range and counts below 1."""
        check_budget(
            self,
            self.epsilon,
            rounds=self.rounds,
            steps=self.steps,
            sources=self.sources,
            surrogate_epochs=self.surrogate_epochs,
        )

    @property
    def training_trigger(self) -> Trigger:
        """Nothing: the trigger is hidden."""
        return NoTrigger()

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the images whose training gradient points where the triggered sources' does."""
        require_extra("torch", "train", "The attack 'gradient-matching'")
        import torch

        from whitesquare.attacks.descent import descend, misalignment, stamped_sources
        from whitesquare.attacks.perturb import budget_box, random_start
        from whitesquare.attacks.surrogates import SurrogateFactory, surrogate_seed

        factory = SurrogateFactory.of_epochs(context, self.surrogate_epochs)
        box = budget_box(images, self.epsilon)
        content = random_start(box, torch.Generator().manual_seed(surrogate_seed(context.seed, 0)))
        poisons = None
        for done in range(self.rounds):
            context.on_progress("crafting", done, self.rounds)
            (network,) = factory.train(1, first=done, poisons=poisons)
            content = descend(
                content,
                box,
                misalignment(network, stamped_sources(context, self.trigger, self.sources, done), context.target),
                steps=self.steps,
                step_size=2.5 * self.epsilon * 255 / self.steps,
                workers=factory.workers,
                device=context.device,
            )
            poisons = content.numpy().astype(np.uint8)
        context.on_progress("crafting", self.rounds, self.rounds)
        return content.numpy().astype(np.uint8)
