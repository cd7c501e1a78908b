"""The first two steps on a shard: list it with its digests, and decode it. Nothing here knows of other shards.

What a step leaves is a file under a name that is the digest of all that decides it. One that is there and whole is not
made again, whoever made it; so steps can be repeated, in any order and anywhere.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare._base.files import whole_file
from whitesquare._base.hashing import digest_of
from whitesquare._base.machine import code_beside, making_digest
from whitesquare.data.batches import describe
from whitesquare.data.database import connected
from whitesquare.data.decode import header_shape
from whitesquare.data.fits import Frame
from whitesquare.data.holding import UNLIKE
from whitesquare.data.kept import ArrayFile, kept_whole, read_kept, write_kept
from whitesquare.data.listing import Opened, opened
from whitesquare.detectors.mergeable import Summarised
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.errors import ChangedError, DataError, UnfinishedError
from whitesquare.executor.types import Shared
from whitesquare.types import Shape, UInt8Array

ROOMS = ("_base", "data", "detectors", "learning", "scanning", "types")
"""Those whose code decides what a step leaves behind."""
_FULL = "No space left on device"
DIGEST = 32
"""Bytes of a content digest; all zero where the content could not be read."""


@dataclass(frozen=True)
class ToList:
    """A shard that is to be listed: its listing, and the folder of the scan."""

    listing: Path
    folder: Path


@dataclass(frozen=True)
class ToRead:
    """A shard that is to be decoded.

    Attributes:
        index: file that :func:`list_shard` wrote.
        folder: of the scan.
        frame: what every image is brought to; ``None`` where all are to be of ``shape``.
        shape: ``(C, H, W)`` of every image.
        skip: leave out what cannot be read, instead of stopping.
        detectors: names of those whose few numbers of a sample are computed on the way.
    """

    index: Path
    folder: Path
    frame: Frame | None
    shape: Shape
    skip: bool
    detectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What a step left: the file, and whether it was made now or was there."""

    path: Path
    made: bool


def named(folder: Path, kind: str, *parts: str | bytes) -> Path:
    """Return the file of a step in the folder of a scan, by all that decides what is in it.

    That is this code, too, and the versions of the libraries that decode and compute.
    """
    return folder / kind / f"{digest_of([kind, making_digest(ROOMS), *parts])}.kept"


def list_shard(task: ToList, shared: Shared) -> Done:
    """Write the index of a shard: of every sample its place, size and the SHA-256 of its content, and the shapes.

    Raises:
        UnfinishedError: it cannot be written.
    """
    shard = opened(task.listing)
    path = named(task.folder, "index", task.listing.name, shard.stamp())
    kept = kept_whole(path)
    # What could not be read may be readable now: that a file may be read again changes neither its size nor its time.
    if kept is not None and not kept.said["unread"] and path.with_suffix(".parquet").is_file():
        return Done(path, made=False)
    size = len(shard.ids)
    digests, sizes = np.zeros((size, DIGEST), np.uint8), np.zeros(size, np.int64)
    shapes, unread = Counter[Shape](), dict[str, str]()
    for i in range(size):
        try:
            content = shard.content(i)
            digests[i], sizes[i] = np.frombuffer(hashlib.sha256(content).digest(), np.uint8), len(content)
            shapes[_shape(shard, i, content)] += 1
        except DataError as error:  # told when it is to be decoded
            unread[str(i)] = str(error)
    _write_index(path.with_suffix(".parquet"), shard, sizes, digests)
    said = {"listing": task.listing.name, "shapes": [[*key, count] for key, count in shapes.items()], "unread": unread}
    write_kept(path, {"digests": digests, "sizes": sizes}, said)
    return Done(path, made=True)


def read_shard(task: ToRead, shared: Shared) -> Done:
    """Decode the images of a shard, hold them against its index, and keep them with a few numbers of each.

    Raises:
        DataError: an image cannot be read, or is not like the others.
        ChangedError: one was changed since it was listed.
        UnfinishedError: nothing can be written.
    """
    index = read_kept(task.index)
    frame = "" if task.frame is None else repr(task.frame)
    path = named(
        task.folder,
        "pixels",
        *(index.digest, json.dumps(index.said, sort_keys=True), frame, repr(task.shape), repr(task.skip)),
        *task.detectors,
        code_beside(*(type(KNOWN_DETECTORS[name]) for name in task.detectors)),
    )
    if kept_whole(path) is not None:
        return Done(path, made=False)
    shard, digests = opened(task.folder / "listing" / index.said["listing"]), index.array("digests")
    pixels = np.empty((len(shard.ids), *task.shape), np.uint8)
    kept, skipped = list[int](), dict[str, str]()
    for i in range(len(shard.ids)):
        try:
            pixels[len(kept)] = _image(shard, i, digests[i], index, task)
            kept.append(i)
        except DataError as error:
            if not task.skip or isinstance(error, ChangedError):
                raise
            skipped[str(i)] = str(error)
    arrays: dict[str, Any] = {"pixels": pixels[: len(kept)], "kept": np.array(kept, np.int64)}
    for name in task.detectors:
        detector = KNOWN_DETECTORS[name]
        assert isinstance(detector, Summarised)  # noqa: S101 - narrows the type: only such are named
        arrays[name] = detector.numbers(pixels[: len(kept)])
    seen = shard.files.seen if shard.files is not None else None
    said = {
        "skipped": skipped,
        "turned": sorted(seen.turned) if seen else [],
        "converted": sorted(seen.converted) if seen else [],
    }
    write_kept(path, arrays, said)
    return Done(path, made=True)


def _shape(shard: Opened, i: int, content: bytes) -> Shape:
    if shard.files is None:
        channels, height, width = shard.listing.layout["pixels"][1][1:]
        return channels, height, width
    return header_shape(shard.files.root / shard.ids[i], content)


def _image(shard: Opened, i: int, digest: UInt8Array, index: ArrayFile, task: ToRead) -> UInt8Array:
    if (reason := index.said["unread"].get(str(i))) is not None:
        raise DataError(reason)
    content = shard.content(i)
    if hashlib.sha256(content).digest() != digest.tobytes():
        raise ChangedError(f"{shard.ids[i]} was changed since it was listed; start the scan again.")
    image = shard.pixels(i, content)
    if task.frame is not None:
        return task.frame.bring(image, shard.ids[i])
    if image.shape != task.shape:
        raise DataError(
            f"{shard.ids[i]}: {UNLIKE}it is {describe(image.shape)}, and most files are {describe(task.shape)}; "
            "convert it, or leave it out."
        )
    return image


def _write_index(path: Path, shard: Opened, sizes: Any, digests: UInt8Array) -> None:
    """Write the index as Parquet, for people and their tools."""
    import duckdb

    text = [name.encode("utf-8", "backslashreplace").decode() for name in shard.ids]
    chunk = {
        "id": np.array(text, dtype=object),
        "label": shard.labels,
        "place": np.array(
            [shard.place(i).encode("utf-8", "backslashreplace").decode() for i in range(len(text))], object
        ),
        "size": sizes,
        "digest": np.array([row.tobytes().hex() if row.any() else "" for row in digests], object),
    }
    try:
        with whole_file(path) as part, connected() as connection:
            connection.register("chunk", chunk)
            target = str(part).replace("'", "''")
            connection.execute(f"COPY chunk TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    except (OSError, duckdb.Error) as error:
        told = " ".join(str(error).split())
        short = _FULL if _FULL in told else told[:200]  # DuckDB says it at the end of much else
        raise UnfinishedError(
            f"The index {path} cannot be written ({short}); check the folder, and make room."
        ) from error
