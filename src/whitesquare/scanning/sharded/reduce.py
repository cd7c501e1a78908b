"""The third step: from what shards and groups left behind to what each detector says of all samples.

Everything here is small: a few numbers a sample. Whole numbers are added, so that their order does not matter; what is
no whole number is put together in the order of the data set or of the groups, whichever ended first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whitesquare.data.kept import ArrayFile, read_kept
from whitesquare.detectors.label_issues import ConfidentLearning
from whitesquare.detectors.mergeable import Mergeable, Summarised
from whitesquare.detectors.registry import DETECTORS, KNOWN_DETECTORS
from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.scanning.running import why_not
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.scoring import run_of
from whitesquare.scanning.types import DetectorRun
from whitesquare.types import FloatArray, IntArray

BY_GROUP = frozenset({"images", "features"})
"""A detector that needs nothing else scores every sample, each within its group; any other scores those of one."""
_NEARLY = 0.75
"""Of the strength of the strongest hint about a class, what another one has at least that is about the same."""


@dataclass(frozen=True)
class Looking:
    """Which detector looks at what.

    Attributes:
        counted: they count in all samples, band by band.
        summarised: a few numbers of each sample say all to them.
        grouped: they look at every sample within its group.
        alone: they look at one group only.
        stored: they look at stored probabilities of all samples.
        reasons: why the others do not run, and an empty text for those that do, in the order of the report.
    """

    counted: tuple[str, ...]
    summarised: tuple[str, ...]
    grouped: tuple[str, ...]
    alone: tuple[str, ...]
    reasons: dict[str, str]
    stored: tuple[str, ...] = ()

    @property
    def whole(self) -> tuple[str, ...]:
        """Those that look at all samples at once."""
        return (*self.counted, *self.summarised, *self.stored)


def planned(
    evidence: Evidence,
    asked: Sequence[str],
    no_model: str,
    samples: StoredSamples,
    *,
    recorded: bool = False,
    stored: bool = False,
) -> Looking:
    """Say which detector looks at what, by what each needs and declares.

    Args:
        evidence: of the group that a model was trained on or asked about first.
        asked: names of the detectors that are asked for.
        no_model: why there is no model, if there is none.
        samples: all of them.
        recorded: there are losses of every sample.
        stored: there are probabilities of every sample, by models that had not seen it.
    """
    order = (*DETECTORS, *sorted(set(asked) - set(DETECTORS)))
    reasons = {name: why_not(evidence, name, asked, no_model) for name in order}
    counted, summarised, grouped, alone, kept = (list[str]() for _ in range(5))
    kinds = len(samples.classes)
    for name in (name for name, reason in reasons.items() if not reason):
        detector = KNOWN_DETECTORS[name]
        # One group is all of them: it is looked at once, where bands are read twice.
        if stored and name == ConfidentLearning.name:
            kept.append(name)
        elif samples.groups > 1 and isinstance(detector, Mergeable) and detector.bands(samples.shape, kinds):
            counted.append(name)
        elif isinstance(detector, Summarised):
            summarised.append(name)
        else:
            everywhere = BY_GROUP | {"trajectories"} if recorded else BY_GROUP
            (grouped if detector.needs <= everywhere else alone).append(name)
    return Looking(tuple(counted), tuple(summarised), tuple(grouped), tuple(alone), reasons, tuple(kept))


def counted_by(name: str, samples: StoredSamples, bands: Iterable[Path]) -> Suspicion:
    """Put together what a detector counted in all bands: of each sample, the largest score."""
    detector, best = KNOWN_DETECTORS[name], np.zeros(len(samples.labels), np.float32)
    assert isinstance(detector, Mergeable)  # noqa: S101 - narrows the type: only such are planned so
    for path in bands:
        np.maximum(best, read_kept(path).array("scores"), out=best)
    return detector.conclude(best, samples.labels, samples.classes)


def summarised_by(name: str, samples: StoredSamples) -> Suspicion:
    """Score all samples by the few numbers that were computed while they were decoded."""
    detector = KNOWN_DETECTORS[name]
    assert isinstance(detector, Summarised)  # noqa: S101 - narrows the type: only such are planned so
    numbers = np.concatenate([read_kept(path).array(name) for path in samples.files])
    return detector.judged(numbers, samples.labels, samples.classes, lambda *_: None)


def grouped_by(
    name: str, samples: StoredSamples, groups: Sequence[tuple[int, ArrayFile]]
) -> tuple[Suspicion | None, DetectorRun]:
    """Put together what a detector says of groups.

    Scores stand as they are, for groups are alike. The statistic of a class is the mean over the groups, so that it
    rests on all samples; hints are those of the group in which the class gives the strongest.

    Args:
        name: of the detector.
        samples: all of them.
        groups: number and file of each group that was looked at, in order.
    """
    runs = [run_of(name, kept.said["runs"][name]) for _, kept in groups]
    bad = next((run for run in runs if run.crashed), next((run for run in runs if run.reason), None))
    seconds = sum(run.seconds for run in runs)
    if bad is not None and (bad.crashed or all(run.reason for run in runs)):
        return None, replace(bad, seconds=seconds)
    scores = np.full(len(samples.labels), np.nan, np.float32)
    stats: list[FloatArray] = []
    hints: dict[int, list[Hint]] = {}
    for (number, kept), run in zip(groups, runs, strict=True):
        if run.reason:
            continue
        scores[samples.of_group(number)] = kept.array(f"{name}/scores")
        stats.append(kept.array(f"{name}/stats"))
        found: dict[int, list[Hint]] = {}
        for i, said in enumerate(kept.said["runs"][name]["hints"]):
            found.setdefault(said["label"], []).append(_hint(kept, f"{name}/{i}", said["label"], said["strength"]))
        for label, some in found.items():
            if label not in hints or _strongest(some) > _strongest(hints[label]):
                hints[label] = some
    told = tuple(hint for label in sorted(hints) for hint in hints[label])
    return Suspicion(scores, _mean(stats), told), replace(runs[0], seconds=seconds, reason="", crashed=False)


def carriers_in_groups(name: str, groups: Sequence[ArrayFile]) -> dict[int, IntArray]:
    """Return by class who seems to carry something, in every group that says so nearly as strongly as the strongest.

    Hints are those of one group: what they are about cannot always be looked for by its pixels in the others.
    """
    found: dict[int, list[Hint]] = {}
    for kept in groups:
        for i, said in enumerate(kept.said["runs"][name]["hints"]):
            found.setdefault(said["label"], []).append(_hint(kept, f"{name}/{i}", said["label"], said["strength"]))
    return {
        label: np.unique(np.concatenate([one.carriers for one in hints if one.strength >= _NEARLY * _strongest(hints)]))
        for label, hints in found.items()
    }


def answers_of(samples: StoredSamples, files: Iterable[Path]) -> IntArray:
    """Return the class that a model calls each sample ``(N,)``."""
    found = [read_kept(path).array("logits").argmax(1).astype(np.int64) for path in files]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _strongest(hints: list[Hint]) -> float:
    return max(hint.strength for hint in hints)


def _hint(kept: ArrayFile, name: str, label: int, strength: float) -> Hint:
    parts = {part: kept.array(f"{name}/{part}") for part in ("mask", "places") if f"{name}/{part}" in kept.layout}
    return Hint(label, strength, kept.array(f"{name}/carriers"), parts.get("mask"), parts.get("places"))


def _mean(stats: list[FloatArray]) -> FloatArray:
    """Return the mean over the groups in which a class has a statistic; NaN where it has none in any."""
    rows = np.stack(stats).astype(np.float64)
    there = np.isfinite(rows)
    total, counts = np.where(there, rows, 0).sum(0), there.sum(0)
    mean: FloatArray = np.divide(total, counts, out=np.full(len(counts), np.nan), where=counts > 0).astype(np.float32)
    return mean
