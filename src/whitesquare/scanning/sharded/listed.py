"""The first two steps over all shards: which samples there are, in which size they are read, and what was left out."""

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whitesquare.data.batches import as_shape
from whitesquare.data.fits import Frame
from whitesquare.data.kept import ArrayFile, read_kept
from whitesquare.data.listing import Shard, in_files, shards_in
from whitesquare.data.part import notes
from whitesquare.data.sized import Sized, chosen_frame, frame_notes, unsized
from whitesquare.data.sources.folder import ImageFolder
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.executor.engine import Engine
from whitesquare.scanning.sharded.reading import DIGEST, Done, ToList, ToRead, list_shard, read_shard
from whitesquare.scanning.sharded.samples import StoredSamples, keep_samples, open_samples
from whitesquare.scanning.sharded.vouched import Vouched
from whitesquare.types import ImageDataset, IntArray, Shape, UInt8Array

_SPARE = 2**26
_TWICE = 1.1


@dataclass(frozen=True)
class ShardList:
    """A data set in shards, listed: the first step.

    Attributes:
        shards: in order.
        index: file of each.
        shapes: how many images have which shape.
        frame: what every image is brought to; ``None`` where all have one shape.
        shape: ``(C, H, W)`` of every image as it is read.
    """

    shards: tuple[Shard, ...]
    index: tuple[Path, ...]
    shapes: Counter[Shape]
    frame: Frame | None
    shape: Shape


@dataclass(frozen=True)
class Read:
    """A data set that was read: the second step.

    Attributes:
        samples: all that were read.
        positions: of each in the data set.
        digests: ``(N, 32)`` SHA-256 of the content of each.
        skipped: by id, why a sample was left out.
        left_out: how many of them belong to each class, by label.
        by_shard: how many of them each shard has, by the number of the shard, where it has any.
        notes: what was done to the images.
        shards: number of shards.
        made: how many of them were read now; the others were kept from before.
    """

    samples: StoredSamples
    positions: IntArray
    digests: UInt8Array
    skipped: dict[str, str]
    left_out: tuple[int, ...]
    by_shard: dict[int, int]
    notes: tuple[str, ...]
    shards: int
    made: int


def list_all(dataset: ImageDataset, folder: Path, engine: Engine, *, vouched: Vouched | None = None) -> ShardList:
    """List a data set: cut it into shards, and write an index of each.

    Raises:
        NothingToDoError: it has no images, or images of one class only.
        DataError: nothing of it can be decoded.
        VerificationError: a sample is not the one that ``vouched`` says is signed.
    """
    present = np.unique(dataset.labels)
    if len(present) < 2:
        raise NothingToDoError(
            f"There is nothing to compare: the data set has images of {len(present)} class"
            f"{'es' * (len(present) != 1)}, and a scan compares classes; expected two or more."
        )
    shards = shards_in(dataset, folder, engine.on_progress)

    def check(number: int, one: Done) -> None:
        if vouched is not None:
            vouched.check(shards[number].start, read_kept(one.path))

    items = [ToList(shard.listing, folder) for shard in shards]
    done = engine.map("listing shards", list_shard, items, each=check)
    index = tuple(one.path for one in done)
    shapes = Counter[Shape]()
    for path in index:
        for *sides, count in read_kept(path).said["shapes"]:
            shapes[as_shape(tuple(sides))] += count
    if not shapes:
        raise DataError(f"No image of the data set can be read: {_first_reason(index)}")
    frame = chosen_frame(shapes.elements(), dataset.sizing) if isinstance(dataset, Sized) else None
    shape = shapes.most_common(1)[0][0] if frame is None else frame.shape
    return ShardList(shards, index, shapes, frame, shape)


