"""How data sets lie on a disk, for readers that have NumPy and for those that do without.

What makes a file a sample, what an IDX file is called and how it begins, which files are the embedded MNIST: said
here once, so that what is attested is what is trained on.
"""

import hashlib
import math
import os
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from whitesquare._base.streams import (
    AGAIN,
    MOST_BYTES,
    MOST_IMAGES,
    MOST_OF_ONE,
    Gunzip,
    HashedFile,
    Readable,
    most_images,
    most_unpacked,
)
from whitesquare.data.specs import full_table, is_pattern, table_file
from whitesquare.errors import DataError, UsageError

SPLITS = ("train", "test")
SUFFIXES = frozenset({"png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "gif"})
"""What an image file's name ends with, in lower case."""

MAX_IMAGE_BYTES = 2**28
"""Largest image file that is read: what 64 million pixels of four bytes take uncompressed, and a header."""

IDX_PREFIX = {"train": "train", "test": "t10k"}
IDX_PARTS = {"images": "idx3-ubyte", "labels": "idx1-ubyte"}

EMBEDDED, IDX, NPZ, CIFAR10, CIFAR100, FOLDER = "mnist", "idx", "npz", "cifar10", "cifar100", "png-folder"
TABLE = "table"
"""The kinds of data sets that can be read here, by what they are called in commands and files."""


class CifarFiles(NamedTuple):
    """What the files of one of CIFAR's binary versions are called, and what stands before the pixels of a record.

    Attributes:
        splits: by split, the names of its files, in their order.
        names: file of the class names, one a line.
        prefix: bytes before the pixels; the last of them is the label.
    """

    splits: dict[str, tuple[str, ...]]
    names: str
    prefix: int


CIFAR = {
    CIFAR10: CifarFiles(
        {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)},
        "batches.meta.txt",
        prefix=1,
    ),
    CIFAR100: CifarFiles({"train": ("train.bin",), "test": ("test.bin",)}, "fine_label_names.txt", prefix=2),
}

MNIST = Path(__file__).parent / "mnist"
"""Folder of the embedded MNIST."""
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
    "train-labels-idx1-ubyte.gz": "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
    "t10k-images-idx3-ubyte.gz": "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
    "t10k-labels-idx1-ubyte.gz": "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
}

