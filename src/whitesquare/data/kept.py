"""Arrays in files that are whole or absent, and that tell by their digest whether they are what was written.

A file begins with a line that names its form, the length of a header, the SHA-256 of the file's name and this header,
and the header as JSON: for each array its type, shape and place, what else is said, and the SHA-256 of all that
follows. So a file that took the place of another one is not taken for it. Nothing in it can be executed, and its parts
can be read without the whole.
"""

import errno
import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.files import whole_file
from whitesquare.errors import UnfinishedError
from whitesquare.types import IntArray

_MAGIC = b"whitesquare kept 2\n"
_SUM = 32
_ALIGNED = 64
_TYPES = ("uint8", "int32", "int64", "uint32", "float16", "float32", "float64", "bool")
_CHUNK = 2**22
_MOST_HEADER = 2**28


@dataclass(frozen=True)
class ArrayFile:
    """A file of arrays, of which the header was read.

    Attributes:
        path: where it lies.
        said: what was said beside the arrays, as JSON has it.
        layout: by name the type, shape and first byte of each array.
        begin: first byte behind the header.
        digest: SHA-256 of what follows it, as the header says.
    """

    path: Path
    said: dict[str, Any]
    layout: dict[str, tuple[str, tuple[int, ...], int]]
    begin: int
    digest: str

    def array(self, name: str) -> NDArray[Any]:
        """Read an array into memory.

        Raises:
            UnfinishedError: the file was cut since its header was read.
        """
        kind, shape, first = self.layout[name]
        count = math.prod(shape)
        found = np.fromfile(self.path, kind, count, offset=first)
        if len(found) != count:
            raise _cut(self.path)
        return found.reshape(shape)

    def rows(self, name: str, index: IntArray | slice) -> NDArray[Any]:
        """Read some rows of an array into memory, and nothing else of it."""
        return np.array(self.view(name)[index])

    def view(self, name: str) -> NDArray[Any]:
        """Map an array into memory, of which only that is read which is looked at."""
        kind, shape, first = self.layout[name]
        if not math.prod(shape):
            return np.empty(shape, kind)
        try:
            return np.memmap(self.path, kind, "r", first, shape)
        except ValueError as error:  # it ends before
            raise _cut(self.path) from error

    def is_whole(self) -> bool:
        """Read all of it, and tell whether it is what was written."""
        found = hashlib.sha256()
        with self.path.open("rb") as file:
            file.seek(self.begin)
            while chunk := file.read(_CHUNK):
                found.update(chunk)
        return found.hexdigest() == self.digest


def write_kept(path: Path, arrays: Mapping[str, NDArray[Any]], said: Mapping[str, Any]) -> ArrayFile:
    """Write arrays, whole or not at all.

    Args:
        path: the file; one that is there is replaced.
        arrays: by name; of numbers or truth values.
        said: whatever else is to be known, as JSON has it.

    Raises:
        UnfinishedError: it cannot be written, for example because the disk is full.
    """
    layout: dict[str, tuple[str, tuple[int, ...], int]] = {}
    place, body = 0, hashlib.sha256()
    pieces: list[Any] = []
    for name, array in arrays.items():
        if array.dtype.name not in _TYPES:
            raise TypeError(f"{name} is {array.dtype}; expected one of {', '.join(_TYPES)}")
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        padding = bytes(-len(content) % _ALIGNED)
        layout[name] = (array.dtype.name, array.shape, place)
        for piece in (content, padding):
            body.update(piece)
            pieces.append(piece)
        place += len(content) + len(padding)
    head = json.dumps({"arrays": layout, "said": said, "digest": body.hexdigest()}).encode()
    head += b" " * (-(len(_MAGIC) + 8 + _SUM + len(head)) % _ALIGNED)
    try:
        with whole_file(path) as part, part.open("wb") as file:
            file.writelines([_MAGIC, len(head).to_bytes(8, "big"), _sum_of(path, head), head, *pieces])
    except OSError as error:
        raise _unwritten(path, error) from error
    return read_kept(path)


def read_kept(path: Path) -> ArrayFile:
    """Read the header of a file of arrays.

    Raises:
        FileNotFoundError: there is none.
        UnfinishedError: it is none, or damaged.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise UnfinishedError(f"{path} is no file of a sharded scan; remove it, and it is made anew.")
        length = int.from_bytes(file.read(8), "big")
        try:
            if length > _MOST_HEADER:
                raise ValueError("the header is too long")
            said, head = file.read(_SUM), file.read(length)
            if len(head) < length or said != _sum_of(path, head):
                raise ValueError("the header is another, or that of a file of another name")
            record = json.loads(head)
            begin = file.tell()
            layout = {
                name: (kind, tuple(shape), begin + first) for name, (kind, shape, first) in record["arrays"].items()
            }
            if not {kind for kind, *_ in layout.values()} <= set(_TYPES):
                raise ValueError("an array has another type")
            return ArrayFile(path, record["said"], layout, begin, record["digest"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnfinishedError(
                f"{path} is damaged ({str(error) or type(error).__name__:.80}); remove it, and it is made anew."
            ) from error


def kept_whole(path: Path) -> ArrayFile | None:
    """Return a file that is there and is what was written; ``None`` where it must be made (anew)."""
    try:
        found = read_kept(path)
        return found if found.is_whole() else None
    except (OSError, UnfinishedError):
        return None


def _sum_of(path: Path, head: bytes) -> bytes:
    return hashlib.sha256(os.fsencode(path.name) + b"\0" + head).digest()


def _cut(path: Path) -> UnfinishedError:
    return UnfinishedError(f"{path} is shorter than it says; remove it, and start the scan again.")


def _unwritten(path: Path, error: OSError) -> UnfinishedError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnfinishedError(
            f"The disk of {path.parent} is full: {path.name} could not be written; make room, or take a folder on "
            "another disk with --resume. What is finished is kept, and the scan goes on from there."
        )
    do = (
        "raise the limit on the size of files (ulimit -f)"
        if error.errno == errno.EFBIG
        else "check the folder and its permissions"
    )
    return UnfinishedError(f"{path} cannot be written ({error.strerror or error}); {do}.")
