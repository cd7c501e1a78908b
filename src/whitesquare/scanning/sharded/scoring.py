"""What is asked of shards and groups: a model about every sample, detectors about groups, counts of all."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.hashing import digest_of
from whitesquare._base.machine import code_beside
from whitesquare.data.kept import kept_whole, read_kept, write_kept
from whitesquare.detectors.common import one_thread
from whitesquare.detectors.mergeable import Band, Counts, Mergeable
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.executor.types import Shared
from whitesquare.scanning.answers import both_of
from whitesquare.scanning.running import one_thread_each, run_one
from whitesquare.scanning.sharded.reading import Done, named
from whitesquare.scanning.sharded.recorded import losses_at
from whitesquare.scanning.sharded.samples import StoredSamples, open_samples
from whitesquare.scanning.types import DetectorRun
from whitesquare.types import Classifier, FloatArray, IntArray

if TYPE_CHECKING:
    from whitesquare.learning.asking import Asking

_ASKED = 1000
_FLOAT16 = 65504.0


@dataclass(frozen=True)
class AskedModel:
    """A model that a worker can get by itself.

    Attributes:
        key: SHA-256 of its weights, or what else tells it from others.
        folder: where one of ours lies.
        given: what the user gave, by name.
        held: one that is held in memory, which only this process can ask.
        device: where it computes.
    """

    key: str
    folder: Path | None = None
    given: "Asking | None" = None
    held: Classifier | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class ToAsk:
    """A file of pixels about whose samples a model is asked."""

    number: int
    samples: Path
    folder: Path
    model: AskedModel


@dataclass(frozen=True)
class ToScore:
    """A group of samples that detectors score.

    Attributes:
        number: which group.
        samples: file of all samples.
        folder: of the scan.
        detectors: their names.
        seed: of everything random in them.
        answers: file that names those of the answers of a model, or of given features, one for each of pixels; ``None``
            without any.
        model: what they may ask; ``None`` where they ask nobody.
        losses: file of the losses of this group; ``None`` without any.
        recorded: file that names those of the losses of a training on all samples; ``None`` without any.
    """

    number: int
    samples: Path
    folder: Path
    detectors: tuple[str, ...]
    seed: int
    answers: Path | None = None
    model: AskedModel | None = None
    losses: Path | None = None
    recorded: Path | None = None


@dataclass(frozen=True)
class ToCount:
    """A band of all images that a detector counts in and scores by."""

    band: Band
    samples: Path
    folder: Path
    detector: str


@lru_cache(maxsize=2)
def opened_samples(path: Path) -> StoredSamples:
    """Open what :func:`~.samples.keep_samples` wrote, once for all tasks of a worker."""
    return open_samples(path)


_read: dict[str, Classifier] = {}
"""The model that this worker asks, by what tells it from others: it is read once."""


def _asked(model: AskedModel, samples: Path) -> Classifier:
    if model.key not in _read:
        _read.clear()
        _read[model.key] = _built(model, samples)
    return _read[model.key]


def _built(model: AskedModel, samples: Path) -> Classifier:
    if model.held is not None:
        return model.held
    if model.folder is not None:
        from whitesquare.learning.classifier import own_classifier
        from whitesquare.learning.models import load_model

        return own_classifier(load_model(model.folder).on(model.device))
    from whitesquare.learning.given import given_classifier

    assert model.given is not None  # noqa: S101 - narrows the type: a model is one of three
    all_of_them = opened_samples(samples)
    found, _ = given_classifier(model.given, all_of_them.images(slice(0, 2)), all_of_them.classes, model.device)
    return found


def ask_shard(task: ToAsk, shared: Shared) -> Done:
    """Ask a model about the samples of a file of pixels, and keep features in half precision, and logits.

    Raises:
        DataError: an answer is not a finite number, or cannot be written.
    """
    samples = opened_samples(task.samples)
    pixels = samples.files[task.number]
    path = named(task.folder, "answers", pixels.name, task.model.key, *samples.classes)
    if kept_whole(path) is not None:
        return Done(path, made=False)
    model, images = _asked(task.model, task.samples), read_kept(pixels).array("pixels")
    one_thread_each()
    found = [both_of(model, images[start : start + _ASKED]) for start in range(0, max(1, len(images)), _ASKED)]
    features, logits = (np.concatenate(part) for part in zip(*found, strict=True))
    write_kept(path, {"features": halved(features), "logits": logits.astype(np.float32)}, {})
    return Done(path, made=True)


def halved(features: FloatArray) -> NDArray[np.float16]:
    """Return features as they are kept: in half precision."""
    return np.clip(features, -_FLOAT16, _FLOAT16).astype(np.float16)


def score_group(task: ToScore, shared: Shared) -> Done:
    """Run detectors on a group of samples, and keep what each says; a crash is the detector's own."""
    samples = opened_samples(task.samples)
    parts = [samples.digest, str(task.number), str(task.seed), *task.detectors]
    parts += [task.answers.name if task.answers else "", task.model.key if task.model else ""]
    parts += [one.name if one else "" for one in (task.losses, task.recorded)]
    parts += [code_beside(*(type(KNOWN_DETECTORS[name]) for name in task.detectors))]
    path = named(task.folder, "scores", *parts)
    # A detector that crashed may have had no memory, and have it now.
    if (kept := kept_whole(path)) is not None and not any(said["crashed"] for said in kept.said["runs"].values()):
        return Done(path, made=False)
    evidence, positions = _group(task, samples), samples.of_group(task.number)
    arrays: dict[str, NDArray[Any]] = {}
    runs: dict[str, Any] = {}
    with one_thread():
        for name in task.detectors:
            one_thread_each()
            suspicion, run = run_one(evidence, name)
            runs[name] = {"seconds": run.seconds, "reason": run.reason, "crashed": run.crashed, "hints": []}
            if suspicion is not None:
                arrays |= {f"{name}/scores": suspicion.scores, f"{name}/stats": suspicion.class_stats}
                runs[name]["hints"] = [_hint(arrays, f"{name}/{i}", suspicion, i, positions) for i in _hints(suspicion)]
    write_kept(path, arrays, {"runs": runs})
    return Done(path, made=True)


