"""A data set in shards: what a worker needs to read some of its samples, and nothing of the others.

Tar and Parquet files are shards already, and are cut where they are large; image files are taken some hundreds at a
time. What no worker could read by itself (arrays in memory, what other packages bring) is decoded here, once, into
files that they read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.hashing import digest_of
from whitesquare.data.kept import ArrayFile, kept_whole, read_kept, write_kept
from whitesquare.data.shards import Shards
from whitesquare.data.sized import Sized, unsized
from whitesquare.data.sources.folder import ImageFolder
from whitesquare.data.sources.lists import ListedFiles
from whitesquare.data.sources.parquet import ParquetImages, Window
from whitesquare.data.sources.webdataset import Places, TarImages
from whitesquare.data.tables import Table
from whitesquare.errors import DataError, UnfinishedError
from whitesquare.records import Progress, silent
from whitesquare.types import ImageDataset, UInt8Array

FILES, TAR, PARQUET, PIXELS = "files", "tar", "parquet", "pixels"
_MOST, _LEAST, _BYTES = 1000, 50, 2**26
"""Samples of a shard, at most and at least, and the bytes of their pixels, about, that a worker holds."""


@dataclass(frozen=True)
class Shard:
    """Some samples of a data set, one after the other.

    Attributes:
        start: position of the first of them in the data set.
        count: number of samples.
        listing: file that says what they are and where; see :func:`opened`.
    """

    start: int
    count: int
    listing: Path


def shards_in(dataset: ImageDataset, folder: Path, on_progress: Progress = silent) -> tuple[Shard, ...]:
    """Cut a data set into shards, and write down of each what a worker must know to read it.

    Args:
        dataset: any; nothing of one of image files is read.
        folder: where.
        on_progress: told how far it is, where images are decoded here.

    Raises:
        DataError: it cannot be written, or an image cannot be decoded.
    """
    found = []
    for start, arrays, said in _listed(dataset, on_progress):
        labels = np.asarray(arrays["labels"], np.int64)
        shapes = repr([(key, array.shape) for key, array in arrays.items()])
        name = digest_of(["listing 2", repr(said), shapes, *(array.tobytes() for array in arrays.values())])
        path = folder / "listing" / f"{name}.kept"
        if kept_whole(path) is None:
            write_kept(path, arrays, said)
        found.append(Shard(start, len(labels), path))
    return tuple(found)


def in_files(dataset: ImageDataset) -> bool:
    """Tell whether workers read the images of a data set from its own files."""
    return _own_files(unsized(dataset)) is not None


def check_unchanged(dataset: ImageDataset) -> None:
    """Compare files that hold many samples, and were read by workers, with those that were opened here.

    Raises:
        ChangedError: one is another, is gone, or somebody wrote to it.
    """
    base = _own_files(unsized(dataset))
    if isinstance(base, TarImages | ParquetImages):
        base.check_unchanged()


def _own_files(base: ImageDataset) -> ImageFolder | None:
    """Return image files that lie where their names say; those of objects lie in the object."""
    known = type(base) is ImageFolder or isinstance(base, ListedFiles | TarImages | ParquetImages)
    return base if known and isinstance(base, ImageFolder) else None


Listed = tuple[int, dict[str, NDArray[Any]], dict[str, Any]]


def _listed(dataset: ImageDataset, on_progress: Progress) -> Iterator[Listed]:
    said: dict[str, Any]
    if (base := _own_files(unsized(dataset))) is not None:
        most = _together(dataset, base)
        if isinstance(base, TarImages):
            yield from _tars(base, most)
        elif isinstance(base, ParquetImages):
            yield from _windows(base, most)
        else:
            for start in range(0, len(base.ids), most):
                part = slice(start, min(start + most, len(base.ids)))
                said = {"kind": FILES, "root": str(base.root.absolute()), "ids": list(base.ids[part])}
                listed: dict[str, NDArray[Any]] = {"labels": base.labels[part]}
                yield start, listed, said
        return
    size = len(dataset.labels)
    for part, images in dataset.batches(_MOST):
        arrays: dict[str, NDArray[Any]] = {"labels": dataset.labels[part], "pixels": images}
        yield part.start, arrays, {"kind": PIXELS, "ids": list(dataset.ids[part])}
        on_progress("reading images", part.stop, size)


def _together(dataset: ImageDataset, base: ImageFolder) -> int:
    """Return how many samples a shard has: by the size that is asked for, or that of the first image."""
    side = dataset.sizing.size if isinstance(dataset, Sized) else None
    try:
        channels, height, width = (3, side, side) if side else base.header(0)
    except (DataError, IndexError):
        return _LEAST
    return max(_LEAST, min(_MOST, _BYTES // max(1, channels * height * width)))


def _tars(base: TarImages, most: int) -> Iterator[Listed]:
    first = 0
    for path, places in zip(base.shards.files, base.places, strict=True):
        spans = np.array(places.spans, np.int64).reshape(-1, 4)
        for start in range(0, len(places.ids), most):
            end = min(start + most, len(places.ids))
            said = {
                "kind": TAR,
                "file": str(path.absolute()),
                "root": str(base.root.absolute()),
                "size": places.size,
                "ids": places.ids[start:end],
            }
            part = slice(first + start, first + end)
            yield part.start, {"labels": base.labels[part], "spans": spans[start:end]}, said
        first += len(places.ids)


def _windows(base: ParquetImages, most: int) -> Iterator[Listed]:
    first = 0
    for window in base.windows:
        for start in range(0, window.count, most):
            part = slice(first + start, first + min(start + most, window.count))
            said = {
                "kind": PARQUET,
                "file": str(window.shard.absolute()),
                "root": str(base.root.absolute()),
                "row": window.first + start,
                "image": base.table.image,
                "label": base.table.label,
                "column": base.column,
                "ids": list(base.ids[part]),
            }
            yield part.start, {"labels": base.labels[part]}, said
        first += window.count


@dataclass(frozen=True)
class Opened:
    """The samples of a shard, as a worker reads them.

    Attributes:
        listing: what was written down of them.
        files: the data set that they are, of image files; ``None`` where the pixels lie in the listing.
    """

    listing: ArrayFile
    files: ImageFolder | None

    @property
    def ids(self) -> list[str]:
        """Sample ids, in order."""
        found: list[str] = self.listing.said["ids"]
        return found

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels, in order."""
        return self.listing.array("labels")

    @property
    def paths(self) -> list[Path]:
        """Files that the samples lie in."""
        if self.listing.said["kind"] == FILES:
            root = Path(self.listing.said["root"])
            return [root / name for name in self.ids]
        return [Path(self.listing.said["file"])] if self.files is not None else []

    def place(self, i: int) -> str:
        """Say where a sample lies."""
        said = self.listing.said
        if said["kind"] == TAR:
            return f"{Path(said['file']).name}@{int(self.listing.rows('spans', slice(i, i + 1))[0, 2])}"
        if said["kind"] == PARQUET:
            return f"{Path(said['file']).name}#{said['row'] + i}"
        return self.ids[i] if said["kind"] == FILES else f"@{i}"

    def content(self, i: int) -> bytes:
        """Return the bytes that are hashed; see :meth:`whitesquare.types.ImageDataset.content`.

        Raises:
            DataError: they cannot be read.
        """
        if self.files is not None:
            return self.files.content(i)
        return self.listing.rows("pixels", slice(i, i + 1)).tobytes()

    def stamp(self, *, strictly: bool = False) -> str:
        """Return what tells that files are the ones that were listed: their sizes, and when they were changed.

        Args:
            strictly: also by what nobody can set: which file it is, and when anything of it was changed.
        """
        found = []
        for path in self.paths:
            try:
                state = path.stat()
                found.append(f"{state.st_size} {state.st_mtime_ns}")
                found += [f"{state.st_ino} {state.st_ctime_ns}"] if strictly else []
            except OSError:
                found.append("missing")
        return digest_of(found)

    def pixels(self, i: int, content: bytes) -> UInt8Array:
        """Return the image ``(C, H, W)`` that some content is.

        Raises:
            DataError: it is damaged.
        """
        if self.files is not None:
            return self.files.decode(i, content)
        _, shape, _ = self.listing.layout["pixels"]
        return np.frombuffer(content, np.uint8).reshape(shape[1:])


