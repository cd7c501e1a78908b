"""A few images on which a person sees what a rebuilt trigger does: with it and without, and the model's two answers.

The share that it turns, with its controls, is the evidence (:mod:`whitesquare.scanning.transplant`), not these.
"""

from collections.abc import Sequence

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.closeup import Sight
from whitesquare.scanning.contacts import PastedExamples
from whitesquare.scanning.marks.types import AS_FOUND
from whitesquare.scanning.sheets import name_of
from whitesquare.types import Classifier, FloatArray, IntArray

SHOWN = 8
_STREAM = 17
"""Sets this draw apart from those of the test, which begin with the same two numbers."""


def pasted_examples(evidence: Evidence, ids: Sequence[str], raised: Raised, model: Classifier) -> PastedExamples | None:
    """Paste the trigger of an alarm, as strong as it was tested, on images of other classes, and ask the model.

    Args:
        evidence: what was scanned.
        ids: of its samples.
        raised: the alarm.
        model: the one that was asked in the test, where that was not a closer look.

    Returns:
        ``None`` where no trigger was rebuilt, or there is no image of another class.
    """
    trigger, label = raised.trigger, raised.alarm.label
    chosen = _drawn(evidence, label)
    if trigger is None or not len(chosen):
        return None
    tested = raised.alarm.transplant.strength if raised.alarm.transplant else AS_FOUND
    strengths = trigger.kind.strengths(trigger)
    images = evidence.images[chosen]
    pasted = trigger.kind.paste(images, strengths.get(tested, trigger), np.random.default_rng(evidence.seed))
    asked = raised.sight or Sight(evidence, (model,))
    before, sure_before = answers(asked.logits(images))
    after, sure_after = answers(asked.logits(pasted))
    return PastedExamples(
        label=label,
        ids=tuple(name_of(ids, position) for position in chosen),
        labels=evidence.labels[chosen],
        images=images,
        pasted=pasted,
        before=before,
        before_confidence=sure_before,
        after=after,
        after_confidence=sure_after,
    )


def answers(logits: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return what a model calls each image ``(M,)``, and how sure it is of that: its softmax ``(M,)`` in [0, 1]."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    return exact.argmax(1).astype(np.int64), shares.max(1).astype(np.float32)


def _drawn(evidence: Evidence, label: int) -> IntArray:
    """Draw one image of each other class, classes in an order by chance, and again until there are enough."""
    rng = np.random.default_rng([evidence.seed, label, _STREAM])
    shuffled = rng.permutation(np.flatnonzero(evidence.labels != label))
    labels = evidence.labels[shuffled]
    turn = np.zeros(len(shuffled), np.int64)
    for other in np.unique(labels):
        own = np.flatnonzero(labels == other)[:SHOWN]
        turn[labels == other] = SHOWN
        turn[own] = np.arange(len(own))
    picked: IntArray = shuffled[np.argsort(turn, kind="stable")][:SHOWN]
    return picked
