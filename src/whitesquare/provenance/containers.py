"""The samples of files that hold many: the embedded MNIST and IDX folders, read without NumPy, and .npz files.

Ids, labels and content are those that :mod:`whitesquare.data` presents; what is kept of an image is its digest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whitesquare.errors import DataError, require_extra
from whitesquare.layouts import SPLITS, expect_end, find_idx, mnist_file, open_idx, position_id, read_exactly
from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.pixels import digest_of_pixels

if TYPE_CHECKING:  # it needs NumPy
    from whitesquare.types import ImageDataset

Refuse = Callable[[str, str], None]
"""``refuse(id, reason)``: told of what a data set must not be like."""

_BATCH = 256
"""Images read at a time."""


class Row(NamedTuple):
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
        files: names of the files that were read, which are no items of their own.
    """

    splits: tuple[Samples, ...]
    classes: tuple[str, ...]
    shape: tuple[int, ...] | None
    files: frozenset[str]

    @property
    def positional(self) -> bool:
        """Whether the ids are positions."""
        return all(part.ids is None for part in self.splits)

    def rows(self) -> tuple[Iterator[Row], ...]:
        """Return the samples of each split in the order of the manifest."""
        return tuple(_rows(part, self.classes) for part in self.splits)


def read_mnist(*, pixels: bool) -> Container:
    """Read the embedded MNIST.

    Raises:
        DataError: its files are not those that were published.
    """
    return _read_idx(mnist_file, pixels=pixels, refuse=_never)


def read_idx_folder(folder: Path, *, pixels: bool, refuse: Refuse) -> Container:
    """Read IDX files under MNIST's names; a split that lacks one of its files is none.

    Raises:
        DataError: a file is damaged, or the files do not match.
    """

    def find(split: str, part: str) -> Path | None:
        return find_idx(folder, split, part)

    return _read_idx(find, pixels=pixels, refuse=refuse)


def read_npz(paths: dict[str, Path], *, pixels: bool, refuse: Refuse) -> Container:
    """Read .npz files, one for each split; needs NumPy.

    Raises:
        DataError: a file is damaged, or is no data set.
        MissingDependencyError: there is no NumPy.
    """
    require_extra("numpy", "scan", "an .npz file")
    from whitesquare.data.arrays import load_npz

    splits, maps, shapes = [], {}, {}
    for split, path in paths.items():
        _no_link(path, refuse)
        dataset = load_npz(path, split)
        maps[path.name], shapes[path.name] = dataset.classes, dataset.pixels.shape[1:]
        splits.append(_samples(dataset, split, dataset.pixels.shape[1:], pixels=pixels))
    classes = max(maps.values(), key=len, default=())
    for name, found in maps.items():
        if found != classes[: len(found)]:
            refuse(name, f"has other classes than the other split: {', '.join(found)!r:.80}")
            classes += tuple(one for one in found if one not in classes)
    return Container(
        tuple(splits), classes, _one_shape(shapes, refuse), frozenset(path.name for path in paths.values())
    )


def in_byte_order(count: int) -> Iterator[int]:
    """Tell the positions below ``count`` as their ids are sorted: 10000, 100000, 100001, ..., 10001, ..."""
    for position in range(min(count, 100_000)):
        yield from _with_longer(position, count)


def _with_longer(position: int, count: int) -> Iterator[int]:
    yield position
    if position >= 10_000:  # a shorter number is padded to five digits, and none begins with zeros and is longer
        for longer in range(10 * position, min(10 * position + 10, count)):
            yield from _with_longer(longer, count)


def _rows(part: Samples, classes: Sequence[str]) -> Iterator[Row]:
    ids, split, size = part.ids, part.split, part.size
    order = in_byte_order(len(part.labels)) if ids is None else sorted(range(len(ids)), key=ids.__getitem__)
    for position in order:
        name = position_id(split, position) if ids is None else ids[position]
        label, place = classes[part.labels[position]], slice(32 * position, 32 * position + 32)
        digest = part.digests[place]
        yield Row(name, split, label, size, digest, leaf_of(name, label, split, size, digest), part.pixels[place])


def _read_idx(find: Callable[[str, str], Path | None], *, pixels: bool, refuse: Refuse) -> Container:
    splits, files, shapes = [], set(), {}
    top = 0
    for split in SPLITS:
        images, names = find(split, "images"), find(split, "labels")
        if names is None:
            continue
        _no_link(names, refuse)
        labels = _labels(names)
        top = max(top, max(labels, default=0))
        if images is None:
            continue
        _no_link(images, refuse)
        shapes[images.name], digests, seen = _image_digests(images, len(labels), pixels=pixels)
        splits.append(Samples(split, None, labels, shapes[images.name][1] * shapes[images.name][2], digests, seen))
        files |= {images.name, names.name}
    classes = tuple(str(label) for label in range(top + 1))
    return Container(tuple(splits), classes, _one_shape(shapes, refuse), frozenset(files))


def _labels(path: Path) -> bytes:
    with open_idx(path) as (shape, stream):
        if len(shape) != 1:
            raise DataError(f"{path} holds images, expected labels; check that the files were not swapped.")
        labels = read_exactly(stream, shape[0], "data", path)
        expect_end(stream, shape[0], path)
    return labels


def _image_digests(path: Path, count: int, *, pixels: bool) -> tuple[tuple[int, ...], bytes, bytes]:
    """Return ``(C, H, W)``, the digests of the images, and those of their pixels."""
    digests, seen = bytearray(), bytearray()
    with open_idx(path) as (found, stream):
        if len(found) != 3 or found[0] != count:
            raise DataError(
                f"{path} holds an array of the shape {found}, expected {count} images, one for each label; take both "
                "files from the same source."
            )
        shape, size = (1, *found[1:]), found[1] * found[2]
        for start in range(0, count, _BATCH):
            data = read_exactly(stream, min(_BATCH, count - start) * size, "data", path)
            images = [data[begin : begin + size] for begin in range(0, len(data), size)]
            digests += b"".join([sha256(image).digest() for image in images])
            if pixels:
                seen += b"".join([digest_of_pixels(shape, image) for image in images])
        expect_end(stream, count * size, path)
    return shape, bytes(digests), bytes(seen)


def _samples(dataset: "ImageDataset", split: str, shape: tuple[int, ...], *, pixels: bool) -> Samples:
    digests, seen = bytearray(), bytearray()
    for position in range(len(dataset.ids)):
        content = dataset.content(position)
        digests += sha256(content).digest()
        if pixels:
            seen += digest_of_pixels(shape, content)
    positional = all(name == position_id(split, position) for position, name in enumerate(dataset.ids))
    ids = None if positional else dataset.ids
    size = shape[0] * shape[1] * shape[2]
    return Samples(split, ids, dataset.labels.tolist(), size, bytes(digests), bytes(seen))


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
