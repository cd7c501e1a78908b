"""WebDataset's tar files: the members of a sample share a key, lie together, and one of them is its image.

Opening reads the headers of all members, and what stands as labels, from the first byte to the last; images are read
one by one when they are asked for.
"""

import shutil
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path

from whitesquare.data.copying import as_bytes
from whitesquare.data.decode import header_shape
from whitesquare.data.layouts import MAX_IMAGE_BYTES
from whitesquare.data.numbered import gaps_in
from whitesquare.data.rows import LabelColumn
from whitesquare.data.shards import Shards
from whitesquare.data.sources.folder import ImageFolder
from whitesquare.data.sources.lists import join_labels
from whitesquare.data.states import FileState, changed, check_state, state_of
from whitesquare.data.tar_samples import (
    MOST_LABEL,
    TEXT,
    check_member,
    image_of,
    label_of,
    object_of,
    samples_of,
    text_of,
)
from whitesquare.data.tars import opened_tar
from whitesquare.errors import DataError, UsageError
from whitesquare.records import Progress, silent
from whitesquare.types import IntArray, Shape

_CHUNK = 2**20


@dataclass
class Places:
    """Where the samples of one tar file lie.

    Attributes:
        size: of the file.
        state: of it when it was opened; ``None`` where a process on another machine did that.
        ids: of the samples: the name of the file, and that of the image in it.
        spans: four numbers for each sample: where it begins, its headers included, where it ends, where the bytes of
            its image begin, and how many they are.
        unread: what other members are called.
    """

    size: int
    state: FileState | None = None
    ids: list[str] = field(default_factory=list, repr=False)
    spans: "array[int]" = field(default_factory=lambda: array("q"), repr=False)
    unread: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False, kw_only=True)
