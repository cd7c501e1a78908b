"""The label check in shards: confident learning over stored probabilities, exactly what it is of all samples at once.

Two maps over shards: the first counts, in whole numbers, how probable samples are called what they are labelled; the
second scores each sample by what is usual, and counts it in the confident joint. Counts are added, in any order.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whitesquare.data.kept import kept_whole, read_kept, write_kept
from whitesquare.detectors.label_issues import OwnShares, judged_by, label_errors
from whitesquare.detectors.types import Suspicion
from whitesquare.executor.engine import Engine
from whitesquare.executor.types import Shared
from whitesquare.scanning.sharded.reading import Done, named
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.scoring import opened_samples


@dataclass(frozen=True)
class ToWeigh:
    """A shard whose stored probabilities are counted; with what is usual, its samples are scored.

    Attributes:
        number: of the shard.
        samples: file of all samples.
        folder: of the scan.
        stored: file of its probabilities.
        usual: file of what is usual; ``None`` counts it.
    """

    number: int
    samples: Path
    folder: Path
    stored: Path
    usual: Path | None = None


def check_labels(samples: StoredSamples, stored: tuple[Path, ...], folder: Path, engine: Engine) -> Suspicion:
    """Score all samples by confident learning over their stored probabilities.

    Raises:
        DataError: a step failed.
    """
    items = [ToWeigh(number, samples.path, folder, path) for number, path in enumerate(stored)]
    usual = OwnShares(*np.zeros((2, len(samples.classes)), np.int64))
    for one in engine.map("checking labels", weigh_shard, items):
        kept = read_kept(one.path)
        usual = usual.merged(OwnShares(kept.array("sums"), kept.array("sizes")))
    path = named(folder, "usual", samples.digest, usual.sums.tobytes(), usual.sizes.tobytes())
    write_kept(path, {"sums": usual.sums, "sizes": usual.sizes}, {})
    items = [ToWeigh(one.number, one.samples, folder, one.stored, path) for one in items]
    scores, joint = [], np.zeros((len(samples.classes),) * 2, np.int64)
    for one in engine.map("scoring labels", weigh_shard, items):
        kept = read_kept(one.path)
        scores.append(kept.array("scores"))
        joint += kept.array("joint")
    return Suspicion(np.concatenate(scores), label_errors(joint, usual.sizes))


def weigh_shard(task: ToWeigh, shared: Shared) -> Done:
    """Count the stored probabilities of a shard, or score its samples by them."""
    path = named(task.folder, "labels", task.samples.name, task.stored.name, task.usual.name if task.usual else "")
    if kept_whole(path) is not None:
        return Done(path, made=False)
    samples, given = opened_samples(task.samples), read_kept(task.stored).array("probabilities")
    labels = samples.labels[int(samples.first[task.number]) : int(samples.first[task.number + 1])]
    if task.usual is None:
        found = OwnShares.of(given, labels)
        write_kept(path, {"sums": found.sums, "sizes": found.sizes}, {})
        return Done(path, made=True)
    usual = read_kept(task.usual)
    scores, joint = judged_by(given, labels, OwnShares(usual.array("sums"), usual.array("sizes")))
    write_kept(path, {"scores": scores.astype(np.float32), "joint": joint.astype(np.int64)}, {})
    return Done(path, made=True)
