"""The ``.npz`` files that data sets are kept in: read once, hashed on the way, and never unpacked unseen."""

import math
import os
import tokenize
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.files import whole_file
from whitesquare._base.streams import (
    MOST_BYTES,
    MOST_OF_ONE,
    HashedFile,
    Readable,
    most_images,
    most_text,
    most_unpacked,
)
from whitesquare.data.layouts import NPZ
from whitesquare.data.members import MemberStream, read_members
from whitesquare.data.npy import Announced, read_head
from whitesquare.data.room import check_room
from whitesquare.data.sources.arrays import ArrayDataset, as_nchw, check_labels, check_whole, from_arrays
from whitesquare.data.sources.npz_text import strings_of, text_of
from whitesquare.data.sources.objects.numbers import not_bytes
from whitesquare.data.zips import Archive, read_archive, refusal
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset, UInt8Array

MEMBERS = ("images", "labels", "ids", "classes", "layout")
"""What an ``.npz`` file may hold; the first two it must."""
MAX_BYTES = MOST_BYTES
"""Most that is decoded from an ``.npz`` file, all its members together."""

TakeImages = Callable[[UInt8Array], None]
"""Told ``(B, C, H, W)`` images, in order; it must not keep them."""

_REFUSED = {"images": "biuf", "labels": "f"}
"""Kinds of numbers that are looked at before they are refused; images of uint8 are not."""
_SEEN = 2**26
"""Bytes of the images that are looked at then."""
_MOST = {"classes": 2**26, "layout": 2**10}
"""Most bytes of a member that is no array of numbers."""
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    RuntimeError,
    SyntaxError,  # numpy reads a header as Python literals
    tokenize.TokenError,
    MemoryError,  # what Python's parser raises for a header nested too deep
    zlib.error,
)
_CHUNK = 2**20


def load_npz(path: Path, split: str = "train") -> ArrayDataset:
    """Read a data set from an ``.npz`` file.

    It needs ``images`` and ``labels`` as :func:`from_arrays` takes them and may hold ``ids``, ``classes``
    (strings) and ``layout``, each under its name with ``.npy`` and once. Anything else that other programs could read
    in its place is refused: other members, bytes that belong to no member, two ways to read one. Object arrays are
    never decoded.

    Args:
        path: the file.
        split: first part of the default ids.

    Raises:
        UsageError: if there is no such file.
        DataError: if it is damaged, too large, ambiguous or not a data set.
    """
    return read_npz(path, split)


