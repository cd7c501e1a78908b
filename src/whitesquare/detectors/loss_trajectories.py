"""Loss trajectories: a sample whose training goes another way than that of its class.

Citation: Alex et al., "BaDLoss: backdoor detection via loss dynamics", ICLR 2025, which puts a few trusted probes
into the training and calls samples far from every probe's trajectory suspicious; Paul, Ganguli and Dziugaite, NeurIPS
2021 (arXiv:2107.07075) for the early error as a score.

Formula: the logarithm of a sample's cross-entropy at each recorded moment, standardised by median and deviation of
its class (of the class's trusted samples, where there are at least ``neighbours``), and then the mean distance to the
``neighbours`` nearest trajectories among the trusted, or, without any, the distance from the class's median. Class
statistic: the mean score.

Deviations: one training instead of several short ones; moments are the visits of each epoch.

Cost: none beyond the training, whose losses are recorded as it goes.

Failure modes: rejects hard clean samples with the poison; a clean-label trigger that is learned at the pace of its
class.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.neighbors import NearestNeighbors

from whitesquare.detectors.common import class_means, finite
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion, by_class, unscored


@dataclass(frozen=True)
class LossTrajectories:
    """A sample whose training goes another way than that of its class."""

    name: ClassVar[str] = "loss-trajectories"
    rule_id: ClassVar[str] = "LT01"
    family: ClassVar[str] = "dynamics"
    needs: ClassVar[frozenset[str]] = frozenset({"trajectories"})

    neighbours: int = 5

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the distance from the trajectories of trusted samples, or from the class's median one.

        A sample with a loss that is not a number stays unscored.

        Raises:
            CannotScoreError: if no loss was recorded.
        """
        if evidence.losses is None or not len(evidence.losses):
            raise CannotScoreError("There are no loss trajectories: the model was not trained by this scan.")
        found = unscored(evidence)
        for _, members in by_class(evidence):
            members = members[np.isfinite(evidence.losses[:, members]).all(0)]
            if not len(members):
                continue
            paths = np.log(np.maximum(evidence.losses[:, members].T, 1e-8))
            trusted = evidence.trusted[members]
            known = paths[trusted] if trusted.sum() >= self.neighbours else paths
            centre = np.median(known, 0)
            spread = 1.4826 * np.median(np.abs(known - centre), 0) + 0.05
            z = (paths - centre) / spread
            if known is paths:
                found.scores[members] = finite(np.linalg.norm(z, axis=1))
            else:
                # A trusted sample is its own nearest neighbour, so the nearest is left out, for all alike.
                count = min(self.neighbours + 1, len(known))
                search = NearestNeighbors(n_neighbors=count).fit(z[trusted])
                found.scores[members] = finite(search.kneighbors(z)[0][:, 1:].mean(1))
        return Suspicion(found.scores, class_means(evidence, found.scores))
