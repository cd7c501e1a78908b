"""Recorded losses in shards: joined by the ids of the samples, one epoch at a time, and kept with each shard."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from whitesquare._base.schema import build
from whitesquare.data.kept import ArrayFile, kept_whole, read_kept, write_kept
from whitesquare.loops.recordings import digest_of_recording
from whitesquare.scanning.losses import RecordedTraining, read_losses
from whitesquare.scanning.sharded.reading import named
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.types import FloatArray, IntArray


@dataclass(frozen=True)
class KeptLosses:
    """Losses of every sample, in one file for each of pixels.

    Attributes:
        path: file that names them, for workers.
        training: what they are of.
        warnings: what the reader must know of them.
    """

    path: Path
    training: RecordedTraining
    warnings: tuple[str, ...]


def keep_losses(losses: Path, samples: StoredSamples, digest: str, folder: Path) -> KeptLosses:
    """Read recorded losses, and keep those of each shard; what is kept already is not read again.

    Args:
        losses: see :func:`whitesquare.scanning.losses.read_losses`.
        samples: all of them, with their ids.
        digest: of the data set.
        folder: of the scan.

    Raises:
        UsageError: there is no recording.
        DataError: it is damaged, of other data, or of a training that went wrong.
        ChangedError: it changes while it is read.
    """
    recording = digest_of_recording(losses)
    path = named(folder, "recorded", samples.digest, digest, recording)
    if (found := kept_whole(path)) is None or any(kept_whole(file) is None for file in _files(found)):
        with TemporaryDirectory(prefix="whitesquare-") as temporary:
            read = read_losses(losses, samples, digest, Path(temporary), recording)
            files = []
            for number, pixels in enumerate(samples.files):
                part = slice(int(samples.first[number]), int(samples.first[number + 1]))
                files.append(named(folder, "losses", pixels.name, path.name))
                write_kept(files[-1], {"losses": np.ascontiguousarray(read.values[:, part].T)}, {})
        said = {"files": [file.name for file in files], "training": asdict(read.training), "told": list(read.warnings)}
        found = write_kept(path, {}, said)
    training = build(RecordedTraining, found.said["training"], where=str(path))
    return KeptLosses(path, training, tuple(found.said["told"]))


def losses_at(path: Path, samples: StoredSamples, positions: IntArray) -> FloatArray:
    """Return the kept losses ``(E, n)`` of some samples, float32, NaN where there is none."""
    files = _files(read_kept(path))
    moments = read_kept(files[0]).layout["losses"][1][1:] if files else (0,)
    return samples.read("losses", files, positions, moments).T


def _files(found: ArrayFile) -> tuple[Path, ...]:
    return tuple(found.path.parent.parent / "losses" / name for name in found.said["files"])
