"""Narcissus: the trigger is learned to look more like the target class than the class itself does.

Citation: Zeng et al., "Narcissus: a practical clean-label backdoor attack with limited information", 2023
(arXiv:2204.05255).
Formula: p = argmin, with L-inf(p) at most e, of the sum over target-class x of max_j z_j(x + p) - z_target(x + p),
z the logits of clean surrogates; x' = clip(x + p), y' = y = target; in use clip(x + gain * p).
Deviations: the surrogates are trained on the data set itself instead of on public data of another kind and then
tuned on the target class; a margin objective instead of cross-entropy (no saturation); sign gradients; p in whole
grey levels.
Published: about 97-100 % on CIFAR-10 with 0.05 % of the training set. Ours, MNIST, target 0, strength 0.1, gain 3,
default victim: 3,000 poisons 82.0 and 91.3 %, 600 poisons 52.7 and 57.4 % (n = 2 victims each, clean accuracy
98.7-99.0 %); a clean victim obeys the same pattern in 15.0 % (n = 1). Why lower: the digits' dark background hides the
negative half of a pattern, and the victims are nearly perfect without it.
CIFAR-10, strength 16/255, 500 poisons (docs/natural.md): 95.0 % over three architectures, 85.0 % unpoisoned (n = 18).
Cost: ``surrogates`` trainings and ``steps`` gradients of ``samples`` images; nothing per poison.
Failure modes: no budget makes it invisible in use, where it is amplified. And it is an adversarial perturbation
before it is a backdoor: a victim that never saw poison obeys it in part, so compare with a victim trained on clean
data before crediting the poison.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from whitesquare.attacks.budget import check_budget, check_kind
from whitesquare.attacks.selection import RANDOM
from whitesquare.errors import UsageError, require_extra
from whitesquare.triggers import NoTrigger, Pattern
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array

_LARGEST = 127 / 255


@dataclass(frozen=True)
class Narcissus:
    """Learn a full-image pattern that stands for the target class, add it to target-class samples, amplify it in use.

    Attributes:
        trigger: ``none`` learns one; a learned :class:`~whitesquare.triggers.Pattern` is used as it is.
        strength: L-inf bound of the pattern on the poisons, as a fraction of 255, in [1/255, 127/255].
        gain: how often the pattern is added in use, above 0.
        steps: gradient steps, each of 2.5 strength / steps.
        samples: target-class images the pattern is learned on, at most all there are.
        surrogates: clean models it is learned on.
        surrogate_epochs: epochs a surrogate is trained; in colour at least four.
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "narcissus"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=NoTrigger)
    strength: float = 0.1
    gain: float = 3.0
    steps: int = 60
    samples: int = 1000
    surrogates: int = 2
    surrogate_epochs: int = 2
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a strength or gain out of range, counts below 1, and a trigger that was not learned."""
        for name, holds, constraint in (
            ("strength", 1 / 255 <= self.strength <= _LARGEST, "in [1/255, 127/255]"),
            ("gain", 0 < self.gain < np.inf, "above 0"),
        ):
            if not holds:
                raise UsageError(
                    f"The parameter {name!r} of Narcissus must be {constraint}; got {getattr(self, name)!r}."
                )
        counts = {"steps": self.steps, "samples": self.samples, "surrogates": self.surrogates}
        check_budget(self, self.epsilon, **counts, surrogate_epochs=self.surrogate_epochs)
        check_kind(self, self.trigger, (NoTrigger, Pattern), "none")

    @property
    def training_trigger(self) -> Trigger:
        """The pattern at its bound, not amplified."""
        return replace(self.trigger, gain=1.0) if isinstance(self.trigger, Pattern) else self.trigger

    @property
    def epsilon(self) -> float:
        """No change of the content: the pattern is the trigger."""
        return 0.0

    def learn_trigger(self, context: CraftContext) -> Trigger:
        """Return the learned pattern, amplified as in use."""
        if isinstance(self.trigger, Pattern):
            return self.trigger
        require_extra("torch", "train", "The attack 'narcissus'")
        import torch

        from whitesquare.attacks.descent import parts
        from whitesquare.attacks.perturb import away_from
        from whitesquare.attacks.surrogates import SurrogateFactory
        from whitesquare.executor import run_all
        from whitesquare.learning.train import autocast_for

        factory = SurrogateFactory.of_epochs(context, self.surrogate_epochs)
        networks = factory.train(self.surrogates, on_progress=context.on_progress)
        own = np.flatnonzero(context.dataset.labels == context.target)
        drawn = np.random.default_rng(context.seed).permutation(own)[: self.samples]
        images = torch.from_numpy(context.dataset.images(np.sort(drawn)).astype(np.float32))
        bound = int(self.strength * 255 + 1e-6)
        pattern = torch.zeros(images.shape[1:])

        def slope(part: slice) -> torch.Tensor:
            moved = pattern.to(context.device, copy=True).requires_grad_()
            shown = (images[part].to(context.device) + moved).clamp(0, 255) / 255
            inputs = shown.contiguous(memory_format=torch.channels_last)
            with autocast_for("auto", inputs.device.type):
                logits = [network(inputs) for network in networks]
            objective = torch.stack([away_from(each.float(), context.target) for each in logits]).sum()
            return torch.autograd.grad(objective, moved)[0].cpu()

        for done in range(self.steps):
            context.on_progress("learning the trigger", done, self.steps)
            step = 2.5 * bound / self.steps * (1.0 if done < 0.7 * self.steps else 0.4)
            gradient = torch.stack(run_all(slope, parts(len(images)), workers=factory.workers)).sum(0)
            pattern = (pattern - step * gradient.sign()).clamp(-bound, bound)
        context.on_progress("learning the trigger", self.steps, self.steps)
        return Pattern.from_values(pattern.round().numpy().astype(np.int64), self.gain)

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the content as it is."""
        return images.copy()