def _hints(suspicion: Suspicion) -> range:
    return range(len(suspicion.hints))


def _hint(arrays: dict[str, NDArray[Any]], name: str, suspicion: Suspicion, i: int, positions: Any) -> dict[str, Any]:
    """Keep the arrays of a hint, its carriers by their positions in the data set, and return the rest."""
    hint = suspicion.hints[i]
    arrays[f"{name}/carriers"] = positions[hint.carriers]
    if hint.mask is not None:
        arrays[f"{name}/mask"] = hint.mask
    if hint.places is not None:
        arrays[f"{name}/places"] = hint.places
    return {"label": int(hint.label), "strength": float(hint.strength)}


def run_of(name: str, said: dict[str, Any]) -> DetectorRun:
    """Return what became of a detector in a group."""
    one = KNOWN_DETECTORS[name]
    return DetectorRun(name, one.rule_id, one.family, said["seconds"], said["reason"], said["crashed"])


def _group(task: ToScore, samples: StoredSamples) -> Evidence:
    positions = samples.of_group(task.number)
    features, logits = (None, None) if task.answers is None else answers_at(task.answers, samples, positions)
    losses = None if task.losses is None else read_kept(task.losses).array("losses")
    return Evidence(
        images=samples.images(positions),
        labels=samples.labels[positions],
        classes=samples.classes,
        trusted=np.zeros(len(positions), np.bool_),
        seed=task.seed,
        model=_asked(task.model, task.samples) if task.model is not None else None,
        features=features,
        logits=logits,
        losses=losses if task.recorded is None else losses_at(task.recorded, samples, positions),
    )


def answers_at(path: Path, samples: StoredSamples, positions: IntArray) -> tuple[FloatArray, FloatArray | None]:
    """Return the kept features ``(n, D)`` and logits ``(n, K)`` of some samples, float32; given ones have no logits."""
    files = tuple(path.parent.parent / "answers" / name for name in read_kept(path).said["files"])
    layout = read_kept(files[0]).layout
    features, logits = (
        samples.read(name, files, positions, layout[name][1][1:]).astype(np.float32) if name in layout else None
        for name in ("features", "logits")
    )
    assert features is not None  # noqa: S101 - narrows the type: they are always kept
    return features, logits


def count_band(task: ToCount, shared: Shared) -> Done:
    """Count in a band of all images, and score all of them by it."""
    samples, detector = opened_samples(task.samples), KNOWN_DETECTORS[task.detector]
    path = named(
        task.folder,
        "bands",
        samples.digest,
        task.detector,
        repr(detector),
        repr(task.band),
        code_beside(type(detector)),
    )
    if kept_whole(path) is not None:
        return Done(path, made=False)
    assert isinstance(detector, Mergeable)  # noqa: S101 - narrows the type: only such are named
    sizes = np.bincount(samples.labels, minlength=len(samples.classes))
    counts: Counts | None = None
    for part, images in samples.parts():
        counts = detector.accumulate(counts, task.band, images, samples.labels[part], len(sizes))
    scores = np.zeros(len(samples.labels), np.float32)
    if counts is not None:
        known = detector.finish(counts, task.band, sizes)
        del counts
        for part, images in samples.parts():
            scores[part] = detector.apply(known, task.band, images, samples.labels[part])
    write_kept(path, {"scores": scores}, {})
    return Done(path, made=True)


def weights_key(path: Path) -> str:
    """Return the SHA-256 of a file of weights."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_key(*parts: str) -> str:
    """Return what tells a model from others, where its weights are not in a file of ours."""
    return digest_of(["model 1", *parts])
