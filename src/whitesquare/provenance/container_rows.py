"""The rows of a manifest that containers give: their samples, by position or by id, and they themselves.

Ids, labels and content are those that :mod:`whitesquare.data` presents; what is kept of an image is its digest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from whitesquare._base.streams import FileDigest
from whitesquare.data.layouts import position_id
from whitesquare.provenance.merkle import leaf_of


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