def read_npz(
    path: Path, split: str = "train", *, take: TakeImages | None = None, most: int = MOST_BYTES
) -> ArrayDataset:
    """Read a data set as :func:`load_npz` does, or hand out its images as they are read, and hold none.

    Args:
        path: the file.
        split: first part of the default ids.
        take: told the images; those of the data set that is returned are black then.
        most: bytes that the images may announce.

    Raises:
        UsageError: if there is no such file.
        DataError: if it is damaged, too large, ambiguous or not a data set.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            archive = read_archive(file, size, path, [f"{name}.npy" for name in MEMBERS])
            announced, layout = _announce(file, archive, size, most, path)
            file.seek(0)
            hashed = HashedFile(file)
            found = _read_all(hashed, archive, announced, layout, take, path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the path.") from error
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as .npz ({reason}); write or copy it again.") from error
    dataset = from_arrays(
        found["images"],
        found["labels"],
        classes=strings_of(found, "classes", path),
        ids=strings_of(found, "ids", path),
        split=split,
        where=str(path),
        layout=layout,
    )
    return replace(dataset, containers=(hashed.told(path.name),), kind=NPZ)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read some arrays of an ``.npz`` file, whatever else it holds; arrays of objects are refused, and never decoded.

    Raises:
        DataError: it is damaged, too large, or holds no plain arrays of these names.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            limit = min(MAX_BYTES, max(size, most_unpacked(size)))
            for member in read_archive(file, size, path).members:
                if (name := member.name.removesuffix(".npy")) in names:
                    file.seek(member.start)
                    stream = MemberStream(file, member, path)
                    one = read_head(stream, member.size, name, limit, most_images(size), path)
                    check_room(math.prod(one.shape[:1]), one.shape[1:], str(path))
                    found[name] = _array(one, _content(stream, one.bytes))
                    stream.finish()
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as .npz ({reason}); write or copy it again.") from error
    return found


def write_npz(path: Path, dataset: ImageDataset) -> None:
    """Write a data set to a compressed ``.npz`` file that :func:`load_npz` reads back identically.

    The file is written whole or not at all, and depends on nothing but the data set.

    Args:
        path: the file; its folder is made if need be.
        dataset: any data set.
    """
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            images=dataset.images(slice(None)),
            labels=dataset.labels,
            ids=np.array(dataset.ids, dtype=np.str_),
            classes=np.array(dataset.classes, dtype=np.str_),
            layout=np.array("NCHW"),
        )


def _announce(
    file: BinaryIO, archive: Archive, size: int, most: int, path: Path
) -> tuple[dict[str, Announced], str | None]:
    """Read what every member says of itself, and the layout, and refuse what does not fit before more is read."""
    announced, layout = {}, None
    most_of = _MOST | {"ids": most_text(size)}
    for member in archive.members:
        file.seek(member.start)
        stream, name = MemberStream(file, member, path), member.name.removesuffix(".npy")
        limit = min(MAX_BYTES, most_of.get(name, MAX_BYTES))
        announced[name] = read_head(stream, member.size, name, limit, most_images(size), path)
        if name == "layout":
            layout = str(text_of(_array(announced[name], stream.read(announced[name].bytes)), name, path))
    if missing := [name for name in MEMBERS[:2] if name not in announced]:
        raise DataError(
            f"{path} has no member {missing[0]!r} (found: {', '.join(sorted(announced)) or 'none'}); "
            "expected 'images' and 'labels', so use numpy.savez(path, images=..., labels=...)."
        )
    images, labels = announced["images"], announced["labels"]
    _check_sizes(announced, size, most, path)
    _check_numbers(file, archive, announced, path)
    black = np.broadcast_to(np.zeros((), images.dtype), images.shape)
    count = len(as_nchw(black, layout, str(path)))
    check_labels(labels.shape, labels.dtype, count, str(path))
    if "ids" in announced and (shape := announced["ids"].shape) != (count,) and len(shape) == 1:
        raise DataError(
            f"{path}: found {shape[0]} sample ids for {count} images; expected one each, so correct the ids."
        )
    return announced, layout


def _check_numbers(file: BinaryIO, archive: Archive, announced: dict[str, Announced], path: Path) -> None:
    """Look at images and labels that are refused for their numbers, so that the call is said which mends them."""
    for member in archive.members:
        name = member.name.removesuffix(".npy")
        one = announced[name]
        if one.dtype == np.uint8 or one.dtype.kind not in _REFUSED.get(name, "") or not one.bytes:
            continue
        file.seek(member.start)
        stream = MemberStream(file, member, path)
        stream.read(len(one.head))
        most = one.bytes if name == "labels" else min(one.bytes, _SEEN)
        found = np.frombuffer(_content(stream, most - most % one.dtype.itemsize), one.dtype)
        if name == "images":
            raise not_bytes(found, str(path), name)
        check_whole(found, str(path))


def _check_sizes(announced: dict[str, Announced], size: int, most: int, path: Path) -> None:
    """Refuse a bomb: what cannot be honest for a file of that size, or was not announced when it was signed."""
    total, images = sum(one.bytes for one in announced.values()), announced["images"]
    for found, limit in ((total, min(MAX_BYTES, max(size, most_unpacked(size)))), (images.bytes, most)):
        if found > limit:
            raise DataError(
                f"{path}: its members declare {found} bytes, expected at most {limit} of this file; where that is "
                "right, save it with numpy.savez, which does not compress, or use class folders."
            )
    if images.shape and (images.shape[0] > most_images(size) or math.prod(images.shape[1:]) > MOST_OF_ONE):
        raise DataError(
            f"{path}: 'images' declares the shape {images.shape}, expected at most {most_images(size)} images of at "
            f"most {MOST_OF_ONE} bytes in a file of {size} bytes; split the data set, or use class folders."
        )


def _read_all(
    file: Readable,
    archive: Archive,
    announced: dict[str, Announced],
    layout: str | None,
    take: TakeImages | None,
    path: Path,
) -> dict[str, NDArray[Any]]:
    """Read all members from the first byte of the file to its last."""
    found: dict[str, NDArray[Any]] = {}
    for member, stream in read_members(file, archive, path):
        name = member.name.removesuffix(".npy")
        one = announced[name]
        if stream.read(len(one.head)) != one.head:
            raise refusal(path, "it was changed while it was read")
        if name == "images" and take is not None:
            _hand_out(one, stream, layout, take, path)
            found[name] = np.broadcast_to(np.zeros((), one.dtype), one.shape)
        else:
            found[name] = _array(one, _content(stream, one.bytes))
    if "layout" in found and str(text_of(found["layout"], "layout", path)) != layout:
        raise refusal(path, "it was changed while it was read")
    return found


def _hand_out(one: Announced, stream: Readable, layout: str | None, take: TakeImages, path: Path) -> None:
    count, shape = one.shape[0], one.shape[1:]
    each = math.prod(shape)
    some = max(1, _CHUNK // each)
    if one.fortran and len(one.shape) > 1:  # the first pixel of every image comes first
        whole = _array(one, _content(stream, one.bytes))
        for start in range(0, count, some):
            take(as_nchw(whole[start : start + some], layout, str(path)))
        return
    for start in range(0, count, some):
        wanted = min(some, count - start)
        data = _content(stream, wanted * each)
        take(as_nchw(np.frombuffer(data, np.uint8).reshape(wanted, *shape), layout, str(path)))


def _content(stream: Readable, count: int) -> bytearray:
    """Read that many bytes; memory is taken as they come, whatever was announced."""
    data = bytearray()
    while len(data) < count and (some := stream.read(min(_CHUNK, count - len(data)))):
        data += some
    if len(data) < count:
        raise EOFError(f"found {len(data)} bytes of an array of {count}")
    return data


def _array(one: Announced, data: bytes | bytearray) -> NDArray[Any]:
    if not one.bytes:
        return np.zeros(one.shape, one.dtype)
    return np.frombuffer(data, one.dtype).reshape(one.shape, order="F" if one.fortran else "C")
