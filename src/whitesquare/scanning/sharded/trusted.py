"""Trusted samples in shards: p-values of every group of samples against the same reference.

One group is all of the data: it is scored beside the reference exactly as in a scan of one piece. Of several, the first
decides whether the reference is a yardstick at all. There a model of the scan's own is trained on both; in the others
the model that was trained on the first is asked about both, so that neither the samples nor the trusted ones were seen
by it, and what is said of one can be compared with what is said of the other. Only detectors that look at every sample
take part where there are several groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.kept import kept_whole, read_kept, write_kept
from whitesquare.detectors.common import one_thread
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.executor.engine import Engine
from whitesquare.executor.types import Shared
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.answers import both_of
from whitesquare.scanning.beside import Comparison, carrying, scored_beside
from whitesquare.scanning.calibration import CONFORMAL, calibrate
from whitesquare.scanning.carried import carried
from whitesquare.scanning.findings import scored
from whitesquare.scanning.fusion import fuse
from whitesquare.scanning.gather import OWN
from whitesquare.scanning.reference import Reference
from whitesquare.scanning.running import run_one
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.asked import Known
from whitesquare.scanning.sharded.reading import Done, named
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.scoring import answers_at, halved, opened_samples
from whitesquare.scanning.sharded.suspects import Inspected
from whitesquare.types import FloatArray

_ASKED = 1000
_OTHERS = (
    " Samples fall into groups, each compared with the same trusted ones: by a model that was trained on those as well "
    "in the first group, and on neither in the others."
)


@dataclass(frozen=True)
class ToCompare:
    """A group of samples that is scored beside the reference.

    Attributes:
        number: which group.
        samples: file of all samples.
        folder: of the scan.
        reference: file of the trusted samples, with what the model makes of them.
        answers: file that names those of the answers of the model; ``None`` without one.
        detectors: names of those that take part.
        alarmed: labels of the classes with an alarm.
        seed: of everything random in them.
    """

    number: int
    samples: Path
    folder: Path
    reference: Path
    answers: Path | None
    detectors: tuple[str, ...]
    alarmed: tuple[int, ...]
    seed: int


def compare_all(
    samples: StoredSamples,
    known: Known,
    found: Inspected,
    inside: Sequence[Raised],
    reference: Reference,
    settings: ScanSettings,
    folder: Path,
    engine: Engine,
) -> Comparison:
    """Compare all samples with trusted ones.

    Args:
        samples: all of them.
        known: what detectors and the model say of them.
        found: the samples among which alarms were raised.
        inside: those alarms.
        reference: the trusted samples.
        settings: of the scan.
        folder: likewise.
        engine: where the groups are compared.

    Raises:
        DataError: a step failed.
    """
    if dirty := carried(found.evidence, inside, reference):
        return carrying(dirty)
    labels = [one.alarm.label for one in inside]
    ranking = _taking_part(known, samples.groups, settings)
    with TemporaryDirectory(prefix="whitesquare-") as place:
        first = scored_beside(
            known.gathered, labels, reference, replace(settings, detectors=(*ranking, *_asking(settings))), Path(place)
        )
    if samples.groups == 1 or first.calibration is None or first.calibration.kind != CONFORMAL:
        return _spread(first, samples)
    kept = _kept_reference(reference, known, folder)
    items = [
        ToCompare(number, samples.path, folder, kept, known.kept, ranking, tuple(labels), settings.seed)
        for number in range(1, samples.groups)
    ]
    done = engine.map("comparing with the reference", compare_group, items)
    spread = _spread(first, samples)
    assert spread.calibration is not None  # noqa: S101 - narrows the type: it was looked at above
    for item, one in zip(items, done, strict=True):
        spread.calibration.p_values[samples.of_group(item.number)] = read_kept(one.path).array("p-values")
    note = spread.calibration.note + (_OTHERS if known.gathered.mode == OWN else "")
    return replace(spread, calibration=replace(spread.calibration, note=note))


def compare_group(task: ToCompare, shared: Shared) -> Done:
    """Keep the p-values of a group of samples."""
    samples = opened_samples(task.samples)
    parts = [samples.digest, str(task.number), str(task.seed), repr(task.alarmed), *task.detectors]
    parts += [task.reference.name, task.answers.name if task.answers else ""]
    path = named(task.folder, "compared", *parts)
    if kept_whole(path) is not None:
        return Done(path, made=False)
    both = _beside(task, samples)
    with one_thread():
        said = {name: run_one(both, name)[0] for name in task.detectors}
    fused, _ = fuse(both, scored({name: one for name, one in said.items() if one is not None}))
    p_values = calibrate(both, fused, np.isin(both.labels, task.alarmed)).p_values
    write_kept(path, {"p-values": p_values[~both.trusted]}, {})
    return Done(path, made=True)


def _beside(task: ToCompare, samples: StoredSamples) -> Evidence:
    positions, kept = samples.of_group(task.number), read_kept(task.reference)
    labels = np.concatenate([samples.labels[positions], kept.array("labels")])
    both = Evidence(
        images=np.concatenate([samples.images(positions), kept.array("images")]),
        labels=labels,
        classes=samples.classes,
        trusted=np.arange(len(labels)) >= len(positions),
        seed=task.seed,
    )
    if task.answers is None:
        return both
    features, logits = answers_at(task.answers, samples, positions)
    return replace(
        both,
        features=np.concatenate([features, kept.array("features").astype(np.float32)]),
        logits=np.concatenate([logits, kept.array("logits")]),
    )


def _kept_reference(reference: Reference, known: Known, folder: Path) -> Path:
    """Keep the trusted samples that are not among the data, with what the model makes of them."""
    images = reference.images[reference.fresh]
    arrays: dict[str, NDArray[Any]] = {"images": images, "labels": reference.labels[reference.fresh]}
    if known.kept is not None:
        model = known.gathered.models[0]
        parts = [both_of(model, images[start : start + _ASKED]) for start in range(0, len(images), _ASKED)]
        features, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        arrays |= {"features": halved(features), "logits": logits.astype(np.float32)}
    path = named(folder, "reference", *(array.tobytes() for array in arrays.values()))
    if kept_whole(path) is None:
        write_kept(path, arrays, {})
    return path


def _asking(settings: ScanSettings) -> tuple[str, ...]:
    """Return who needs trusted samples: it is told what they say, and it decides nothing."""
    return tuple(name for name in settings.detectors if "reference" in KNOWN_DETECTORS[name].needs)


def _taking_part(known: Known, groups: int, settings: ScanSettings) -> tuple[str, ...]:
    asking = _asking(settings)
    every = tuple(name for name in settings.detectors if name not in asking)
    if groups == 1:
        return every
    return tuple(name for name in every if name in known.suspicions and name not in known.plan.alone)


def _spread(first: Comparison, samples: StoredSamples) -> Comparison:
    """Return what is known of the first group as something about all samples, of whose others nothing is known."""
    if samples.groups == 1:
        return first
    positions, size = samples.of_group(0), len(samples.labels)

    def over_all(values: FloatArray) -> FloatArray:
        every = np.full(size, np.nan, np.float32)
        every[positions] = values
        return every

    told = {name: Suspicion(over_all(one.scores), one.class_stats, ()) for name, one in first.found.items()}
    if first.calibration is None:
        return replace(first, found=told)
    return replace(
        first, found=told, calibration=replace(first.calibration, p_values=over_all(first.calibration.p_values))
    )