_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that end a line, drive a terminal or cannot be written as UTF-8."""

_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 2**20
_MAX_GZIP_RATIO = 1032
"""Deflate cannot expand further, so a header that declares more is a lie."""


def is_plain(name: str) -> bool:
    """Tell whether ``name`` is non-empty and free of control characters and line breaks."""
    if name.isprintable():  # the fast path: nearly every name
        return bool(name)
    return not any(unicodedata.category(letter) in _BREAKING for letter in name)


def class_order(name: str) -> tuple[int, int, str]:
    """Sorting key of class folders: whole numbers first and as numbers, then the other names."""
    if name.isascii() and name.isdigit():
        return (0, int(name), name)
    return (1, 0, name)


def is_image(name: str) -> bool:
    """Tell whether a file in a class folder is a sample, by its name."""
    return not name.startswith(".") and name.rpartition(".")[2].lower() in SUFFIXES


def position_id(split: str, position: int) -> str:
    """Name a sample that has no name: ``train/00042``."""
    return f"{split}/{position:05d}"


def find_idx(folder: Path, split: str, part: str, prefix: str | None = None) -> Path | None:
    """Return the IDX file with the ``images`` or ``labels`` of a split.

    Both published spellings are known, ``train-images-idx3-ubyte`` and ``train-images.idx3-ubyte``, each with
    or without ``.gz``. Where several are present, some programs read the one and some another, so they must hold
    the same; it is the ``.gz``.

    Raises:
        DataError: they do not, or cannot be read.
    """
    found = _idx_files(folder, prefix or IDX_PREFIX[split], part)
    for other in found[1:]:
        if not _is_same(found[0], other):
            raise DataError(
                f"{found[0]} and {other.name} beside it hold different {part}, and programs read the one or the other; "
                "expected the same in both, so remove the one that is wrong."
            )
    return found[0] if found else None


def _idx_files(folder: Path, prefix: str, part: str) -> list[Path]:
    stem, kind = f"{prefix}-{part}", IDX_PARTS[part]
    names = (f"{stem}{dot}{kind}{suffix}" for suffix in (".gz", "") for dot in ("-", "."))
    return [folder / name for name in names if (folder / name).is_file()]


def _is_same(first: Path, second: Path) -> bool:
    """Compare what two IDX files hold, packed or not."""
    with open_idx(first) as (shape, one, _), open_idx(second) as (other_shape, other, _):
        if shape != other_shape:
            return False
        while (data := one.read(_PIECE)) == other.read(_PIECE):
            if not data:
                return True
    return False


def dataset_kinds(folder: Path) -> list[str]:
    """Formats whose files lie in a folder; class folders count only inside ``train`` and ``test``."""
    found = {
        IDX: any(_idx_files(folder, prefix, part) for prefix in IDX_PREFIX.values() for part in IDX_PARTS),
        NPZ: any((folder / f"{split}.npz").is_file() for split in SPLITS),
        CIFAR10: _has_cifar(folder, CIFAR10),
        # others may call a file train.bin, too
        CIFAR100: (folder / CIFAR[CIFAR100].names).is_file() and _has_cifar(folder, CIFAR100),
        FOLDER: any((folder / split).is_dir() for split in SPLITS),
    }
    return [kind for kind, present in found.items() if present]


def _has_cifar(folder: Path, kind: str) -> bool:
    return any((folder / name).is_file() for names in CIFAR[kind].splits.values() for name in names)


def only_kind(folder: Path, kinds: Sequence[str]) -> str:
    """Return the one format of a folder; without any, it holds class folders.

    Raises:
        DataError: it holds data sets in several.
    """
    if len(kinds) > 1:
        raise DataError(
            f"{folder} holds data sets in the formats {', '.join(kinds)}; expected one, so move the others."
        )
    return kinds[0] if kinds else FOLDER


def place_of(source: str | Path) -> Path | None:
    """Return where a data set lies that is named so; ``None`` for the embedded one, which lies with nobody."""
    if (table := table_file(source)) is not None:
        return table.parent if is_pattern(table) else table
    return None if source == EMBEDDED else Path(source)


def full_name(source: str | Path) -> str:
    """Name a data set so that the name still leads to it from another folder."""
    place = place_of(source)
    if place is None or not place.exists():
        return str(source)
    return str(place.resolve()) if table_file(source) is None else full_table(source)


def mnist_file(split: str, part: str, folder: Path = MNIST) -> Path:
    """Return a file of the embedded MNIST, or of a copy of it.

    Raises:
        DataError: it is missing or not the one that was published.
    """
    path = folder / f"{IDX_PREFIX[split]}-{part}-{IDX_PARTS[part]}.gz"
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"The embedded file {path} cannot be read ({error}); reinstall whitesquare.") from error
    if found != (expected := MNIST_SHA256[path.name]):
        raise DataError(
            f"The embedded file {path} has changed: found SHA-256 {found}, expected {expected}; reinstall whitesquare."
        )
    return path


@contextmanager
def open_idx(path: Path, most: int = MOST_BYTES) -> Iterator[tuple[tuple[int, ...], Readable, HashedFile]]:
    """Open an IDX file of unsigned bytes, gzipped or plain (its first bytes decide, not its name).

    Args:
        path: the file.
        most: bytes that it may declare.

    Yields:
        Its shape, ``(N,)`` or ``(N, H, W)``; a stream to be read with :func:`read_exactly` and :func:`expect_end`;
        and the file, which knows its digest when the end was reached.

    Raises:
        UsageError: if there is no such file.
        DataError: if it is not a whole IDX file of this kind, and nothing else.
    """
    try:
        with path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            head = raw.read(len(_GZIP_MAGIC))
            raw.seek(0)
            file = HashedFile(raw)
            if head != _GZIP_MAGIC:
                yield _shape(file, size, min(size, most), path), file, file
                return
            stream = Gunzip(file, path)
            limit = min(size * _MAX_GZIP_RATIO, most_unpacked(size), most)
            yield _shape(stream, size, limit, path), stream, file
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the path.") from error
    except zlib.error as error:
        raise DataError(f"{path} is damaged: found {error}, expected sound gzip data; {AGAIN}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error


def read_exactly(stream: Readable, count: int, what: str, path: Path) -> bytes:
    """Read that many bytes.

    Raises:
        DataError: there are fewer.
    """
    data = stream.read(count)
    if len(data) != count:
        raise truncated(len(data), count, what, path)
    return data


def truncated(found: int, expected: int, what: str, path: Path) -> DataError:
    """Build the error for a file that ends too early."""
    return DataError(f"{path} is truncated: found {found} bytes of {what}, expected {expected}; {AGAIN}.")


def expect_end(stream: Readable, count: int, path: Path) -> None:
    """Make sure that nothing follows; reading past the end also compares the checksum of gzip.

    Raises:
        DataError: something does.
    """
    if stream.read(1):
        raise DataError(f"{path} goes on after the {count} bytes that its header declares; {AGAIN}.")


def _shape(stream: Readable, size: int, limit: int, path: Path) -> tuple[int, ...]:
    """Read the header; nothing larger is read later than ``limit``, the most the file can hold."""
    magic = read_exactly(stream, 4, "header", path)
    if magic[:3] != b"\x00\x00\x08" or magic[3] not in (1, 3):
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes: found the first bytes {magic.hex()}, "
            "expected 00000801 (labels) or 00000803 (images); check that it is the right file."
        )
    dimensions = magic[3]
    shape = struct.unpack(f">{dimensions}I", read_exactly(stream, 4 * dimensions, "header", path))
    count = math.prod(shape)
    most = most_images(size) if dimensions > 1 else MOST_IMAGES  # labels in their order take next to nothing
    if count > limit or 0 in shape[1:] or shape[0] > most or math.prod(shape[1:]) > MOST_OF_ONE:
        raise DataError(
            f"{path} declares the shape {shape}, that is {count} bytes; expected at most {most} images of a pixel or "
            f"more, and at most the {limit} bytes that this file of {size} may hold, so {AGAIN}; where it is right, "
            "uncompress it, or use class folders, which are read image by image."
        )
    return shape
