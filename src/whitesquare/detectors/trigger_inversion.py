"""Trigger inversion: the smallest patch that sends every image to a class; a backdoor needs only a few pixels.

Citation: Wang et al., "Neural Cleanse: identifying and mitigating backdoor attacks in neural networks", IEEE S&P
2019.

Formula: for every class t, mask m and pattern p (both through a sigmoid) minimise ``CE(f((1 - m) x + m p), t) +
weight * |m|_1`` over images x of all classes. Class statistic: how many robust deviations ``log |m|_1`` lies below
the median of the classes that were reached (1.4826 MAD, at least 0.2). Sample score: how much a sample's margin for
its own label drops, per pixel of mask, when the mask's place is filled with what is usual there in the other classes.

Deviations: all classes at once in one batch, in place of one after the other; a fixed weight and number of steps in
place of the schedule; the logarithm, because mask sizes differ by factors, not by pixels.

Cost: ``steps`` x K x ``batch`` images forward and backward: about as much as three epochs on MNIST.

Failure modes: triggers as large as the image, warps; a trigger that the network did not learn; with fewer than four
classes there is no yardstick, and the statistic is missing. A class with a natural mark gives a small mask as well,
so a hint must be found again in the data before it means anything.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.common import finite, gradient_of, images_at_once, model_of
from whitesquare.detectors.types import Evidence, Hint, Suspicion, by_class, unscored
from whitesquare.types import FloatArray, IntArray

_LEAST_CLASSES = 4
_LEAST_SPREAD = 0.2
_ALARMING = 2.0
_BATCH = 4096
_STEP, _FEWEST = 960, 16
_DIGIT = 28 * 28
_USUAL, _FEW_USUAL, _MANY_USUAL = 2**22, 100, 1000
"""Grey levels whose median tells what is usual, and the fewest and the most images that they are of."""


@dataclass(frozen=True)
class Inversion:
    """One reconstructed trigger per class.

    Attributes:
        masks: ``(K, H, W)`` float32 in [0, 1].
        patterns: ``(K, C, H, W)`` float32 in [0, 1].
        sizes: ``(K,)`` sum of each mask.
        reached: ``(K,)`` share of the last images that went to the class.
    """

    masks: FloatArray
    patterns: FloatArray
    sizes: FloatArray
    reached: FloatArray


@dataclass(frozen=True)
class TriggerInversion:
    """The smallest patch that sends every image to a class.

    Attributes:
        steps: optimiser steps.
        batch: images per class and step, at most.
        weight: of the mask's size against the cross-entropy.
        learning_rate: of Adam.
    """

    name: ClassVar[str] = "trigger-inversion"
    rule_id: ClassVar[str] = "TI01"
    family: ClassVar[str] = "response"
    needs: ClassVar[frozenset[str]] = frozenset({"images", "model", "gradients"})

    steps: int = 100
    batch: int = 96
    weight: float = 0.02
    learning_rate: float = 0.1

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the margin that hangs on the reconstructed trigger; hint at classes with a small one."""
        suspicion = unscored(evidence)
        if not len(evidence.images):
            return suspicion
        found = invert(evidence, self)
        suspicion.class_stats[:] = smallness(found)
        for label, members in by_class(evidence):
            suspicion.scores[members] = _dependence(evidence, found, label, members)
        hints = tuple(
            Hint(label, float(strength), np.empty(0, np.int64), mask=found.masks[label])
            for label, strength in enumerate(suspicion.class_stats)
            if np.isfinite(strength) and strength > _ALARMING
        )
        return Suspicion(suspicion.scores, suspicion.class_stats, hints)


def smallness(found: Inversion) -> FloatArray:
    """Return, per class, how many robust deviations its mask is smaller than usual; NaN where there is no yardstick."""
    reached = found.reached > 0.5
    if reached.sum() < _LEAST_CLASSES:
        return np.full(len(reached), np.nan, np.float32)
    logs = np.log(found.sizes + 1)
    middle = np.median(logs[reached])
    spread = max(1.4826 * float(np.median(np.abs(logs[reached] - middle))), _LEAST_SPREAD)
    return np.where(reached, (middle - logs) / spread, np.nan).astype(np.float32)


