"""Take away what the carriers share by chance: parts of a reconstructed patch that do not move the model."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import label as connected

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.marks.reconstruct import NEIGHBOURS
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.types import Classifier, FloatArray, UInt8Array

_IMAGES = 100
_SHARE = 0.1
_MOST = 32


def pruned(evidence: Evidence, model: Classifier, trigger: FoundTrigger, label: int) -> FoundTrigger:
    """Return the patch without the connected parts that carry less than a tenth of its effect.

    A perturbation that many poisons share leaves spots beside the trigger. Only whole parts are judged: single pixels
    of a larger square may do little each. The effect is the mean rise of the class's margin on images of other classes.
    """
    parts, count = connected(trigger.mask > 0, NEIGHBOURS)
    if not trigger.kind.placed or not 1 < count <= _MOST:
        return trigger
    others = np.random.default_rng(evidence.seed).permutation(np.flatnonzero(evidence.labels != label))
    images = evidence.images[others[:_IMAGES]]
    base = _margin(model, images, label)
    best = max(trigger.kind.strengths(trigger).values(), key=lambda one: _effect(model, images, one, label))
    whole = _effect(model, images, best, label) - base
    keep = np.zeros_like(trigger.mask)
    for part in range(1, count + 1):
        without = replace(best, mask=trigger.mask * (parts != part))
        loss = whole - (_effect(model, images, without, label) - base)
        if loss >= _SHARE * abs(whole):
            keep += trigger.mask * (parts == part)
    return replace(trigger, mask=keep.astype(np.float32)) if keep.any() else trigger


def _effect(model: Classifier, images: UInt8Array, trigger: FoundTrigger, label: int) -> float:
    return _margin(model, trigger.kind.paste(images, trigger, np.random.default_rng(0)), label)


def _margin(model: Classifier, images: UInt8Array, label: int) -> float:
    logits: FloatArray = model.logits(images)
    return float((logits[:, label] - np.delete(logits, label, axis=1).max(1)).mean())
