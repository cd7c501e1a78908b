"""The samples of files that hold many: MNIST, IDX and CIFAR folders, read without NumPy, and .npz files."""

import math
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare._base.streams import MOST_BYTES, FileDigest
from whitesquare.data.cifar_files import PIXELS, SHAPE, count_records, find_cifar, read_names, read_records
from whitesquare.data.layouts import (
    CIFAR,
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
from whitesquare.provenance.container_rows import Container, Samples
from whitesquare.provenance.pixels import digest_of_pixels

if TYPE_CHECKING:  # they need NumPy
    from whitesquare.types import ImageDataset, UInt8Array

Refuse = Callable[[str, str], None]
"""``refuse(id, reason)``: told of what a data set must not be like."""

_BATCH = 256
"""Images read at a time."""
_CHUNK = 2**22
"""Bytes read at a time, if an image has no more."""


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


def read_cifar_folder(folder: Path, kind: str, *, pixels: bool, refuse: Refuse, most: int = MOST_BYTES) -> Container:
    """Read CIFAR's binary files.

    Args:
        folder: where they lie.
        kind: which of :data:`whitesquare.data.layouts.CIFAR` they are.
        pixels: digest the pixels, too.
        refuse: told of what must not be.
        most: bytes that the images of a split may have.

    Raises:
        DataError: a file is missing, damaged or too large.
    """
    _no_link(folder / CIFAR[kind].names, refuse)
    classes, of_names = read_names(folder, kind)
    files = {} if of_names is None else {of_names.name: of_names}
    splits = []
    for split in SPLITS:
        if not (paths := find_cifar(folder, kind, split)):
            continue
        for path in paths:
            _no_link(path, refuse)
        digests, labels = _Digests(pixels), bytearray()

        def take(some: bytes, records: bytes, digests: _Digests = digests, labels: bytearray = labels) -> None:
            size = len(records) // len(some)
            images = (records[end - PIXELS : end] for end in range(size, len(records) + 1, size))
            digests.add(SHAPE, b"".join(images))
            labels.extend(some)

        for path, count in zip(paths, count_records(paths, kind, most), strict=True):
            files[path.name] = read_records(path, kind, count, len(classes), take)
        splits.append(Samples(split, None, bytes(labels), PIXELS, bytes(digests.content), bytes(digests.seen)))
    return Container(tuple(splits), classes, SHAPE, files)


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
