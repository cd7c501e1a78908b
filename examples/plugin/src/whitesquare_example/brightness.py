"""Brightness: is an image much brighter or darker than others of its class?

Formula: |mean of the pixels - median over the class| / MAD over the class; the class statistic is the largest score.
Cost: one pass over the pixels.
Failure modes: any trigger that is small, and classes that are bright and dark by nature.
An example, not a published method.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.data.pixels import parts_of
from whitesquare.detectors.types import Evidence, Suspicion, by_class, unscored


@dataclass(frozen=True)
class Brightness:
    """Distance of an image's brightness from the median of its class.

    Attributes:
        least: classes with fewer samples are not scored.
    """

    name: ClassVar[str] = "brightness"
    rule_id: ClassVar[str] = "XB01"
    family: ClassVar[str] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    least: int = 5

    def score(self, evidence: Evidence) -> Suspicion:
        """Score every sample of the classes that are large enough; the others stay "not scored"."""
        found = unscored(evidence)
        # A few images at a time: many do not fit into memory.
        parts = [part.reshape(len(part), -1).mean(axis=1) for _, part in parts_of(evidence.images)]
        means = np.concatenate([np.empty(0), *parts])
        for label, members in by_class(evidence):
            if len(members) >= self.least:
                away = np.abs(means[members] - np.median(means[members]))
                scores = away / max(float(np.median(away)), 1e-6)
                found.scores[members] = scores
                found.class_stats[label] = scores.max()
        return found