def invert(evidence: Evidence, settings: TriggerInversion) -> Inversion:
    """Reconstruct one trigger per class, all at the same time, from a neutral start.

    Raises:
        CannotScoreError: without a model that gives gradients.
    """
    import torch

    from whitesquare.learning.tensors import to_float

    model = model_of(evidence)
    kinds, (channels, height, width) = len(evidence.classes), evidence.images.shape[1:]
    mask = torch.full((kinds, 1, height, width), -2.0, requires_grad=True)
    pattern = torch.zeros((kinds, channels, height, width), requires_grad=True)
    optimiser = torch.optim.Adam([mask, pattern], settings.learning_rate, betas=(0.5, 0.9))
    draws = torch.Generator().manual_seed(evidence.seed)
    # With many classes or large images each gets fewer, so that a step stays about as long as with ten of digits.
    part = min(1.0, _DIGIT / (channels * height * width))
    batch = int(np.clip(_STEP * part // kinds, _FEWEST, settings.batch))
    goals = torch.arange(kinds).repeat_interleave(batch)
    hits = torch.zeros(kinds)

    def mistaken(logits: torch.Tensor) -> torch.Tensor:
        hits[:] = (logits.detach().argmax(1) == goals).view(kinds, -1).float().mean(1)
        return torch.nn.functional.cross_entropy(logits, goals, reduction="sum") / batch

    for step in range(settings.steps):
        index = torch.randint(0, len(evidence.images), (batch,), generator=draws)
        m, p = torch.sigmoid(mask), torch.sigmoid(pattern)
        stamped = (
            (1 - m)[:, None] * to_float(torch.from_numpy(evidence.images[index.numpy()]))[None] + (m * p)[:, None]
        ).flatten(0, 1)
        gradient = gradient_of(model, stamped, mistaken, rough=True)
        size = settings.weight * m.sum()
        gradients = torch.autograd.grad([stamped, size], [mask, pattern], [gradient, torch.ones(())])
        mask.grad, pattern.grad = gradients
        optimiser.step()
        evidence.on_progress("inverting triggers", step + 1, settings.steps)
    masks = torch.sigmoid(mask).detach()[:, 0].numpy()
    return Inversion(masks, torch.sigmoid(pattern).detach().numpy(), masks.sum((1, 2)), hits.numpy())


def _dependence(evidence: Evidence, found: Inversion, label: int, members: IntArray) -> FloatArray:
    """Return the drop of the margin, per pixel of mask, once the mask's place is filled with the usual."""
    model, mask = model_of(evidence), found.masks[label]
    others = np.flatnonzero(evidence.labels != label)
    wanted = int(np.clip(_USUAL // np.prod(evidence.images.shape[1:]), _FEW_USUAL, _MANY_USUAL))
    some = evidence.images[others[:: max(1, len(others) // wanted)]]
    usual = np.median(some, 0) if len(some) else np.zeros(some.shape[1:], np.float64)
    drops = []
    few = images_at_once(evidence.images.shape, _BATCH)
    for start in range(0, len(members), few):
        part = members[start : start + few]
        images = evidence.images[part]
        filled = np.rint(images * (1 - mask) + usual * mask).astype(np.uint8)
        before = model.logits(images) if evidence.logits is None else evidence.logits[part]
        drops.append(_margin(before, label) - _margin(model.logits(filled), label))
    return finite(np.concatenate(drops) / (1 + found.sizes[label]))


def _margin(logits: FloatArray, label: int) -> FloatArray:
    rivals = np.delete(logits, label, axis=1)
    margin: FloatArray = logits[:, label] - (rivals.max(1) if rivals.shape[1] else 0)
    return margin
