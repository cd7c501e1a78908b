"""Gathering evidence: from a data set and a classifier, given or trained, to all that is known of the samples."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.data import dataset_digest, held, notes
from whitesquare.data.cache_size import usual_size
from whitesquare.data.holding import pixels_of
from whitesquare.detectors.types import Evidence
from whitesquare.errors import NothingToDoError, UsageError, WhitesquareError
from whitesquare.records import Estimate, OnNote, Progress, silent, unheard
from whitesquare.scanning.answers import read_answers
from whitesquare.scanning.brought import WHY, brought
from whitesquare.scanning.closeup import Closer
from whitesquare.scanning.learned import HeldOut, accuracy, by_heart, held_out, nothing_learned
from whitesquare.scanning.losses import RecordedTraining, read_losses
from whitesquare.scanning.reference import Reference, fitted
from whitesquare.scanning.running import as_step, one_torch_thread
from whitesquare.scanning.settings import ScanSettings
from whitesquare.types import Classifier, FloatArray, ImageDataset

if TYPE_CHECKING:
    from whitesquare.learning.given import Given

MODEL_FREE, GIVEN, OWN = "model-free", "given model", "scan model"
"""Modes of a scan."""
_SCAN_SEED = 700_001
"""The scan's models have seeds of their own, so that no victim of a benchmark is ever its scan model."""
_OTHERS = 500
"""Added to them for the model that is asked about samples which it has not seen."""
_CLOSER = 600
"""Added to them for the models that look closer."""
_LARGE = 2000
"""Grey levels of an image from which on a training is faster on several threads than on one."""


@dataclass(frozen=True)
class Gathered:
    """Samples, and what models say of them: all that a scan is judged by.

    Attributes:
        evidence: with all that the first model gives; without anything of one that has learned nothing.
        mode: one of :data:`MODEL_FREE`, :data:`GIVEN` and :data:`OWN`.
        ids: of the samples ``(N,)``.
        digest: of the data set.
        reference: trusted samples that fit the data; ``None`` without any.
        warnings: what is to be known of the data and the model.
        models: the first finds, the others must agree; none where none may be asked.
        why: why there is none.
        weights: SHA-256 of the weights that were read; empty if none were.
        learned: accuracy of the first model on the samples; ``None`` without a model.
        beyond: what another model of its kind makes of samples it has not seen; ``None`` where there is none.
        undecided: why nothing follows from that model; empty if it has learned something.
        trained: what the scan trained, in words; empty where it trained none.
        recorded: the training whose losses were given; ``None`` where none were.
        closer: who looks at what the models see averaged down; ``None`` where they see everything.
    """

    evidence: Evidence
    mode: str
    ids: Sequence[str] = ()
    digest: str = ""
    reference: Reference | None = None
    warnings: tuple[str, ...] = ()
    models: Sequence[Classifier] = ()
    why: str = ""
    weights: str = ""
    learned: Estimate | None = None
    beyond: HeldOut | None = None
    undecided: str = ""
    trained: str = ""
    recorded: RecordedTraining | None = None
    closer: Closer | None = None


