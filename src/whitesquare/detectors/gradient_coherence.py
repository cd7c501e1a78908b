"""Gradient coherence: samples that pull the last layer in one common direction.

Citation: Hammoudeh and Lowd, "Identifying a training-set attack's target using renormalized influence estimation"
(GAS), CCS 2022 (arXiv:2201.10055): influence by the cosine of gradients instead of their product; Yang et al., EPIC,
ICML 2022, for the last layer in place of all.

Formula: the gradient of a sample's cross-entropy in the last layer is ``(p - y) (x) h``. The score is the mean cosine
between it and the gradients of the ``neighbours`` most similar among ``pool`` samples of its class; cosines of outer
products are products of cosines, so no gradient is ever written out. Class statistic: the mean score.

Deviations: the final model in place of checkpoints, and coherence among the samples in place of influence on a
target, which a scan does not have.

Cost: n x ``pool`` products of D + K numbers per class.

Failure modes: once a model is sure of its training data, errors are tiny and their directions say little; classes of
one look are coherent by nature, which the comparison within the class takes out only in part.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from whitesquare.detectors.common import class_means, features_of, finite
from whitesquare.detectors.types import CannotScoreError, Evidence, Suspicion, by_class, unscored
from whitesquare.types import FloatArray

_CHUNK = 2048


@dataclass(frozen=True)
class GradientCoherence:
    """Samples that pull the last layer in one common direction."""

    name: ClassVar[str] = "gradient-coherence"
    rule_id: ClassVar[str] = "GC01"
    family: ClassVar[str] = "dynamics"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    neighbours: int = 20
    pool: int = 1000

    def score(self, evidence: Evidence) -> Suspicion:
        """Score by the mean cosine with the most similar gradients of the class.

        Raises:
            CannotScoreError: without features and logits.
        """
        features = features_of(evidence)
        if evidence.logits is None:
            raise CannotScoreError("There are no logits: this detector needs a model, or pred_probs beside features.")
        rng = np.random.default_rng(evidence.seed)
        found = unscored(evidence)
        for label, members in by_class(evidence):
            if len(members) < 3:
                continue
            errors = softmax(evidence.logits[members].astype(np.float64), axis=1).astype(np.float32)
            errors[:, label] -= 1
            errors, inputs = _unit(errors), _unit(np.asarray(features[members]))
            pool = rng.permutation(len(members))[: self.pool]
            count = min(self.neighbours + 1, len(pool))
            for start in range(0, len(members), _CHUNK):
                part = slice(start, start + _CHUNK)
                cosines = (errors[part] @ errors[pool].T) * (inputs[part] @ inputs[pool].T)
                nearest = np.partition(cosines, len(pool) - count, axis=1)[:, len(pool) - count :]
                found.scores[members[part]] = finite(nearest.mean(1))
        return Suspicion(found.scores, class_means(evidence, found.scores))


def _unit(rows: FloatArray) -> FloatArray:
    unit: FloatArray = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + np.float32(1e-12))
    return unit
