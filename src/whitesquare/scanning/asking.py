"""The models of a scan: given or trained, what they make of the samples, and whether they have learned anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.errors import UsageError
from whitesquare.learning.recipes import Recipe
from whitesquare.records import Estimate
from whitesquare.scanning.learned import accuracy, nothing_learned

if TYPE_CHECKING:
    from whitesquare.learning.features import ScanModel

MODEL_FREE, GIVEN, OWN = "model-free", "given model", "scan model"
"""Modes of a scan."""
_SCAN_SEED = 700_001
"""The scan's models have seeds of their own, so that no victim of a benchmark is ever its scan model."""


@dataclass(frozen=True)
class Asked:
    """Samples, and what models say of them.

    Attributes:
        evidence: with all that the first model gives; without anything of one that has learned nothing.
        mode: one of :data:`MODEL_FREE`, :data:`GIVEN` and :data:`OWN`.
        models: the first finds, the others must agree; none where none may be asked.
        why: why there is none.
        digest: SHA-256 of the weights that were given; empty if none were.
        learned: accuracy of the first model on the samples; ``None`` without a model.
        undecided: why nothing follows from that model; empty if it has learned something.
    """

    evidence: Evidence
    mode: str
    models: Sequence["ScanModel"] = ()
    why: str = ""
    digest: str = ""
    learned: Estimate | None = None
    undecided: str = ""


def model_free(evidence: Evidence, why: str) -> Asked:
    """Ask nobody."""
    return Asked(evidence, MODEL_FREE, why=why)


def ask_given(evidence: Evidence, path: Path, folder: Path) -> Asked:
    """Ask the model that was given; its features are kept below ``folder``.

    Raises:
        UsageError: it does not fit the samples.
        DataError: it is damaged.
    """
    from whitesquare.scanning.model import load_scan_model

    models = [load_scan_model(path, evidence.images.shape[1:], evidence.classes)]
    return _answered(evidence, models, GIVEN, folder)


def ask_own(evidence: Evidence, recipe: Recipe, seed: int, folder: Path, models: int | None = None) -> Asked:
    """Train models on the samples and ask them; their features are kept below ``folder``.

    Args:
        evidence: the samples.
        recipe: of the training.
        seed: of the scan.
        folder: where features go.
        models: their number; default: as many as a verdict needs.

    Raises:
        TrainingError: the training diverged.
    """
    from whitesquare.scanning.model import SEEDS, train_scan_models

    try:
        trained, losses = train_scan_models(
            evidence.images,
            evidence.labels,
            evidence.classes,
            seed=_SCAN_SEED + 1000 * seed,
            recipe=recipe,
            on_progress=evidence.on_progress,
            models=models or SEEDS,
        )
    except UsageError as error:
        return model_free(evidence, f"no model could be trained: {error}")
    return _answered(replace(evidence, losses=losses), trained, OWN, folder)


def ask_beside(evidence: Evidence, asked: Asked, recipe: Recipe, seed: int, folder: Path) -> Asked:
    """Ask, about the same samples beside trusted ones, a model of the same kind: the given one, or a new one.

    Raises:
        TrainingError: the training diverged.
    """
    if not asked.models:
        return model_free(evidence, asked.why)
    if asked.mode == GIVEN:
        return _answered(evidence, asked.models, GIVEN, folder)
    return ask_own(evidence, recipe, seed, folder, models=1)


def _answered(evidence: Evidence, models: Sequence["ScanModel"], mode: str, folder: Path) -> Asked:
    first = models[0]
    features, logits = first.evaluate(evidence.images, folder, evidence.on_progress)
    learned = accuracy(logits, evidence.labels)
    undecided = nothing_learned(learned, len(np.unique(evidence.labels)), given=mode == GIVEN)
    digest = first.model.digest if mode == GIVEN else ""
    if undecided:
        silent = replace(evidence, losses=None)
        return Asked(silent, mode, (), "the model has learned nothing", digest, learned, undecided)
    found = replace(evidence, model=first, features=features, logits=logits)
    return Asked(found, mode, models, "", digest, learned)
