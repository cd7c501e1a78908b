"""The samples of files that hold many: the embedded MNIST and IDX folders, read without NumPy, and .npz files.

Ids, labels and content are those that :mod:`whitesquare.data` presents; what is kept of an image is its digest.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whitesquare._base.streams import MOST_BYTES, FileDigest
from whitesquare.data.layouts import (
    MNIST_SHA256,
    SPLITS,
    expect_end,
    find_idx,
    mnist_file,
    open_idx,
    position_id,
    read_exactly,
)
from whitesquare.errors import DataError, require_extra
from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.pixels import digest_of_pixels

if TYPE_CHECKING:  # they need NumPy
    from whitesquare.types import ImageDataset, UInt8Array

Refuse = Callable[[str, str], None]
"""``refuse(id, reason)``: told of what a data set must not be like."""

_BATCH = 256
"""Images read at a time."""
_CHUNK = 2**22
"""Bytes read at a time, if an image has no more."""


class SampleRow(NamedTuple):
    """An item, its leaf with it; rows compare as they follow each other in a manifest."""

    id: str
    split: str
    label: str
    size: int
    digest: bytes
    leaf: bytes
    pixels: bytes


@dataclass(frozen=True)
class Samples:
    """The samples of one split, by position.

    Attributes:
        split: its name.
        ids: of the samples; ``None`` where they are positions.
        labels: of the samples.
        size: bytes of each.
        digests: 32 bytes for each.
        pixels: likewise, or empty.
    """

    split: str
    ids: Sequence[str] | None
    labels: Sequence[int]
    size: int
    digests: bytes
    pixels: bytes


@dataclass(frozen=True)
class Container:
    """What the files of a data set hold.

    Attributes:
        splits: those that are there.
        classes: class names by label.
        shape: ``(C, H, W)`` of every image; ``None`` without a split.
        files: by name, those that were read: each is an item of its own, of no class and no split.
    """

    splits: tuple[Samples, ...]
    classes: tuple[str, ...]
    shape: tuple[int, ...] | None
    files: dict[str, FileDigest]

    @property
    def positional(self) -> bool:
        """Whether the ids are positions."""
        return all(part.ids is None for part in self.splits)

    def rows(self) -> tuple[Iterator[SampleRow], ...]:
        """Return the samples of each split in the order of the manifest."""
        return tuple(_rows(part, self.classes) for part in self.splits)

    def file_rows(self, *, pixels: bool) -> Iterator[SampleRow]:
        """Return the files in the order of the manifest."""
        seen = bytes(32) if pixels else b""
        for name, size, digest in sorted(self.files.values()):
            yield SampleRow(name, "", "", size, digest, leaf_of(name, "", "", size, digest), seen)


def read_mnist(*, pixels: bool) -> Container:
    """Read the embedded MNIST; its files are no items, for they are a part of this package, which knows their digests.

    Raises:
        DataError: its files are not those that were published.
    """
    found = _read_idx(mnist_file, pixels=pixels, refuse=_never, most=MOST_BYTES)
    for name, (_, _, digest) in found.files.items():
        if digest.hex() != MNIST_SHA256[name]:
            raise DataError(f"The embedded file {name} was changed while it was read; reinstall whitesquare.")
    return replace(found, files={})


def read_idx_folder(folder: Path, *, pixels: bool, refuse: Refuse, most: int = MOST_BYTES) -> Container:
    """Read IDX files under MNIST's names; a split that lacks one of its files is none.

    Args:
        folder: where they lie.
        pixels: digest the pixels, too.
        refuse: told of what must not be.
        most: bytes that a file may announce.

    Raises:
        DataError: a file is damaged, or the files do not match.
    """

    def find(split: str, part: str) -> Path | None:
        return find_idx(folder, split, part)

    return _read_idx(find, pixels=pixels, refuse=refuse, most=most)


def read_npz(paths: dict[str, Path], *, pixels: bool, refuse: Refuse, most: int = MOST_BYTES) -> Container:
    """Read .npz files, one for each split, and hold none of their images; needs NumPy.

    Args:
        paths: by split.
        pixels: digest the pixels, too.
        refuse: told of what must not be.
        most: bytes that the images of a file may announce.

    Raises:
        DataError: a file is damaged, or is no data set.
        MissingDependencyError: there is no NumPy.
    """
    require_extra("numpy", "scan", "an .npz file")
    from whitesquare.data.sources import npz

    splits, maps, shapes = [], {}, {}
    files: dict[str, FileDigest] = {}
    for split, path in paths.items():
        _no_link(path, refuse)
        digests = _Digests(pixels)
        dataset = npz.read_npz(path, split, take=digests.take, most=most)
        maps[path.name], shapes[path.name] = dataset.classes, dataset.pixels.shape[1:]
        splits.append(_samples(dataset, split, digests))
        files |= {file.name: file for file in dataset.containers}
    classes = max(maps.values(), key=len, default=())
    for name, found in maps.items():
        if found != classes[: len(found)]:
            refuse(name, f"has other classes than the other split: {', '.join(found)!r:.80}")
            classes += tuple(one for one in found if one not in classes)
    return Container(tuple(splits), classes, _one_shape(shapes, refuse), files)


def in_byte_order(count: int) -> Iterator[int]:
    """Tell the positions below ``count`` as their ids are sorted: 10000, 100000, 100001, ..., 10001, ..."""
    for position in range(min(count, 100_000)):
        yield from _with_longer(position, count)


def _with_longer(position: int, count: int) -> Iterator[int]:
    yield position
    if position >= 10_000:  # a shorter number is padded to five digits, and none begins with zeros and is longer
        for longer in range(10 * position, min(10 * position + 10, count)):
            yield from _with_longer(longer, count)


def _rows(part: Samples, classes: Sequence[str]) -> Iterator[SampleRow]:
    ids, split, size = part.ids, part.split, part.size
    order = in_byte_order(len(part.labels)) if ids is None else sorted(range(len(ids)), key=ids.__getitem__)
    for position in order:
        name = position_id(split, position) if ids is None else ids[position]
        label, place = classes[part.labels[position]], slice(32 * position, 32 * position + 32)
        digest = part.digests[place]
        yield SampleRow(name, split, label, size, digest, leaf_of(name, label, split, size, digest), part.pixels[place])


def _read_idx(find: Callable[[str, str], Path | None], *, pixels: bool, refuse: Refuse, most: int) -> Container:
    splits, shapes = [], {}
    files: dict[str, FileDigest] = {}
    top = 0
    for split in SPLITS:
        images, names = find(split, "images"), find(split, "labels")
        if names is None:
            continue
        _no_link(names, refuse)
        labels, of_labels = _labels(names)
        top = max(top, max(labels, default=0))
        if images is None:
            continue
        _no_link(images, refuse)
        digests = _Digests(pixels)
        shapes[images.name], of_images = _digest_images(images, len(labels), digests, most)
        size = shapes[images.name][1] * shapes[images.name][2]
        splits.append(Samples(split, None, labels, size, bytes(digests.content), bytes(digests.seen)))
        files |= {images.name: of_images, names.name: of_labels}
    classes = tuple(str(label) for label in range(top + 1))
    return Container(tuple(splits), classes, _one_shape(shapes, refuse), files)


def _labels(path: Path) -> tuple[bytes, FileDigest]:
    with open_idx(path) as (shape, stream, file):
        if len(shape) != 1:
            raise DataError(f"{path} holds images, expected labels; check that the files were not swapped.")
        labels = read_exactly(stream, shape[0], "data", path)
        expect_end(stream, shape[0], path)
    return labels, file.told(path.name)


class _Digests:
    """Digests of images as they come, and of their pixels if these are asked for."""

    def __init__(self, pixels: bool) -> None:
        self.content, self.seen = bytearray(), bytearray()
        self._pixels = pixels

    def add(self, shape: tuple[int, ...], data: bytes) -> None:
        """Digest images of one shape that follow each other."""
        size = shape[0] * shape[1] * shape[2]
        images = [data[begin : begin + size] for begin in range(0, len(data), size)]
        self.content += b"".join([sha256(image).digest() for image in images])
        if self._pixels:
            self.seen += b"".join([digest_of_pixels(shape, image) for image in images])

    def take(self, images: "UInt8Array") -> None:
        """Digest ``(B, C, H, W)`` images."""
        self.add(tuple(map(int, images.shape[1:])), images.tobytes())


def _digest_images(path: Path, count: int, digests: _Digests, most: int) -> tuple[tuple[int, ...], FileDigest]:
    """Return ``(C, H, W)``, and the file as it was read."""
    with open_idx(path, most) as (found, stream, file):
        if len(found) != 3 or found[0] != count:
            raise DataError(
                f"{path} holds an array of the shape {found}, expected {count} images, one for each label; take both "
                "files from the same source."
            )
        shape, size = (1, *found[1:]), found[1] * found[2]
        some = max(1, min(_BATCH, _CHUNK // size))
        for start in range(0, count, some):
            digests.add(shape, read_exactly(stream, min(some, count - start) * size, "data", path))
        expect_end(stream, count * size, path)
    return shape, file.told(path.name)


def _samples(dataset: "ImageDataset", split: str, digests: _Digests) -> Samples:
    positional = all(name == position_id(split, position) for position, name in enumerate(dataset.ids))
    ids = None if positional else dataset.ids
    size = math.prod(map(int, dataset.images(slice(0)).shape[1:]))
    return Samples(split, ids, dataset.labels.tolist(), size, bytes(digests.content), bytes(digests.seen))


def _one_shape(shapes: dict[str, tuple[int, ...]], refuse: Refuse) -> tuple[int, ...] | None:
    first = next(iter(shapes.values()), None)
    for name, shape in shapes.items():
        if shape != first:
            refuse(name, f"holds images of the shape {shape}, the other split of {first}")
    return None if first is None else tuple(int(size) for size in first)


def _no_link(path: Path, refuse: Refuse) -> None:
    if path.is_symlink():
        refuse(path.name, "is a symbolic link")


def _never(id: str, reason: str) -> None:
    """Refuse nothing."""