def opened(path: Path) -> Opened:
    """Open what :func:`shards_in` wrote down.

    Raises:
        UnfinishedError: it is damaged or missing.
    """
    try:
        listing = read_kept(path)
    except FileNotFoundError as error:
        raise UnfinishedError(
            f"{path} is missing: the folder in which this run keeps what it does was changed; start it again."
        ) from error
    said, labels = listing.said, listing.array("labels")
    if said["kind"] == PIXELS:
        return Opened(listing, None)
    ids, root = tuple(said["ids"]), Path(said["root"])
    if said["kind"] == FILES:
        return Opened(listing, ImageFolder(root=root, classes=(), ids=ids, labels=labels))
    file = Path(said["file"])
    if said["kind"] == TAR:
        places = Places(said["size"], ids=list(ids))
        places.spans.frombytes(listing.array("spans").tobytes())
        tar = TarImages(
            root=root,
            classes=(),
            ids=ids,
            labels=labels,
            shards=Shards((file,), root),
            places=(places,),
            last=(len(ids),),
        )
        return Opened(listing, tar)
    rows = ParquetImages(
        root=root,
        classes=(),
        ids=ids,
        labels=labels,
        table=Table((file,), said["image"], said["label"], root, (), True),
        column=said["column"],
        windows=(Window(file, said["row"], len(ids)),),
        ends=(len(ids),),
    )
    return Opened(listing, rows)
