"""Decoding every image of a data set once, and holding what comes of it: in memory, or in a file."""

import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from whitesquare.data.batches import alike, as_shape, describe
from whitesquare.data.cache_size import CacheSize
from whitesquare.data.part import Part
from whitesquare.data.pixels import Pixels, at_a_time
from whitesquare.data.room import check_room
from whitesquare.data.stored import Decode, StoredPixels
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.records import OnNote, Progress, silent, unheard
from whitesquare.types import Encoded, EncodedDataset, ImageDataset, IntArray, Shape, UInt8Array

UNLIKE = "another size or colour mode: "
"""What the reason begins with where a file can be read and is not like the others."""
SMALL = 2**28
"""Bytes of decoded images that are held in memory even where a file may be used."""
_READING, _BATCH = "reading images", 250
"""A step, and how many images are decoded between two words on it."""


def held(
    dataset: ImageDataset,
    on_progress: Progress = silent,
    *,
    cache: CacheSize | None = None,
    on_note: OnNote = unheard,
) -> ImageDataset:
    """Decode every image once and hold them; what is held already is not copied.

    Args:
        dataset: any data set.
        on_progress: told how many images are decoded, where they are decoded one by one.
        cache: how much of a file may be used where images are decoded one by one and are more than :data:`SMALL`
            together; what finds no room there is decoded again when it is asked for. ``None`` holds all in memory.
        on_note: told that a file is used, and how many images find room in it.

    Raises:
        DataError: the images are not what the data set says, or see :func:`whitesquare.data.batches.decoded`.
    """
    if isinstance(dataset, Part) and isinstance(dataset.pixels, StoredPixels):
        return dataset
    size = len(dataset.labels)
    if size and isinstance(dataset, Encoded):
        images = _read_all(dataset, on_progress, cache, on_note)
    else:
        images = dataset.images(slice(None))
    if isinstance(images, StoredPixels):
        return Part(dataset, np.arange(size), images)
    if images.dtype != np.uint8 or len(images) != size or (size and images.shape[1:] != tuple(dataset.shape)):
        raise DataError(
            f"The data set ({dataset.kind}) gives images {images.dtype} {images.shape}; expected uint8 "
            f"{(size, *dataset.shape)}, see whitesquare.testing.check_dataset."
        )
    return Part(dataset, np.arange(size), images)


def pixels_of(dataset: ImageDataset) -> Pixels:
    """Return all images of a data set, without a copy of those that are held."""
    return dataset.pixels if isinstance(dataset, Part) and dataset.pixels is not None else dataset.images(slice(None))


def _read_all(
    dataset: ImageDataset, on_progress: Progress, cache: CacheSize | None, on_note: OnNote
) -> UInt8Array | StoredPixels:
    size = len(dataset.labels)
    on_progress(_READING, 0, size)
    images: UInt8Array | StoredPixels | None = None
    for part, batch in dataset.batches(_BATCH):
        if images is None:  # asked for its shape, a data set would decode the first image for that alone
            shape = as_shape(batch.shape)
            if batch.dtype == np.uint8 and cache is not None and size * math.prod(shape) > SMALL:
                images = _stored(size, shape, cache, dataset.images, "The data set", on_note)
            else:
                check_room(size, shape, "The data set")
                images = np.empty((size, *shape), batch.dtype)
        if batch.shape[1:] != images.shape[1:] or batch.dtype != getattr(images, "dtype", np.uint8):
            return batch  # which is not what the data set says, and is refused
        if isinstance(images, StoredPixels):
            images.write(part.start, batch)
        else:
            images[part] = batch
        on_progress(_READING, part.stop, size)
    return images if images is not None else dataset.images(slice(None))


def _stored(count: int, shape: Shape, cache: CacheSize, again: Decode, where: str, on_note: OnNote) -> StoredPixels:
    """Make a file for images, and tell how many find room in it."""
    check_room(count, shape, where, in_file=True)
    stored = StoredPixels(count, shape, cache, again)
    asked = f"--cache-size {cache.most / 2**30:.1f}G, {cache.why}"
    taken = f"{count:,} images take {count * math.prod(shape) / 2**30:.1f} GiB once they are decoded"
    if stored.kept == count:
        on_note(f"{taken}; they are kept in a temporary file ({asked}).")
    else:
        on_note(
            f"{taken}; a temporary file has room for {stored.kept:,} of them ({asked}), and the others are decoded "
            "again each time that they are looked at, which takes long: give a larger --cache-size, or set TMPDIR to a "
            "larger disk."
        )
    return stored


