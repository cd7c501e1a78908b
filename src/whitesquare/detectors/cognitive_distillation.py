"""Cognitive distillation: how little of an image does the model need for its answer?

Citation: Huang, Ma, Erfani and Bailey, "Distilling cognitive backdoor patterns within an image", ICLR 2023
(arXiv:2301.10908).
Formula: per image a mask m = (tanh(a) + 1) / 2 of one channel minimises
mean |f(x m + (1 - m) delta) - f(x)| + gamma |m|_1 + beta TV(m) / (H W), with delta a random colour, drawn anew at each
step; 100 steps of Adam, rate 0.1, betas (0.1, 0.1), a = 1 at the start, gamma 0.01, beta 10 (the authors' README). The
score is -|m|_1: a trigger is a small pattern that decides alone. Class statistic: the mean score.
Deviations: none in the formula. Only ``limit`` samples are scored, drawn by the seed in equal numbers from every class;
all others are NaN, not clean.
Cost: 100 passes with gradients of the scored samples.
Failure modes: triggers all over the image; images with a small object, whose masks are small without a trigger; gamma
is relative to the logits, so an overconfident answer keeps a larger mask. Ours, MNIST, 600 samples relabelled as 0 with
a square (one run): the score is upside down (AUROC in the class 0.00), because the logits of the poison are twice those
of the true zeros; the mask still shows the square (mean 0.70 there, 0.25 on true zeros). Use it as a heat map first.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from whitesquare.detectors.common import class_means, finite, gradient_of, model_of
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored
from whitesquare.errors import UsageError
from whitesquare.records import Progress, silent
from whitesquare.types import Classifier, FloatArray, IntArray, UInt8Array

if TYPE_CHECKING:
    import torch

_BATCH = 250


@dataclass(frozen=True)
class CognitiveDistillation:
    """Size of the smallest mask that keeps the answer.

    Attributes:
        limit: samples scored at most, evenly over the classes; at least 1.
        steps: steps of Adam, at least 1.
        gamma: weight of the size of the mask, at least 0.
        beta: weight of its total variation, at least 0.
    """

    name: ClassVar[str] = "cognitive-distillation"
    rule_id: ClassVar[str] = "CD01"
    family: ClassVar[str] = "response"
    needs: ClassVar[frozenset[str]] = frozenset({"model", "gradients"})

    limit: int = 1000
    steps: int = 100
    gamma: float = 0.01
    beta: float = 10.0

    def __post_init__(self) -> None:
        """Refuse counts below 1 and negative weights."""
        if min(self.limit, self.steps) < 1 or min(self.gamma, self.beta) < 0:
            raise UsageError(
                f"The limit and steps must be at least 1, gamma and beta at least 0; got {self.limit}, {self.steps}, "
                f"{self.gamma} and {self.beta}."
            )

    def score(self, evidence: Evidence) -> Suspicion:
        """Score a sample of every class by its negative mask size."""
        model, result = model_of(evidence), unscored(evidence)
        chosen = _evenly(evidence, self.limit)
        if len(chosen):
            masks = distil_masks(
                model,
                evidence.images[chosen],
                steps=self.steps,
                gamma=self.gamma,
                beta=self.beta,
                seed=evidence.seed,
                on_progress=evidence.on_progress,
            )
            result.scores[chosen] = finite(-masks.sum((1, 2), dtype=np.float64))
        return Suspicion(result.scores, class_means(evidence, result.scores))


def distil_masks(
    model: Classifier,
    images: UInt8Array,
    *,
    steps: int = 100,
    gamma: float = 0.01,
    beta: float = 10.0,
    seed: int = 0,
    on_progress: Progress = silent,
) -> FloatArray:
    """Find, for every image, the smallest mask that keeps the logits: a heat map of what decides.

    Args:
        model: what is asked; it gives gradients.
        images: ``(M, C, H, W)`` uint8.
        steps: steps of Adam.
        gamma: weight of the size of the mask.
        beta: weight of its total variation.
        seed: of the random colours.
        on_progress: told the number of finished images.

    Returns:
        ``(M, H, W)`` float32 in [0, 1].
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    masks = np.empty((len(images), *images.shape[2:]), np.float32)
    for start in range(0, len(images), _BATCH):
        part = slice(start, min(start + _BATCH, len(images)))
        masks[part] = _distil(model, images[part], steps, gamma, beta, generator)
        on_progress("distilling masks", part.stop, len(images))
    return masks


def _distil(
    model: Classifier, pictures: UInt8Array, steps: int, gamma: float, beta: float, generator: "torch.Generator"
) -> FloatArray:
    import torch

    from whitesquare.learning.tensors import to_float

    images, answer = to_float(torch.from_numpy(np.array(pictures))), torch.from_numpy(model.logits(pictures))
    count, channels, height, width = images.shape
    hidden = torch.ones(count, 1, height, width, requires_grad=True)
    optimiser = torch.optim.Adam([hidden], lr=0.1, betas=(0.1, 0.1))
    for _ in range(steps):
        mask = (torch.tanh(hidden) + 1) / 2
        colour = torch.rand(count, channels, 1, 1, generator=generator)
        inputs = images * mask + (1 - mask) * colour
        # The sum, not the mean: an image's mask must not depend on the size of its batch.
        gradient = gradient_of(model, inputs, lambda logits: (logits - answer).abs().mean(1).sum())
        down = (mask[:, :, 1:] - mask[:, :, :-1]).square().sum((1, 2, 3))
        across = (mask[..., 1:] - mask[..., :-1]).square().sum((1, 2, 3))
        size = (gamma * mask.sum((1, 2, 3)) + beta * (down + across) / (height * width)).sum()
        (hidden.grad,) = torch.autograd.grad([inputs, size], [hidden], [gradient, torch.ones(())])
        optimiser.step()
    with torch.no_grad():
        found: FloatArray = ((torch.tanh(hidden) + 1) / 2)[:, 0].numpy()
    return found


def _evenly(evidence: Evidence, limit: int) -> IntArray:
    """Choose positions, ascending: one class after the other gives one sample until there are enough."""
    rng = np.random.default_rng(evidence.seed)
    shuffled = [rng.permutation(members) for _, members in by_class(evidence)]
    turn = np.concatenate([np.arange(len(part)) for part in shuffled] or [np.zeros(0, np.int64)])
    positions = np.concatenate([*shuffled, np.zeros(0, np.int64)])
    return np.sort(positions[turn.argsort(kind="stable")[:limit]])
