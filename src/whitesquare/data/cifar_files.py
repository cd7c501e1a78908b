"""CIFAR's binary files: what they are called is in ``layouts``; how they are read, with NumPy and without, is here."""

from collections.abc import Callable, Sequence
from pathlib import Path

from whitesquare._base.streams import AGAIN, MOST_BYTES, MOST_IMAGES, FileDigest, HashedFile
from whitesquare.data.layouts import CIFAR, expect_end, read_exactly
from whitesquare.data.names import check_names
from whitesquare.errors import DataError

SHAPE = (3, 32, 32)
"""``(C, H, W)`` of every image, which is how its bytes follow each other."""
PIXELS = 3 * 32 * 32
MOST_CLASSES = 256
"""A label is one byte."""

_RECORDS = 1024
"""Records read at a time."""
_MOST_TEXT = 2**16
_NUMBERED = tuple("0123456789")
_PICKLES = {
    "data_batch_1": "cifar-10-binary.tar.gz",
    "test_batch": "cifar-10-binary.tar.gz",
    "train": "cifar-100-binary.tar.gz",
    "test": "cifar-100-binary.tar.gz",
}


def find_cifar(folder: Path, kind: str, split: str) -> list[Path]:
    """Return the files of a split, in their order; the first few of the training batches are a part of it.

    Raises:
        DataError: one is missing before another, or there is one that nobody else would read.
    """
    known = CIFAR[kind].splits[split]
    found = [folder / name for name in known if (folder / name).is_file()]
    if missing := [name for name in known[: len(found)] if not (folder / name).is_file()]:
        raise DataError(
            f"{folder} has {found[-1].name} and no {missing[0]}; expected {known[0]} and those that follow it without "
            "a gap, so add it."
        )
    others = {path.name for path in folder.glob("data_batch*.bin")} if len(known) > 1 else set()
    if odd := sorted(others - set(known)):
        raise DataError(
            f"{folder} has the file {odd[0]}, which no program reads; expected {known[0]} to {known[-1]}, so put its "
            "records into one of these, or move it away."
        )
    return found


def read_names(folder: Path, kind: str) -> tuple[tuple[str, ...], FileDigest | None]:
    """Read the class names, one a line; without their file, those of CIFAR-10 are ``0`` to ``9``.

    Returns:
        The names, and the file as it was read.

    Raises:
        DataError: they are no text, not plain or not unique, or more than labels can tell apart.
    """
    path = folder / CIFAR[kind].names
    if not path.is_file():
        return _NUMBERED, None
    try:
        with path.open("rb") as raw:
            file = HashedFile(raw)
            names = tuple(file.read(_MOST_TEXT + 1).decode().rstrip("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected class names in UTF-8, one a line.") from error
    told = file.told(path.name)
    if told.size > _MOST_TEXT or len(names) > MOST_CLASSES:
        raise DataError(
            f"{path} has {told.size} bytes and {len(names)} lines; expected at most {_MOST_TEXT} bytes and "
            f"{MOST_CLASSES} class names, so check that it is the right file."
        )
    check_names(names, "class name", str(path))
    return names, told


def count_records(paths: Sequence[Path], kind: str, most: int = MOST_BYTES) -> list[int]:
    """Return by file how many records it has, by its size.

    Args:
        paths: the files of a split.
        kind: which of :data:`whitesquare.data.layouts.CIFAR` they are.
        most: bytes that the images may have.

    Raises:
        DataError: a file is empty or cut off, or they are too large.
    """
    size = CIFAR[kind].prefix + PIXELS
    counts = []
    for path in paths:
        length = path.stat().st_size
        if length == 0 or length % size:
            raise DataError(
                f"{path} has {length} bytes; expected records of {size} bytes, one or more and all of them whole, so "
                f"{AGAIN}."
            )
        counts.append(length // size)
    allowed = min(MOST_IMAGES, most // PIXELS)
    if (count := sum(counts)) > allowed:
        raise DataError(
            f"{paths[0].parent} has {count} records in {', '.join(path.name for path in paths)}; expected at most "
            f"{allowed}, so use a part of them, or {AGAIN}."
        )
    return counts


def read_records(path: Path, kind: str, count: int, classes: int, take: Callable[[bytes, bytes], None]) -> FileDigest:
    """Read a file once, from the first byte to the last.

    Args:
        path: the file.
        kind: which of :data:`whitesquare.data.layouts.CIFAR` it is.
        count: records that it has, see :func:`count_records`.
        classes: number of classes.
        take: told some labels, and the records that they are of, again and again.

    Returns:
        The file as it was read.

    Raises:
        DataError: it was changed meanwhile, cannot be read, or has a label of no class.
    """
    prefix = CIFAR[kind].prefix
    size = prefix + PIXELS
    try:
        with path.open("rb") as raw:
            file = HashedFile(raw)
            for start in range(0, count, _RECORDS):
                data = read_exactly(file, min(_RECORDS, count - start) * size, "records", path)
                labels = data[prefix - 1 :: size]
                if (top := max(labels)) >= classes:
                    at = start + labels.index(top)
                    raise DataError(
                        f"{path} has the label {top} in record {at}; expected labels below the number of classes, "
                        f"{classes}, so {AGAIN}, or name every class in {CIFAR[kind].names}."
                    )
                take(labels, data)
            expect_end(file, count * size, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error
    return file.told(path.name)


def refuse_pickles(folder: Path) -> None:
    """Refuse CIFAR's Python batches, by their names: a pickle runs whatever it says.

    Raises:
        DataError: naming the download that can be read.
    """
    names = ("data_batch_1", "test_batch", *(("train", "test") if (folder / "meta").is_file() else ()))
    for name in names:
        if (folder / name).is_file():
            raise DataError(
                f"{folder / name} is a Python batch of CIFAR, a pickle, which runs whatever it says when it is loaded; "
                f"expected the binary version, so download {_PICKLES[name]}."
            )
