"""All samples of a scan as one data set whose pixels stay on the disk, and the groups into which they fall.

A group is a small data set like the whole: of every class it has its share, chosen by what the images are (the SHA-256
of their content, mixed with the seed) and by nothing else, so that neither the order of the samples nor that of the
shards decides. What must see features or pixels of all samples at once sees those of a group.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare.data.batches import in_batches
from whitesquare.data.kept import ArrayFile, read_kept, write_kept
from whitesquare.errors import DataError
from whitesquare.scanning.sharded.reading import named
from whitesquare.types import Index, IntArray, Shape, UInt8Array

MOST, _OF_CLASS, _BYTES, _FEWEST = 20_000, 1_200, 3 * 2**26, 2_000
"""Samples of a group at most, or so many of each class if those are more, for some rules need 1,000; the bytes of their
pixels, about, above which it has fewer; and samples at least."""
_OPEN = 64
_ONE, _TWO, _THREE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, eq=False)
class StoredSamples:
    """All samples that were read; an :class:`~whitesquare.types.ImageDataset` without names.

    Attributes:
        path: file that says so, for workers.
        files: of pixels, in the order of the data set.
        first: ``(S + 1,)`` position of the first sample of each file.
        labels: ``(N,)``.
        group: ``(N,)`` which group each falls into.
        classes: class names.
        shape: ``(C, H, W)`` of every image.
        digest: of all that decides it, the pixels included, by which the file is named; the same samples have the same.
        ids: sample ids, where they are known: workers do without.
        kind: of the data set.
    """

    path: Path
    files: tuple[Path, ...]
    first: IntArray
    labels: IntArray
    group: IntArray
    classes: tuple[str, ...]
    shape: Shape
    digest: str
    ids: tuple[str, ...] = ()
    kind: str = "shards"

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group.max(initial=0)) + 1

    def of_group(self, number: int) -> IntArray:
        """Return the positions of a group, ascending."""
        return np.flatnonzero(self.group == number)

    def images(self, index: Index) -> UInt8Array:
        """Read the images at ``index`` as ``(B, C, H, W)`` uint8."""
        return self.read("pixels", self.files, np.arange(len(self.labels))[index], self.shape)

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Read every image once, in order."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return the pixels of an image."""
        return self.images(np.array([i])).tobytes()

    def parts(self) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        """Yield, file by file, positions and pixels, of which only that is read which is looked at."""
        for number, path in enumerate(self.files):
            part = slice(int(self.first[number]), int(self.first[number + 1]))
            if part.stop > part.start:
                yield part, np.asarray(_opened(path).view("pixels"))

    def read(self, name: str, files: tuple[Path, ...], positions: IntArray, shape: tuple[int, ...]) -> NDArray[Any]:
        """Read rows of an array that lies in one file for each of pixels.

        Args:
            name: of the array.
            files: one for each file of pixels, with a row for each of its.
            positions: of the samples.
            shape: of a row.

        Returns:
            ``(len(positions), *shape)``, of the type that the first file has.
        """
        kind = _opened(files[0]).layout[name][0] if files else "uint8"
        found = np.empty((len(positions), *shape), kind)
        where = np.searchsorted(self.first, positions, side="right") - 1
        for number in np.unique(where).tolist():
            mine = np.flatnonzero(where == number)
            found[mine] = _opened(files[number]).rows(name, positions[mine] - self.first[number])
        return found


@lru_cache(maxsize=_OPEN)
def _opened(path: Path) -> ArrayFile:
    return read_kept(path)


def keep_samples(
    folder: Path,
    files: tuple[Path, ...],
    labels: IntArray,
    digests: UInt8Array,
    *,
    classes: tuple[str, ...],
    shape: Shape,
    seed: int,
    most: int = MOST,
) -> Path:
    """Write down which samples there are, and into which group each falls.

    Args:
        folder: of the scan.
        files: of pixels, in the order of the data set.
        labels: ``(N,)``.
        digests: ``(N, 32)`` SHA-256 of their content.
        classes: class names.
        shape: ``(C, H, W)``.
        seed: of the choice.
        most: samples of a group at most, where these are not larger than 200 MB.
    """
    counts = [len(_opened(path).array("kept")) for path in files]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    size = most
    if most == MOST:
        size = max(_FEWEST, min(max(MOST, _OF_CLASS * len(classes)), _BYTES // int(np.prod(shape))))
    group = groups_of(labels, digests, seed, max(1, -(-len(labels) // size)))
    said = {"files": [path.name for path in files], "classes": list(classes), "shape": list(shape)}
    path = named(folder, "samples", repr(said), str(seed), group.tobytes(), labels.tobytes())
    write_kept(path, {"first": first, "labels": labels, "group": group}, said)
    return path


def open_samples(path: Path, ids: tuple[str, ...] = (), kind: str = "shards") -> StoredSamples:
    """Open what :func:`keep_samples` wrote.

    Raises:
        DataError: it is damaged or missing.
    """
    try:
        kept = read_kept(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: the folder of the scan was changed; start the scan again.") from error
    channels, height, width = kept.said["shape"]
    return StoredSamples(
        path=path,
        files=tuple(path.parent.parent / "pixels" / name for name in kept.said["files"]),
        first=kept.array("first"),
        labels=kept.array("labels"),
        group=kept.array("group"),
        classes=tuple(kept.said["classes"]),
        shape=(channels, height, width),
        digest=path.stem,
        ids=ids,
        kind=kind,
    )


def groups_of(labels: IntArray, digests: UInt8Array, seed: int, count: int) -> IntArray:
    """Return the group ``(N,)`` of each sample: of every class, each group has the same number or one more.

    Args:
        labels: ``(N,)``.
        digests: ``(N, 32)``.
        seed: who knows it can choose images by the group into which they fall.
        count: of groups.
    """
    keys = _mixed(np.ascontiguousarray(digests[:, :8]).view("<u8").ravel(), seed)
    group = np.zeros(len(labels), np.int64)
    begin = 0
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(keys[members], kind="stable")]
        # One class begins where the last one ended, so that groups have one size where classes are small.
        group[order] = (begin + np.arange(len(order))) % count
        begin = (begin + len(order)) % count
    return group


def _mixed(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Mix 64 bits with a seed (splitmix64); arithmetic wraps around, which is what mixes."""
    with np.errstate(over="ignore"):
        keys = (keys + np.uint64(seed % 2**63) * _ONE) + _ONE
        keys = (keys ^ (keys >> np.uint64(30))) * _TWO
        keys = (keys ^ (keys >> np.uint64(27))) * _THREE
    return keys ^ (keys >> np.uint64(31))
