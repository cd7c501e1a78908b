"""The heavy part of the second step: a model is asked about every sample, and every detector about what it looks at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.data.kept import read_kept, write_kept
from whitesquare.detectors.common import one_thread
from whitesquare.detectors.mergeable import Mergeable
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.detectors.types import Suspicion
from whitesquare.executor.engine import Engine
from whitesquare.learning.asking import Asking
from whitesquare.scanning.answers import both_of
from whitesquare.scanning.gather import OWN, Gathered
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.given_rows import GivenRows
from whitesquare.scanning.sharded.probable import check_labels
from whitesquare.scanning.sharded.reading import named
from whitesquare.scanning.sharded.reduce import (
    Looking,
    answers_of,
    carriers_in_groups,
    counted_by,
    grouped_by,
    planned,
    summarised_by,
)
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.scoring import (
    AskedModel,
    ToAsk,
    ToCount,
    ToScore,
    ask_shard,
    count_band,
    model_key,
    score_group,
    weights_key,
)
from whitesquare.scanning.types import DetectorRun
from whitesquare.types import IntArray

if TYPE_CHECKING:
    from whitesquare.learning.given import Given

_PROBED = 16


@dataclass(frozen=True)
class Known:
    """All that shards and groups gave.

    Attributes:
        gathered: what was gathered of the group that a model was trained on or asked about first.
        plan: which detector looked at what.
        suspicions: by name of the detector, of all samples.
        runs: what became of each detector, in the order of the report.
        answers: the class that a model calls each sample ``(N,)``; ``None`` without a model.
        hinted: by name of a detector of groups, and class, who seems to carry something in any of them.
        kept: file that names those of the answers of the model; ``None`` without one.
    """

    gathered: Gathered
    plan: Looking
    suspicions: dict[str, Suspicion]
    runs: tuple[DetectorRun, ...]
    answers: IntArray | None
    hinted: dict[str, dict[int, IntArray]]
    kept: Path | None = None


@dataclass(frozen=True)
class _ShardAnswers:
    """Files of the answers of a model, and the file that names them."""

    path: Path
    files: tuple[Path, ...]


def ask_all(
    samples: StoredSamples,
    gathered: Gathered,
    settings: ScanSettings,
    folder: Path,
    engine: Engine,
    model: "Given | None",
    recorded: Path | None,
    stored: GivenRows,
) -> Known:
    """Ask the model about every sample, and then all detectors.

    Args:
        samples: all of them.
        gathered: what is known of the first group, and the model.
        settings: of the scan.
        folder: likewise.
        engine: where.
        model: the one that was given; ``None`` where the scan trained its own.
        recorded: file that names those of recorded losses; ``None`` without any.
        stored: given features and probabilities.

    Raises:
        DataError: a step failed.
    """
    several = {"recorded": recorded is not None, "stored": bool(stored.probabilities)}
    plan = planned(gathered.evidence, settings.detectors, gathered.why, samples, **several)
    asked = _model(gathered, folder, samples, model, settings.device) if gathered.models else None
    answers = _answers(samples, asked, folder, engine) if asked is not None else None
    kept = answers.path if answers is not None else _given(samples, stored, folder)
    apart, hinted = _in_groups(samples, plan, gathered, settings, folder, engine, asked, kept, recorded)
    found = _whole(samples, plan, folder, engine) | apart
    found |= {name: (check_labels(samples, stored.probabilities, folder, engine), _ran(name)) for name in plan.stored}
    runs = tuple(found[name][1] if name in found else _not_run(name, reason) for name, reason in plan.reasons.items())
    suspicions = {name: found[name][0] for name in plan.reasons if name in found}
    return Known(
        gathered,
        plan,
        {name: one for name, one in suspicions.items() if one is not None},
        runs,
        None if answers is None else answers_of(samples, answers.files),
        hinted,
        None if answers is None else answers.path,
    )


Found = dict[str, tuple[Suspicion | None, DetectorRun]]


def _model(gathered: Gathered, folder: Path, samples: StoredSamples, model: "Given | None", device: str) -> AskedModel:
    """Say how a worker comes by the model: the weights of ours are kept, one that is named is read by each."""
    first = gathered.models[0]
    if gathered.mode == OWN:
        from whitesquare.learning.classifier import OwnClassifier
        from whitesquare.learning.device import resolve
        from whitesquare.learning.models import Model, save_model
        from whitesquare.records import WEIGHTS

        if isinstance(first, OwnClassifier) and first.card is not None:
            place = folder / "models" / samples.digest[:32]
            save_model(Model(first.network, first.card), place)
            return AskedModel(weights_key(place / WEIGHTS), folder=place, device=resolve(device))
    # What a model answers tells it from others, whatever it is made of and wherever its weights lie.
    probed = both_of(first, samples.images(np.arange(min(_PROBED, len(samples.labels)))))
    asking = model if isinstance(model, Asking) else Asking(model) if model is not None else None
    key = model_key(gathered.weights, *(part.tobytes().hex() for part in probed))
    if asking is not None and isinstance(asking.model, str | Path) and not callable(asking.preprocess):
        return AskedModel(key, given=asking, device=device)
    return AskedModel(key, held=first)


def _answers(samples: StoredSamples, asked: AskedModel, folder: Path, engine: Engine) -> _ShardAnswers:
    items = [ToAsk(number, samples.path, folder, asked) for number in range(len(samples.files))]
    done = engine.map("asking the model", ask_shard, items, here=asked.held is not None, light=False)
    files = tuple(one.path for one in done)
    return _ShardAnswers(_naming(files, samples, asked.key, folder), files)


def _given(samples: StoredSamples, stored: GivenRows, folder: Path) -> Path | None:
    """Return the file that names those of given features, which stand where a model's would."""
    names = [path.name for path in stored.features]
    return _naming(stored.features, samples, model_key(*names), folder) if names else None


