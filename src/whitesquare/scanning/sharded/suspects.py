"""The fourth step: a second look at suspects alone, whose images are fetched for it.

What may be a trigger is rebuilt and put to the test among the samples of one group and the suspects of all others,
exactly as in a scan of one piece: same criteria, same controls. Who else carries it is then looked for in every shard.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whitesquare.data.kept import kept_whole, read_kept, write_kept
from whitesquare.detectors.types import Evidence, Hint, Suspicion
from whitesquare.executor.types import Shared
from whitesquare.scanning.alarms import Raised
from whitesquare.scanning.criteria import BY_RANK, CRITERIA, FAINT_RULES, FAINT_SHARE, RANKED_SHARE, beyond_others
from whitesquare.scanning.marks.roaming import RoamingKind
from whitesquare.scanning.marks.types import FoundTrigger
from whitesquare.scanning.members import all_carriers
from whitesquare.scanning.sharded.reading import Done, named
from whitesquare.scanning.sharded.samples import StoredSamples, open_samples
from whitesquare.types import FloatArray, IntArray

_FETCHED = 256
"""Suspects of a class that are fetched for one hint, besides those of the group."""
_LOOKED = 5_000
"""Samples that are looked through at a time for who else carries what was found."""


@dataclass(frozen=True)
class Inspected:
    """The samples among which alarms are raised: a group, and suspects of the others.

    Attributes:
        positions: in the data set ``(M,)``, ascending.
        evidence: of them.
        suspicions: what the detectors say of them, by rule.
        path: file that holds their images, for workers.
        sizes: ``(K,)`` samples of each class, of the whole data set.
    """

    positions: IntArray
    evidence: Evidence
    suspicions: dict[str, Suspicion]
    path: Path
    sizes: IntArray


def inspected(samples: StoredSamples, group: Evidence, suspicions: dict[str, Suspicion], folder: Path) -> Inspected:
    """Fetch the suspects, and say of them what is known.

    Args:
        samples: all of them.
        group: what was trained on, with the model that is asked, if there is one.
        suspicions: of all samples, by rule.
        folder: of the scan.
    """
    first = samples.of_group(0)
    room = max(16, len(first) // max(1, len(samples.classes) * len(CRITERIA)))
    few = {rule: _fewer(one, first, min(_FETCHED, room), rule) for rule, one in suspicions.items()}
    fetched = [hint.carriers for one in few.values() for hint in one]
    positions = np.unique(np.concatenate([first, *fetched]))
    images, labels = samples.images(positions), samples.labels[positions]
    evidence = replace(
        group,
        images=images,
        labels=labels,
        trusted=np.zeros(len(positions), np.bool_),
        features=None,
        logits=None,
        losses=None,
    )
    at = {
        rule: Suspicion(
            one.scores[positions],
            one.class_stats,
            tuple(replace(hint, carriers=np.searchsorted(positions, hint.carriers)) for hint in few[rule]),
        )
        for rule, one in suspicions.items()
    }
    path = named(folder, "suspects", samples.digest, positions.tobytes())
    if kept_whole(path) is None:
        write_kept(path, {"images": images, "labels": labels, "positions": positions}, {})
    return Inspected(positions, evidence, at, path, np.bincount(samples.labels, minlength=len(samples.classes)))


def _fewer(found: Suspicion, group: IntArray, most: int, rule: str) -> list[Hint]:
    """Return the hints that are worth a test, with those carriers that are in the group or score highest."""
    least = next((criterion.hint for criterion in CRITERIA if criterion.rule_id == rule), np.inf)
    kept = []
    for hint in found.hints:
        if hint.strength < least:
            continue
        inside = np.isin(hint.carriers, group)
        outside = np.flatnonzero(~inside)
        scores = np.nan_to_num(found.scores[hint.carriers[outside]], nan=-np.inf)
        chosen = np.sort(
            np.concatenate([np.flatnonzero(inside), outside[np.argsort(-scores, kind="stable")[:most]]])
        ).astype(np.int64)
        places = None if hint.places is None else hint.places[chosen]
        kept.append(replace(hint, carriers=hint.carriers[chosen], places=places))
    return kept


@dataclass(frozen=True)
class ToLookThrough:
    """Members of a class, among which those are looked for that carry what was found.

    Attributes:
        suspects: file of the samples among which it was found.
        samples: file of all samples.
        folder: of the scan.
        label: the class.
        trigger: what was found.
        known: which of those samples carry it, by their place in that file.
        positions: of the members.
        seed: of everything random.
    """

    suspects: Path
    samples: Path
    folder: Path
    label: int
    trigger: FoundTrigger
    known: IntArray
    positions: IntArray
    seed: int


def to_look_through(found: Inspected, samples: StoredSamples, raised: Raised, folder: Path) -> list[ToLookThrough]:
    """Return what is to be looked through for an alarm; nothing where it has no trigger."""
    if raised.trigger is None or not len(raised.carriers):
        return []
    label = raised.alarm.label
    rest = np.setdiff1d(np.flatnonzero(samples.labels == label), found.positions)
    seed = found.evidence.seed
    return [
        ToLookThrough(
            found.path,
            samples.path,
            folder,
            label,
            raised.trigger,
            raised.carriers,
            rest[start : start + _LOOKED],
            seed,
        )
        for start in range(0, len(rest), _LOOKED)
    ]


def look_through(task: ToLookThrough, shared: Shared) -> Done:
    """Keep the positions of those members that carry a trigger."""
    trigger = task.trigger
    parts = [str(task.label), str(task.seed), trigger.kind.name, task.suspects.name, task.samples.name]
    floats = [array.tobytes() for array in (trigger.mask, trigger.pattern, trigger.usual)]
    path = named(task.folder, "carriers", *parts, *floats, task.known.tobytes(), task.positions.tobytes())
    if kept_whole(path) is not None:
        return Done(path, made=False)
    samples, known = open_samples(task.samples), read_kept(task.suspects)
    before = known.layout["labels"][1][0]
    images = np.empty((before + len(task.positions), *samples.shape), np.uint8)
    images[:before] = known.view("images")
    images[before:] = samples.images(task.positions)
    labels = np.concatenate([known.array("labels"), np.full(len(task.positions), task.label)])
    evidence = Evidence(images, labels, samples.classes, np.zeros(len(labels), np.bool_), task.seed)
    if trigger.kind.by_pixels:
        found = all_carriers(evidence, task.label, task.known)
    else:
        found = trigger.kind.carriers(evidence, trigger, Hint(task.label, 0.0, task.known))
    write_kept(path, {"positions": task.positions[found[found >= before] - before]}, {})
    return Done(path, made=True)


def carriers_of(
    found: Inspected,
    one: Raised,
    others: list[Path],
    samples: StoredSamples,
    scores: FloatArray,
    hinted: IntArray | None,
) -> IntArray:
    """Return the positions of all samples that carry what an alarm is about.

    Args:
        found: the samples among which it was raised.
        one: the alarm.
        others: files of :func:`look_through`.
        samples: all of them.
        scores: ``(N,)`` of the detector that raised it.
        hinted: whom that detector hints at in all groups, where it looks at groups.
    """
    trigger, label, rule = one.trigger, one.alarm.label, one.alarm.rule_id
    more, own = [read_kept(path).array("positions") for path in others], samples.labels == label
    if trigger is None and rule in BY_RANK and np.isfinite(scores[~own]).any():
        return beyond_others(scores, own, RANKED_SHARE)
    if trigger is not None and rule in FAINT_RULES:
        more.append(beyond_others(scores, own, FAINT_SHARE))
    if hinted is not None and trigger is not None and isinstance(trigger.kind, RoamingKind):
        # A mark that is nothing rare is not looked for, and carried by those alone that were hinted at.
        more += [] if trigger.kind.bound(found.evidence, trigger, label) is not None else [hinted]
    return np.unique(np.concatenate([found.positions[one.carriers], *more])).astype(np.int64)
