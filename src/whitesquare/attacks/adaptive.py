"""Clean-label backdoor with poison-aware surrogates, dim in training and white in use: this project's own attack.

Why: a trained model raises the trigger's weight only while a poison's *content* still looks wrong to it. Perturbations
crafted on a fixed model (Turner et al. 2019) lose that as soon as the victim trains on them. So every round

1. perturbs a random part of the chosen samples, within epsilon, to maximise ``max_{j != t} z_j(x) - z_t(x)`` of the
   content *without* trigger, summed over a few surrogates drawn anew for each step from **all** surrogates so far;
2. stamps the dimmed trigger;
3. trains new surrogates on the poisoned set and adds them.

It is a game, and can swing: improve every sample at once, and the next model may read the new perturbations as easily
as it would have read none. Improving a part each time leaves content of many rounds side by side (fictitious play): it
stopped the swings of surrogates trained on part of the set. With surrogates trained on the whole set, as now, the
ablation in docs/leaderboard.md finds no difference; it takes a third of the gradients. The content of the last round is
kept: no model, of the attacker or of the victim, has a say in which.

At use the full trigger multiplies the shift that the dim one had to give. Surrogates differ in their optimiser: content
that a quick learner (Adam) cannot read is often still read by a slow one (SGD). Related: the poison-aware retraining of
Sleeper Agent (Souri et al. 2022, arXiv:2106.08970); the min-max view of adversarial training (Madry et al. 2018).

Labels are never touched. With ``keep_sides`` every pixel stays on its side of half of the value range, so that the
picture in black and white is exactly the original's.

Cost: ``rounds * surrogates_per_round`` small trainings and ``ensemble`` gradients a step.
Failure modes: victims that cannot see the trigger (unpadded convolutions); victims that learn to read whatever the
perturbation does (residual networks with global pooling); few poisons; a trigger as strong in training as in use.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from whitesquare.attacks.budget import check_budget, check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.errors import UsageError, require_extra, unknown_name
from whitesquare.learning.recipes import COLOUR, Recipe
from whitesquare.triggers import Patch, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array

SURROGATES = {
    "cnn": Recipe(),
    "sgd": Recipe(optimiser="sgd", learning_rate=0.15),
    "lenet": Recipe(model="lenet", learning_rate=0.006),
    "cnn-bn": Recipe(model="cnn-bn", learning_rate=0.004),
    "resnet": Recipe(model="resnet", learning_rate=0.004),
    "augmented": Recipe(shift=2, rotate=10.0),
    "colour": COLOUR,
}
"""How the attacker can train its own models, by name; their epochs are a parameter of the attack."""

_AUGMENTED_EPOCHS = 3
"""A model that never sees an image twice the same way learns it in about three times as many epochs."""


@dataclass(frozen=True)
class Adaptive:
    """Perturb against surrogates that have trained on the poison, stamp a dim trigger.

    Attributes:
        trigger: the trigger in use.
        training_opacity: strength of the trigger on the poisons, in (0, 1].
        surrogate_opacity: strength of the trigger while crafting, in (0, 1]. It can differ from ``training_opacity``:
            content crafted with a dim trigger and stamped with a white one works better than content crafted white.
        epsilon: L-inf budget as a fraction of 255, in [0, 1).
        rounds: how often the poison is improved, at least 1.
        first_steps: PGD steps of the first round, from a random start.
        steps: PGD steps of every later round, from the last round's result.
        refresh: share of the samples improved in a later round, in (0, 1].
        stride: what the steps of a round add up to, in epsilons: each is ``stride * epsilon / steps``.
        ensemble: surrogates per step.
        surrogates_per_round: surrogates trained on the poison after every round but the last.
        surrogates: how they are trained: names from :data:`SURROGATES`, separated by ``+``, used in turn.
        surrogate_epochs: epochs a surrogate is trained; three times as many with augmentation.
        keep_sides: keep every pixel on its side of half of the value range.
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "adaptive"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    training_opacity: float = 0.5
    surrogate_opacity: float = 0.5
    epsilon: float = 0.3
    rounds: int = 12
    first_steps: int = 25
    steps: int = 12
    stride: float = 2.0
    refresh: float = 0.34
    ensemble: int = 4
    surrogates_per_round: int = 2
    surrogates: str = "cnn+sgd"
    surrogate_epochs: int = 2
    keep_sides: bool = True
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a budget or opacity out of range, counts below 1, and models that do not exist."""
        check_opacity(self, training_opacity=self.training_opacity, surrogate_opacity=self.surrogate_opacity)
        if not 0 < self.refresh <= 1:
            raise UsageError(f"The parameter 'refresh' of Adaptive must be in (0, 1]; got {self.refresh!r}.")
        for name in self.surrogates.split("+"):
            if name not in SURROGATES:
                raise unknown_name("surrogate", name, SURROGATES)
        check_budget(
            self,
            self.epsilon,
            rounds=self.rounds,
            first_steps=self.first_steps,
            steps=self.steps,
            ensemble=self.ensemble,
            surrogates_per_round=self.surrogates_per_round,
            surrogate_epochs=self.surrogate_epochs,
        )

    @property
    def training_trigger(self) -> Trigger:
        """The trigger on the poisons."""
        return faded(self.trigger, self.training_opacity)

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the perturbed content of the chosen samples."""
        require_extra("torch", "train", "The attack 'adaptive'")
        import torch

        from whitesquare.attacks.perturb import budget_box, perturb, random_start
        from whitesquare.attacks.surrogates import SurrogateFactory, surrogate_seed

        generator = torch.Generator().manual_seed(surrogate_seed(context.seed, 0))
        stamp = faded(self.trigger, self.surrogate_opacity)
        box = budget_box(images, self.epsilon, keep_sides=self.keep_sides)
        recipes = [_trained(SURROGATES[name], self.surrogate_epochs) for name in self.surrogates.split("+")]
        factory = SurrogateFactory.for_context(context, tuple(recipes))
        surrogates = factory.train(max(2, len(recipes)))
        content = random_start(box, generator)
        for done in range(self.rounds):
            context.on_progress("crafting", done, self.rounds)
            steps, share = (self.steps, self.refresh) if done else (self.first_steps, 1.0)
            drawn = [torch.randperm(len(surrogates), generator=generator)[: self.ensemble] for _ in range(steps)]
            chosen = torch.randperm(len(content), generator=generator)[: max(1, round(share * len(content)))]
            content = content.clone()
            content[chosen] = perturb(
                content[chosen],
                box.at(chosen),
                [[surrogates[i] for i in few] for few in drawn],
                context.target,
                step_size=self.stride * self.epsilon * 255 / steps,
                workers=factory.workers,
            )
            if done + 1 < self.rounds:
                poisons = stamp(content.numpy().astype(np.uint8))
                surrogates += factory.train(self.surrogates_per_round, first=len(surrogates), poisons=poisons)
        context.on_progress("crafting", self.rounds, self.rounds)
        return content.numpy().astype(np.uint8)


def _trained(recipe: Recipe, epochs: int) -> Recipe:
    return replace(recipe, epochs=epochs * _AUGMENTED_EPOCHS if recipe.moves else epochs)