def read_all(
    dataset: ImageDataset,
    listing: ShardList,
    folder: Path,
    engine: Engine,
    *,
    skip: bool,
    summarised: tuple[str, ...],
    seed: int,
) -> Read:
    """Decode every shard.

    Args:
        dataset: what was listed.
        listing: its shards.
        folder: of the scan.
        engine: where it is done.
        skip: leave out what cannot be read.
        summarised: detectors whose numbers are computed on the way.
        seed: of the groups.

    Raises:
        DataError: an image cannot be read and is not to be left out, or the disk has no room.
    """
    _check_disk(folder, len(dataset.labels), listing)
    items = [ToRead(path, folder, listing.frame, listing.shape, skip, summarised) for path in listing.index]
    done = engine.map("reading shards", read_shard, items)
    files = [read_kept(one.path) for one in done]
    positions, digests = _positions(listing, files), _digests(listing, files)
    left, skipped, by_shard = _left_out(dataset, listing, files)
    path = keep_samples(
        folder,
        tuple(one.path for one in done),
        np.asarray(dataset.labels)[positions],
        digests,
        classes=tuple(dataset.classes),
        shape=listing.shape,
        seed=seed,
        most=engine.way.group,
    )
    whole = len(positions) == len(dataset.labels)
    ids = tuple(dataset.ids) if whole else tuple(dataset.ids[i] for i in positions.tolist())
    return Read(
        samples=open_samples(path, ids, dataset.kind),
        positions=positions,
        digests=digests,
        skipped=skipped,
        left_out=left,
        by_shard=by_shard,
        notes=_notes(dataset, listing, files, positions),
        shards=len(listing.shards),
        made=sum(one.made for one in done),
    )


def as_read(dataset: ImageDataset, listing: ShardList) -> ImageDataset:
    """Return a data set whose size is the one that was found when it was listed, so that nobody looks for it again."""
    return replace(dataset, decided=listing.frame, is_decided=True) if isinstance(dataset, Sized) else dataset


def _positions(listing: ShardList, files: list[ArrayFile]) -> IntArray:
    found = [shard.start + kept.array("kept") for shard, kept in zip(listing.shards, files, strict=True)]
    return np.concatenate(found).astype(np.int64)


def _digests(listing: ShardList, files: list[ArrayFile]) -> UInt8Array:
    found = [
        read_kept(path).array("digests")[kept.array("kept")] for path, kept in zip(listing.index, files, strict=True)
    ]
    return np.concatenate(found).reshape(-1, DIGEST)


def _left_out(
    dataset: ImageDataset, listing: ShardList, files: list[ArrayFile]
) -> tuple[tuple[int, ...], dict[str, str], dict[int, int]]:
    """Return by class how many samples were left out, by id why, and how many of each shard."""
    counts, reasons, by_shard = np.zeros(len(dataset.classes), np.int64), dict[str, str](), dict[int, int]()
    for number, (shard, kept) in enumerate(zip(listing.shards, files, strict=True)):
        for offset, reason in kept.said["skipped"].items():
            position = shard.start + int(offset)
            counts[dataset.labels[position]] += 1
            reasons[dataset.ids[position]] = reason
            by_shard[number] = by_shard.get(number, 0) + 1
    return tuple(counts.tolist()) if reasons else (), reasons, by_shard


def _notes(dataset: ImageDataset, listing: ShardList, files: list[ArrayFile], positions: IntArray) -> tuple[str, ...]:
    """Say what was done to images, as the data set itself does after it has decoded them."""
    base = unsized(dataset)
    if not in_files(dataset) or not isinstance(base, ImageFolder):
        return notes(dataset)
    for shard, kept in zip(listing.shards, files, strict=True):
        base.seen.turned.update(shard.start + i for i in kept.said["turned"])
        base.seen.converted.update(shard.start + i for i in kept.said["converted"])
    said = base.notes(positions)
    return said if listing.frame is None else (*said, *frame_notes(listing.shapes, listing.frame))


def _check_disk(folder: Path, count: int, listing: ShardList) -> None:
    """Refuse what the disk has no room for, before any of it is written."""
    needed = int(_TWICE * count * int(np.prod(listing.shape))) + _SPARE
    there = sum(path.stat().st_size for path in (folder / "pixels").glob("*.kept"))
    free = shutil.disk_usage(folder).free
    if needed - there > free:
        raise DataError(
            f"The disk of {folder} has {free / 2**30:,.1f} GiB left, and the pixels of {count:,} images of "
            f"{listing.shape[2]}x{listing.shape[1]} take {needed / 2**30:,.1f} GiB; make room, take a folder "
            "on another disk with --resume, or scan at a smaller --size."
        )


def _first_reason(index: tuple[Path, ...]) -> str:
    for path in index:
        for reason in read_kept(path).said["unread"].values():
            return str(reason)
    return "it is empty."