def _naming(files: tuple[Path, ...], samples: StoredSamples, key: str, folder: Path) -> Path:
    path = named(folder, "asked", samples.digest, key)
    write_kept(path, {}, {"files": [one.name for one in files]})
    return path


def _whole(samples: StoredSamples, plan: Looking, folder: Path, engine: Engine) -> Found:
    """Ask the detectors that look at all samples at once."""
    items = [
        ToCount(band, samples.path, folder, name)
        for name in plan.counted
        if isinstance(one := KNOWN_DETECTORS[name], Mergeable)
        for band in one.bands(samples.shape, len(samples.classes))
    ]
    done = engine.map("counting pixels", count_band, items)
    found: Found = {}
    for name in plan.counted:
        bands = [one.path for item, one in zip(items, done, strict=True) if item.detector == name]
        found[name] = counted_by(name, samples, bands), _ran(name)
    with one_thread():  # sums of many numbers are others on several
        for name in plan.summarised:
            found[name] = summarised_by(name, samples), _ran(name)
    return found


def _in_groups(
    samples: StoredSamples,
    plan: Looking,
    gathered: Gathered,
    settings: ScanSettings,
    folder: Path,
    engine: Engine,
    asked: AskedModel | None,
    kept: Path | None,
    recorded: Path | None,
) -> tuple[Found, dict[str, dict[int, IntArray]]]:
    """Ask the detectors that look at groups, at each of them or at the first alone; and say whom they hint at."""
    losses = None
    if recorded is None and gathered.evidence.losses is not None:
        losses = named(folder, "losses", samples.digest, asked.key if asked else "")
        write_kept(losses, {"losses": gathered.evidence.losses}, {})
    alone = [
        ToScore(0, samples.path, folder, (name,), settings.seed, kept, asked, losses, recorded) for name in plan.alone
    ]
    groups = range(samples.groups) if plan.grouped else ()
    grouped = [
        ToScore(number, samples.path, folder, plan.grouped, settings.seed, kept, recorded=recorded) for number in groups
    ]
    here = asked is not None and asked.held is not None
    done = engine.map("asking about a group", score_group, alone, light=asked is None, here=here) if alone else []
    said = [read_kept(one.path) for one in done]
    found = {name: grouped_by(name, samples, [(0, one)]) for name, one in zip(plan.alone, said, strict=True)}
    # What a model says of them is kept: workers that score groups do without one, and hold 0.3 GB less.
    every = [read_kept(one.path) for one in engine.map("running detectors", score_group, grouped)]
    found |= {name: grouped_by(name, samples, list(enumerate(every))) for name in plan.grouped}
    return found, {name: carriers_in_groups(name, every) for name in plan.grouped}


def _ran(name: str) -> DetectorRun:
    one = KNOWN_DETECTORS[name]
    return DetectorRun(name, one.rule_id, one.family, 0.0)


def _not_run(name: str, reason: str) -> DetectorRun:
    one = KNOWN_DETECTORS[name]
    return DetectorRun(name, one.rule_id, one.family, 0.0, reason)