class TarImages(ImageFolder):
    """An :class:`~whitesquare.types.EncodedDataset` of images in tar files; build it with :func:`load_tar`.

    Attributes:
        shards: the files.
        places: for each of them, where its samples lie.
        last: position after the last sample of each.
    """

    shards: Shards
    places: tuple[Places, ...]
    last: tuple[int, ...]

    def content(self, i: int) -> bytes:
        """Return the bytes of the image file.

        Raises:
            IndexError: there is no such position.
            DataError: it is too large, or the tar file cannot be read.
            ChangedError: the tar file was changed since it was opened.
        """
        position = range(len(self.ids))[i]
        shard = bisect_right(self.last, position)
        path, places = self.shards.files[shard], self.places[shard]
        at = 4 * (position - (self.last[shard] - len(places.ids)))
        start, count = places.spans[at + 2 : at + 4]
        if count > MAX_IMAGE_BYTES:
            raise DataError(f"{self.root / self.ids[position]} has more than the {MAX_IMAGE_BYTES} bytes of an image.")
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(start)
                found = file.read(count)
                size = state_of(file.fileno())[0]
                check_state(file.fileno(), places.state, path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error
        if size != places.size or len(found) != count:
            raise changed(path)
        return found

    def header(self, i: int) -> Shape:
        """Return the shape that the header of an image says; height and width may still change places.

        Raises:
            DataError: see :func:`whitesquare.data.decode.decode_image`.
        """
        return header_shape(self.root / self.ids[i], self.content(i))

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`rewrite` makes."""
        return tuple({self.shards.name_of(path).partition("/")[0] for path in self.shards.files})

    def rewrite(self, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
        """Write the same tar files without the members of the other samples; all else stays as it is.

        Raises:
            ChangedError: one was changed since it was opened.
        """
        keep = as_bytes(positions, len(self.ids))
        for path, places, last in zip(self.shards.files, self.places, self.last, strict=True):
            first = last - len(places.ids)
            gone = [i for i in range(len(places.ids)) if not keep[first + i]]
            target = folder / self.shards.name_of(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            begins = [0, *(places.spans[4 * i + 1] for i in gone)]
            ends = [*(places.spans[4 * i] for i in gone), places.size]
            with path.open("rb") as file, target.open("wb") as out:
                for begin, end in zip(begins, ends, strict=True):
                    file.seek(begin)
                    for at in range(begin, end, _CHUNK):
                        out.write(file.read(min(_CHUNK, end - at)))
                check_state(file.fileno(), places.state, path)
            shutil.copymode(path, target)
            on_progress("copying", min(last, len(positions)), len(positions))

    def check_unchanged(self) -> None:
        """Compare all files with those that were opened.

        Raises:
            ChangedError: one is another, is gone, or somebody wrote to it.
        """
        for path, places in zip(self.shards.files, self.places, strict=True):
            check_state(path, places.state, path)

    def rewrite_as(
        self, folder: Path, positions: IntArray, labels: Mapping[int, int], on_progress: Progress = silent
    ) -> dict[int, str]:
        """Write the same tar files; a label in them is not changed.

        Raises:
            UsageError: one is to be.
        """
        if labels:
            raise UsageError(
                f"{self.shards.said} keep their labels in members, which are written as they are; write another form "
                "with --format, such as png-folder, or correct the members by hand and scan again."
            )
        self.rewrite(folder, positions, on_progress)
        return {}


def load_tar(splits: dict[str, Shards], split: str) -> TarImages:
    """Read the headers and labels of tar files; no image is read yet.

    Args:
        splits: see :func:`whitesquare.data.shards.shards_of`; classes are those of all, so that labels agree.
        split: which of them.

    Raises:
        DataError: a file is damaged, or its members are no samples with one image and one label each.
    """
    if split not in splits:
        raise DataError(
            f"{next(iter(splits.values())).said} has no {split} split with it; expected files named so, so add "
            "them, or use the other split."
        )
    columns: dict[str, list[LabelColumn]] = {}
    kept: list[Places] = []
    label = ""
    for one, shards in splits.items():
        columns[one] = []
        for path in shards.files:
            column = LabelColumn(path)
            places, label = _read(path, shards, label or shards.label, column)
            columns[one].append(column)
            if one == split:
                kept.append(places)
    shards = splits[split]
    labels, classes = join_labels(columns, split, shards.files[0])
    count = sum(len(column.codes) for of_split in columns.values() for column in of_split)
    if label == TEXT and not shards.label and 2 * len(classes) > count:
        raise DataError(
            f"{shards.files[0]} has no .cls and no .json with a label, and its .txt are nearly all different, as "
            f"captions are; expected classes, so give the member as tar:{shards.files[0]}?label=MEMBER, or add .cls."
        )
    return TarImages(
        root=shards.base,
        classes=classes,
        ids=tuple(chain.from_iterable(one.ids for one in kept)),
        labels=labels,
        kind="webdataset",
        told=(*_told(shards, label, kept), *gaps_in(shards.files), *_empty(shards, kept)),
        shards=shards,
        places=tuple(kept),
        last=tuple(accumulate(len(one.ids) for one in kept)),
    )


def _told(shards: Shards, label: str, places: list[Places]) -> tuple[str, ...]:
    member, _, key = label.partition(":")
    what = f"the field {key!r} of the members .{member}" if key else f"the members .{member}"
    told = f"Labels come from {what} of {shards.said}."
    others = ", ".join(f".{name}" for name in sorted(set().union(*(one.unread for one in places))))
    return (told, f"Other members are not read: {others}.") if others else (told,)


def _empty(shards: Shards, places: list[Places]) -> tuple[str, ...]:
    names = [shards.name_of(path) for path, one in zip(shards.files, places, strict=True) if not one.ids]
    more = ", ..." if len(names) > 1 else ""
    return (f"{len(names)} of {shards.said} hold no sample ({names[0]}{more}).",) if names else ()


def _members(parts: "dict[str, tuple[int, int]]") -> str:
    return ", ".join(f".{name}" for name in parts)


def _read(path: Path, shards: Shards, label: str, column: LabelColumn) -> tuple[Places, str]:
    """Read one tar file; return where its samples lie, and which member is the label."""
    with opened_tar(path) as data:
        places = Places(data.size, data.state)
        prefix = f"{shards.name_of(path)}/"
        known: set[str] = set()
        images: dict[tuple[str, ...], str] = {}
        texts: dict[bytes, str] = {}
        member, field_name = "", ""
        for key, parts, begin, end in samples_of(data, path):
            if key in known:
                raise DataError(
                    f"{path}: two samples have the key {key!r}, the second of {_members(parts)}; expected one each, "
                    "its members one after the other, so rename one, or take the wrong one out."
                )
            known.add(key)
            kind = tuple(parts)
            if kind not in images:
                label = label or label_of(key, parts, data, path)
                member, _, field_name = label.partition(":")
                images[kind] = image_of(key, parts, shards, path)
                check_member(member, key, parts, path)
                places.unread.update(parts.keys() - {member, images[kind]})
            start, size = parts[member]
            content = data.get(start, min(size, MOST_LABEL))
            if field_name:
                column.take(object_of(content, key, path).get(field_name))
            else:
                column.take(texts.get(content) or texts.setdefault(content, text_of(content, key, path)))
            image = images[kind]
            places.ids.append(f"{prefix}{key}.{image}")
            places.spans.extend((begin, end, *parts[image]))
    return places, label
