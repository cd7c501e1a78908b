"""Features and probabilities that were given in place of a model, kept beside each shard."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.kept import kept_whole, read_kept, write_kept
from whitesquare.detectors.types import Evidence
from whitesquare.errors import UsageError
from whitesquare.scanning.brought import brought, called, check_order
from whitesquare.scanning.sharded.extras import Extras
from whitesquare.scanning.sharded.reading import named
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.scoring import halved
from whitesquare.types import FloatArray, IntArray

PROBABILITIES, FEATURES = "probabilities", "features"
_FOLDERS = {PROBABILITIES: "probabilities", FEATURES: "answers"}


@dataclass(frozen=True)
class GivenRows:
    """What was given of every sample, in one file for each of pixels.

    Attributes:
        probabilities: of models that had not seen the sample; none without any.
        features: in half precision; likewise.
    """

    probabilities: tuple[Path, ...] = ()
    features: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything was given."""
        return bool(self.probabilities or self.features)

    def of(self, name: str, samples: StoredSamples, positions: IntArray) -> FloatArray | None:
        """Return the probabilities or features of some samples, float32; ``None`` where there are none."""
        files = self.probabilities if name == PROBABILITIES else self.features
        if not files:
            return None
        found: FloatArray = samples.read(name, files, positions, read_kept(files[0]).layout[name][1][1:])
        return found.astype(np.float32)


def keep_given(extras: Extras, samples: StoredSamples, positions: IntArray, size: int, folder: Path) -> GivenRows:
    """Keep what is given of each shard beside it, and refuse what is none.

    Args:
        extras: arrays with a row for every sample of the data set, those that cannot be read included; they may be
            files that are mapped into memory.
        samples: those that were read.
        positions: of each in the data set.
        size: samples of the data set.
        folder: of the scan.

    Raises:
        UsageError: another number of rows or columns.
        DataError: values that are no finite numbers, or no probabilities.
    """
    given = {"pred_probs": extras.pred_probs, "features": extras.features}
    for name, rows in given.items():
        if rows is not None and (rows.ndim != 2 or len(rows) != size):
            raise UsageError(f"{name} is an array {rows.shape}; expected one row for each of the {size} samples.")
    kept: dict[str, list[Path]] = {PROBABILITIES: [], FEATURES: []}
    sums, sizes = np.zeros((len(samples.classes),) * 2), np.zeros(len(samples.classes), np.int64)
    for number, pixels in enumerate(samples.files):
        part = slice(int(samples.first[number]), int(samples.first[number + 1]))
        probabilities, features = _part_of(extras, samples, part, positions[part])
        if probabilities is not None:
            part_sums, part_sizes = called(probabilities, samples.labels[part])
            sums, sizes = sums + part_sums, sizes + part_sizes
            kept[PROBABILITIES].append(_keep(PROBABILITIES, probabilities, pixels, samples, folder))
        if features is not None:
            kept[FEATURES].append(_keep(FEATURES, halved(features), pixels, samples, folder))
    check_order(sums, sizes, samples.classes)
    return GivenRows(tuple(kept[PROBABILITIES]), tuple(kept[FEATURES]))


def _part_of(
    extras: Extras, samples: StoredSamples, part: slice, positions: IntArray
) -> tuple[FloatArray | None, FloatArray | None]:
    """Return the probabilities and features of a shard, which may be empty."""
    given = [None if rows is None else rows[positions] for rows in (extras.pred_probs, extras.features)]
    if not len(positions):
        nothing = [None if rows is None else rows.astype(np.float32) for rows in given]
        return nothing[0], nothing[1]
    labels = samples.labels[part]
    images = np.empty((0, *samples.shape), np.uint8)
    found = brought(Evidence(images, labels, samples.classes, np.zeros(len(labels), np.bool_), 0), given[1], given[0])
    return found.pred_probs, found.features


def _keep(name: str, rows: NDArray[Any], pixels: Path, samples: StoredSamples, folder: Path) -> Path:
    path = named(folder, _FOLDERS[name], pixels.name, samples.digest, rows.tobytes())
    if kept_whole(path) is None:
        write_kept(path, {name: rows}, {})
    return path