def readable_part(
    dataset: ImageDataset,
    where: str = "the data set",
    on_progress: Progress = silent,
    *,
    cache: CacheSize | None = None,
    on_note: OnNote = unheard,
) -> tuple[ImageDataset, dict[str, str]]:
    """Decode every image once, and leave out those that cannot be read or are not like the others.

    What the others are like is decided by the most common size and colour mode of their headers, so that one odd file
    that happens to come first does not cost all the rest, and nothing else is decoded. A data set whose images are
    not decoded one by one is read whole or not at all.

    Args:
        dataset: any data set.
        where: its name, for the errors.
        on_progress: told how many images are decoded.
        cache: see :func:`held`.
        on_note: likewise.

    Returns:
        The data set without those files, its images held, and id to reason for those left out.

    Raises:
        NothingToDoError: if no file can be read.
        DataError: if they do not fit into memory.
    """
    if not isinstance(dataset, Encoded):
        return held(dataset, on_progress, cache=cache, on_note=on_note), {}
    shapes, skipped = _headers(dataset)
    left = set(range(len(dataset.ids))) - set(skipped)
    for usual, _ in Counter(alike(shape) for shape in shapes.values()).most_common():
        of_kind = [i for i in shapes if alike(shapes[i]) == usual]
        left -= set(of_kind)
        if cache is not None and len(of_kind) * math.prod(usual) > SMALL:
            shape = Counter(shapes[i] for i in of_kind).most_common(1)[0][0]
            again = _Again(dataset, shape)
            stored = _stored(len(of_kind), shape, cache, again, where, on_note)
            part = _decoded_to_file(again, of_kind, stored, skipped, on_progress)
        else:
            check_room(len(of_kind), usual, where)
            part = _decoded(dataset, of_kind, usual, skipped, on_progress)
        if part is not None:
            for i in sorted(left):
                skipped[i] = f"{UNLIKE}it is {describe(shapes[i])}, and most files are {describe(part.shape)}"
                _read(dataset, i)
            return part, {dataset.ids[i]: skipped[i] for i in sorted(skipped)}
    raise NothingToDoError(
        f"None of the {len(skipped)} files of {where} can be read as an image; the first: {skipped[min(skipped)]}"
    )


def _headers(dataset: EncodedDataset) -> tuple[dict[int, Shape], dict[int, str]]:
    """Return by position what the header of each file says, and why it cannot be read."""
    shapes: dict[int, Shape] = {}
    skipped: dict[int, str] = {}
    for i in range(len(dataset.ids)):
        try:
            shapes[i] = dataset.header(i)
        except DataError as error:
            skipped[i] = str(error)
            _read(dataset, i)
    return shapes, skipped


def _read(dataset: EncodedDataset, i: int) -> None:
    """Let whoever watches the reading see a file that is left out: it may not be the one that was signed."""
    with suppress(DataError):
        dataset.content(i)


def _decoded(
    dataset: EncodedDataset, positions: list[int], kind: Shape, skipped: dict[int, str], on_progress: Progress
) -> Part | None:
    """Decode files of which the headers are alike; ``None`` if none of them can be decoded."""
    rows = np.empty((len(positions), math.prod(kind)), np.uint8)
    found: dict[int, tuple[int, ...]] = {}
    for done, i in enumerate(positions, 1):
        try:
            image = dataset.decode(i, dataset.content(i), kind)
            rows[len(found)], found[i] = image.reshape(-1), image.shape
        except DataError as error:
            skipped[i] = str(error)
        if done % _BATCH == 0 or done == len(positions):
            on_progress(_READING, done, len(positions))
    if not found:
        return None
    usual = Counter(found.values()).most_common(1)[0][0]
    for i, shape in found.items():
        if shape != usual:
            skipped[i] = f"{UNLIKE}it is {describe(shape)}, and most files are {describe(usual)}"
    kept = [row for row, shape in enumerate(found.values()) if shape == usual]
    pixels = rows[: len(found)] if len(kept) == len(found) else rows[kept]
    return Part(dataset, np.array(list(found), np.int64)[kept], pixels.reshape(-1, *usual))


@dataclass(frozen=True)
class _Again:
    """Decodes, again, the images of which the positions were written down, in that order."""

    dataset: EncodedDataset
    shape: Shape
    order: list[int] = field(default_factory=list)

    def one(self, i: int) -> UInt8Array:
        """Decode the image at a position of the data set."""
        image = self.dataset.decode(i, self.dataset.content(i), self.shape)
        if image.shape != self.shape:
            raise DataError(f"{UNLIKE}it is {describe(image.shape)}, and most files are {describe(self.shape)}")
        return image

    def __call__(self, wanted: IntArray) -> UInt8Array:
        """Decode those that were written down."""
        return np.stack([self.one(self.order[slot]) for slot in wanted.tolist()])


def _decoded_to_file(
    again: _Again, positions: list[int], stored: StoredPixels, skipped: dict[int, str], on_progress: Progress
) -> Part | None:
    """Decode files of which the headers are alike into a file; ``None`` if none of them can be decoded."""
    batch: list[UInt8Array] = []
    few = at_a_time(stored.shape, _BATCH)
    for done, i in enumerate(positions, 1):
        try:
            batch.append(again.one(i))
            again.order.append(i)
        except DataError as error:
            skipped[i] = str(error)
        if batch and (len(batch) == few or done == len(positions)):
            stored.write(len(again.order) - len(batch), np.stack(batch))
            batch = []
        if done % _BATCH == 0 or done == len(positions):
            on_progress(_READING, done, len(positions))
    stored.cut(len(again.order))
    return Part(again.dataset, np.array(again.order, np.int64), stored) if again.order else None
