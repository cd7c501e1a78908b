"""Loss isolation: backdoor samples are learned first.

Citation: Li et al., "Anti-backdoor learning: training clean models on poisoned data", NeurIPS 2021 (arXiv:2110.11571),
stage one, which isolates the 1 % of all samples with the lowest loss after the first epochs.
Formula: the score is minus the mean cross-entropy of a sample over the first part of the training. Class statistic: the
mean score.
Deviations: the authors keep the loss above 0.5 during those epochs (local gradient ascent) so that only the fastest
samples get below; here the training is the user's own, so the contrast is weaker. The mean over the early moments
instead of their last, as others rank by it.
Cost: none; the losses are recorded anyway.
Failure modes: clean-label poison is as hard as any other, or harder; easy classes fill the lowest 1 %; low rates. A
label error is learned last and looks most innocent here.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whitesquare.detectors.common import class_means, finite
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion
from whitesquare.errors import UsageError


@dataclass(frozen=True)
class LossIsolation:
    """Low loss early in the training.

    Attributes:
        early: share of the recorded moments that counts, from the first on, in (0, 1].
    """

    name: ClassVar[str] = "loss-isolation"
    rule_id: ClassVar[str] = "LI01"
    family: ClassVar[str] = "dynamics"
    needs: ClassVar[frozenset[str]] = frozenset({"trajectories"})

    early: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1]."""
        if not 0 < self.early <= 1:
            raise UsageError(f"The parameter 'early' must be in (0, 1]; got {self.early}.")

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by minus the mean early loss; a sample with a loss that is not a number stays unscored.

        Raises:
            CannotScoreError: if no loss was recorded.
        """
        if evidence.losses is None or not len(evidence.losses):
            raise CannotScoreError("There are no loss trajectories: the model was not trained by this scan.")
        first = evidence.losses[: max(1, round(self.early * len(evidence.losses)))]
        scores = finite(-first.mean(0, dtype=np.float64))
        return Suspicion(scores, class_means(evidence, scores))