class ScanClock:
    """Wall-clock seconds per step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Write down the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def gather(
    dataset: ImageDataset,
    settings: ScanSettings,
    folder: Path,
    *,
    model: "Given | None" = None,
    reference: ImageDataset | None = None,
    losses: Path | None = None,
    features: FloatArray | None = None,
    pred_probs: FloatArray | None = None,
    clock: ScanClock,
    on_progress: Progress = silent,
    on_note: OnNote = unheard,
) -> Gathered:
    """Gather what there is to know of a training set.

    Args:
        dataset: what to scan.
        settings: how.
        folder: where features are kept; the evidence reads them from there.
        model: a model trained on it; ``None`` trains the scan's own.
        reference: samples said to be clean.
        losses: what a training on it recorded; it takes the place of the losses of the scan's own.
        features: what a model that is not given makes of the samples; see :mod:`whitesquare.scanning.brought`.
        pred_probs: likewise.
        clock: told when a step is done.
        on_progress: told how far each step is.
        on_note: told at once how well a given model reads some of the samples.

    Raises:
        NothingToDoError: no images, or images of one class only.
        UsageError: a model or reference that does not fit, or no recorded losses.
        DataError: it is damaged, or the losses are those of other data.
        TrainingError: the training diverged.
    """
    dataset = _comparable(dataset, on_progress, on_note)
    images, labels = pixels_of(dataset), dataset.labels
    alone = np.zeros(len(labels), np.bool_)
    evidence = Evidence(images, labels, dataset.classes, alone, settings.seed, on_progress=on_progress)
    trusted = fitted(dataset, images, reference) if reference is not None else None
    digest = dataset_digest(dataset, on_progress)
    given = read_losses(losses, dataset, digest, folder) if losses is not None else None
    clock.lap("reading")
    if features is not None or pred_probs is not None:
        found = _ask_arrays(evidence, model, features, pred_probs)
    elif settings.model_free:
        found = _nobody(evidence, "the scan was asked to be model-free")
    elif model is not None:
        found = _ask_given(evidence, model, settings, folder, on_note)
    else:
        found = _ask_own(evidence, settings, folder)
    if given is not None:
        evidence = replace(found.evidence, losses=given.values)
        found = replace(found, evidence=evidence, recorded=given.training, warnings=(*found.warnings, *given.warnings))
    warnings = (*found.warnings, *notes(dataset))
    clock.lap("model")
    return replace(found, ids=dataset.ids, digest=digest, reference=trusted, warnings=warnings)


def gather_beside(evidence: Evidence, alone: Gathered, settings: ScanSettings, folder: Path) -> Gathered:
    """Ask, about the same samples beside trusted ones, a model of the same kind: the given one, or a new one.

    Raises:
        TrainingError: the training diverged.
    """
    if not alone.models:
        return _nobody(evidence, alone.why)
    if alone.mode == GIVEN:
        return _answered(evidence, alone.models, GIVEN, folder)
    return _ask_own(evidence, settings, folder, witness=False)


def _comparable(dataset: ImageDataset, on_progress: Progress, on_note: OnNote) -> ImageDataset:
    """Decode every image once, if there are classes to compare."""
    present = np.unique(dataset.labels)
    if len(present) < 2:
        raise NothingToDoError(
            f"There is nothing to compare: the data set has images of {len(present)} class"
            f"{'es' * (len(present) != 1)}, and a scan compares classes; expected two or more."
        )
    return held(dataset, on_progress, cache=usual_size(), on_note=on_note)


def _nobody(evidence: Evidence, why: str) -> Gathered:
    return Gathered(evidence, MODEL_FREE, why=why)


def _ask_arrays(
    evidence: Evidence, model: "Given | None", features: FloatArray | None, pred_probs: FloatArray | None
) -> Gathered:
    """Take what was computed elsewhere; nothing can be confirmed by it, for it answers to no new image."""
    if model is not None:
        raise UsageError("Give the model, which is asked for its own, or features and pred_probs; not both.")
    found = Gathered(brought(evidence, features, pred_probs), MODEL_FREE, why=WHY)
    if found.evidence.logits is None:
        return found
    learned = accuracy(found.evidence.logits, evidence.labels)
    undecided = nothing_learned(learned, len(np.unique(evidence.labels)), given=True)
    return _silenced(found, undecided) if undecided else found


def _ask_given(evidence: Evidence, model: "Given", settings: ScanSettings, folder: Path, on_note: OnNote) -> Gathered:
    from whitesquare.learning.given import given_classifier
    from whitesquare.learning.look import first_look

    told: list[str] = []
    asked, weights = given_classifier(model, evidence.images, evidence.classes, settings.device, on_note=told.append)
    look = first_look(asked, evidence.images, evidence.labels, evidence.on_progress)
    on_note(look.line)
    found = _answered(evidence, [asked], GIVEN, folder)
    found = replace(found, weights=weights, warnings=(*told, *look.hints))
    return _looked_beyond(found, asked, evidence)


def _ask_own(evidence: Evidence, settings: ScanSettings, folder: Path, *, witness: bool = True) -> Gathered:
    import torch

    from whitesquare.learning.choice import recipe_for, told
    from whitesquare.learning.device import resolve
    from whitesquare.learning.probe import probe
    from whitesquare.learning.shrunk import averaged
    from whitesquare.scanning.model import train_scan_models

    device, seed = resolve(settings.device), _SCAN_SEED + 1000 * settings.seed
    with one_torch_thread():
        probed = probe(evidence.images, evidence.labels, seed)
    recipe = settings.recipe or recipe_for(evidence.images.shape[1:], probed)
    try:
        trained = train_scan_models(
            evidence.images,
            evidence.labels,
            evidence.classes,
            seed=seed,
            recipe=recipe,
            on_progress=evidence.on_progress,
            witness=witness,
            device=device,
        )
    except UsageError as error:
        return _nobody(evidence, f"no model could be trained: {error}")
    models = (trained.first, *trained.witnesses)
    found = _answered(replace(evidence, losses=trained.losses), models, OWN, folder)
    factor = averaged(evidence.images.shape, recipe)
    closer = Closer(factor, seed + _CLOSER, device, torch.get_num_threads()) if factor > 1 else None
    found = replace(found, trained=told(recipe.for_size(len(evidence.labels))), closer=closer)
    if evidence.trusted.any():
        return found
    beside = replace(trained.first, on_progress=as_step(evidence.on_progress, "training a model on a part"))
    return _compared(_looked_beyond(found, beside, evidence), probed.accuracy if probed else None)


def _compared(found: Gathered, linear: Estimate | None) -> Gathered:
    """Warn where the model reads less in the images than a straight line through their thumbnails does."""
    if linear is None or found.beyond is None or found.beyond.accuracy.high >= linear.low:
        return found
    network = found.beyond.accuracy
    said = (
        f"The model reads less in the images than a linear classifier of their thumbnails: {100 * network.value:.1f} % "
        f"[{100 * network.low:.1f}, {100 * network.high:.1f}] against {100 * linear.value:.1f} % "
        f"[{100 * linear.low:.1f}, {100 * linear.high:.1f}] of samples that they had not seen; what it was asked about "
        "triggers means little, so give a model that has learned these data (--model)."
    )
    return replace(found, warnings=(*found.warnings, said))


def _answered(evidence: Evidence, models: Sequence[Classifier], mode: str, folder: Path) -> Gathered:
    """Ask a model about every sample; of one that has learned nothing, nothing else is kept."""
    features, logits = read_answers(models[0], evidence, folder)
    learned = accuracy(logits, evidence.labels)
    undecided = nothing_learned(learned, len(np.unique(evidence.labels)), given=mode == GIVEN)
    found = Gathered(evidence, mode, models=models, learned=learned)
    if undecided:
        return _silenced(found, undecided)
    return replace(found, evidence=replace(evidence, model=models[0], features=features, logits=logits))


def _looked_beyond(found: Gathered, model: Classifier, evidence: Evidence) -> Gathered:
    """Add what a model of the same kind makes of samples that it has not seen."""
    if found.undecided:
        return found
    try:
        with one_torch_thread() if np.prod(evidence.images.shape[1:]) < _LARGE else nullcontext():
            beyond = held_out(model, evidence, _SCAN_SEED + 1000 * evidence.seed + _OTHERS)
    except WhitesquareError as error:
        said = f"Whether the model only knows its samples by heart was not tested: {error}"
        return replace(found, warnings=(*found.warnings, said))
    found = replace(found, beyond=beyond)
    undecided, warning = by_heart(beyond, len(evidence.labels)) if beyond else ("", "")
    if undecided:
        return _silenced(found, undecided)
    return replace(found, warnings=(*found.warnings, warning)) if warning else found


def _silenced(found: Gathered, undecided: str) -> Gathered:
    silent = replace(found.evidence, model=None, features=None, logits=None, pred_probs=None, losses=None)
    return replace(found, evidence=silent, models=(), why="the model has learned nothing", undecided=undecided)
