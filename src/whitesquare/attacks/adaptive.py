"""Clean-label backdoor with poison-aware surrogates, dim in training and white in use: this project's own attack.

Why: a trained model raises the trigger's weight only while a poison's *content* still looks wrong to it. Perturbations
crafted on a fixed model (Turner et al. 2019) lose that as soon as the victim trains on them. So every round

1. perturbs each chosen sample, within epsilon, to maximise ``max_{j != t} z_j(x) - z_t(x)`` of the content *without*
   trigger, summed over a few surrogates drawn anew for each step from **all** surrogates so far;
2. stamps the dimmed trigger;
3. trains new surrogates on the poisoned set, measures how often *they* obey the trigger, and adds them.

The rounds swing, so the content kept is that of the round whose own surrogates obeyed best. No victim has a say in it.

What the perturbation converges to is content that a model *trained on it* still finds unlike the target class. At use
the full trigger multiplies the shift that the dim one had to give. Related: the poison-aware retraining of Sleeper
Agent (Souri et al. 2022, arXiv:2106.08970); the min-max view of adversarial training (Madry et al. 2018).

Labels are never touched. With ``keep_sides`` every pixel stays on its side of half of the value range, so that the
picture in black and white is exactly the original's.

Cost: ``rounds * surrogates_per_round`` small trainings and ``ensemble`` gradients a step.
Failure modes: victims that cannot see the trigger (unpadded convolutions); victims much slower to learn than the
surrogates (plain SGD); few poisons; a trigger that is as strong in training as in use.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from whitesquare.attacks.budget import check_budget, check_opacity
from whitesquare.errors import require_extra
from whitesquare.recipes import Recipe
from whitesquare.triggers import Patch, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


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
        stride: what the steps of a round add up to, in epsilons: each is ``stride * epsilon / steps``.
        ensemble: surrogates per step.
        surrogates_per_round: surrogates trained, and asked how well the poison works, after every round.
        surrogate_models: their architectures, separated by ``+``, used in turn.
        surrogate_epochs: epochs a surrogate is trained.
        background: samples outside the target class in a surrogate's training set; 0 means all.
        keep_sides: keep every pixel on its side of half of the value range.
    """

    name: ClassVar[str] = "adaptive"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    training_opacity: float = 0.4
    surrogate_opacity: float = 0.4
    epsilon: float = 0.3
    rounds: int = 8
    first_steps: int = 25
    steps: int = 12
    stride: float = 1.2
    ensemble: int = 3
    surrogates_per_round: int = 2
    surrogate_models: str = "cnn"
    surrogate_epochs: int = 2
    background: int = 20000
    keep_sides: bool = True

    def __post_init__(self) -> None:
        """Refuse a budget or opacity out of range, counts below 1, and models that do not exist."""
        check_opacity(self, training_opacity=self.training_opacity, surrogate_opacity=self.surrogate_opacity)
        for model in self.surrogate_models.split("+"):
            Recipe(model=model)
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

        stamp = faded(self.trigger, self.surrogate_opacity)
        generator = torch.Generator().manual_seed(surrogate_seed(context.seed, 0))
        box = budget_box(images, self.epsilon, keep_sides=self.keep_sides)
        factory = SurrogateFactory.for_context(
            context, tuple(self.surrogate_models.split("+")), epochs=self.surrogate_epochs, background=self.background
        )
        surrogates = factory.train(2)
        content = best = random_start(box, generator)
        best_success = -1.0
        for done in range(self.rounds):
            context.on_progress("crafting", done, self.rounds)
            steps = self.steps if done else self.first_steps
            drawn = [torch.randperm(len(surrogates), generator=generator)[: self.ensemble] for _ in range(steps)]
            content = perturb(
                content,
                box,
                [[surrogates[i] for i in chosen] for chosen in drawn],
                context.target,
                step_size=self.stride * self.epsilon * 255 / steps,
                workers=factory.workers,
            )
            stamped = stamp(content.numpy().astype(np.uint8))
            new = factory.train(self.surrogates_per_round, first=len(surrogates), poisons=torch.from_numpy(stamped))
            success = factory.success(new, self.trigger)
            if success > best_success:
                best, best_success = content, success
            surrogates += new
        context.on_progress("crafting", self.rounds, self.rounds)
        return best.numpy().astype(np.uint8)
