"""What natural groups of a class share: the controls of a trigger that lies over the whole image.

Such a trigger is what carriers have on average and the rest of their class has not. So have natural groups: sevens with
a bar differ from those without. One image says less than the mean of many, so controls are means of as many as look
most like one that is drawn, made as strong as the trigger is.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.scanning.trigger import FoundTrigger, some
from whitesquare.types import IntArray

_MOST = 2000
_VALUES = 1 << 27
"""Grey levels that are held at once."""


def group_triggers(
    evidence: Evidence, label: int, carriers: IntArray, trigger: FoundTrigger, count: int, rng: np.random.Generator
) -> Iterator[FoundTrigger]:
    """Give what groups of members that do not carry a trigger differ in from the rest of them.

    Args:
        evidence: the samples.
        label: the class.
        carriers: positions that are left out.
        trigger: the one they are to be compared with: groups are as large as its carriers, and as strong.
        count: how many.
        rng: draws the image that each group is like.
    """
    most = max(2, min(_MOST, _VALUES // evidence.images[0].size))
    pool = some(np.setdiff1d(evidence.members(label), carriers), evidence.seed, most)
    rows = evidence.images[pool].reshape(len(pool), -1).astype(np.float32)
    rows -= rows.mean(0)
    together = max(1, min(len(carriers), len(pool) // 4))
    size = float(np.linalg.norm(trigger.pattern))
    for _ in range(count):
        like = rows @ rows[rng.integers(len(rows))]
        # The rows add up to nothing, so the mean of the rest points the other way.
        shared = rows[np.argpartition(-like, together - 1)[:together]].mean(0)
        strength = size / max(float(np.linalg.norm(shared)), 1.0)
        yield replace(trigger, pattern=(shared * np.float32(strength)).reshape(trigger.pattern.shape))
