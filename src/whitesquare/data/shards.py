"""WebDataset's tar files: which files are the shards of a split; needs no NumPy, and reads none of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whitesquare.data.layouts import SPLITS
from whitesquare.data.numbered import check_whole
from whitesquare.data.specs import PACKED, TAR, given, is_archive, is_pattern, table_file
from whitesquare.data.splits import files_by_split, holds_others, names_in, shard_files
from whitesquare.errors import DataError, UsageError

_MOST = 1_000_000
_FEW = 3
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True)
class Shards:
    """The tar files of one split.

    Attributes:
        files: in their order.
        base: folder below which their names are paths.
        image: what a member is called behind the key of its sample if it is the image; empty: any image file.
        label: likewise, of the label; ``json:FIELD`` for a field of an object; empty: what is found.
    """

    files: tuple[Path, ...]
    base: Path
    image: str = ""
    label: str = ""

    @property
    def said(self) -> str:
        """Which they are, in a few words."""
        first = self.files[0]
        return str(first) if len(self.files) == 1 else f"{len(self.files)} files like {first}"

    def name_of(self, path: Path) -> str:
        """Return the name of one of them below ``base``."""
        return path.relative_to(self.base).as_posix()


def shards_of(source: str | Path) -> dict[str, Shards] | None:
    """Return by split the tar files that a data set consists of; ``None`` if it is of another kind.

    Args:
        source: a tar file; a pattern of several, ``train-{0000..0099}.tar`` or ``train-*.tar``, also as
            ``tar:PATTERN?image=MEMBER&label=MEMBER``; or a folder of tar files, whose names say the split.

    Raises:
        UsageError: there is no such file, or something that is given is not known.
        DataError: they are compressed, or a shard is missing.
    """
    place = table_file(source)
    if place is not None:
        if not is_archive(place.name):
            return None
        known = given(source)
        if "root" in known:
            raise UsageError(f"{place} holds its images itself, so that 'root' means nothing; leave it out.")
        files = _files(place)
        _check_plain(files)
        member, mark, name = known.get("label", "").partition(":")
        image, label = known.get("image", "").lower(), member.lower() + mark + name
        return {"train": Shards(files, place.parent, image, label)}
    folder = Path(source)
    places = (folder, folder / "data", *(folder / split for split in SPLITS))
    if not any(is_archive(name) for place in places for name in names_in(place)) or holds_others(folder):
        return None
    is_named = bool(files_by_split(folder, TAR))
    for suffix in (*PACKED, TAR):  # one that is packed, and left out, would be missed by nobody
        found = files_by_split(folder, suffix)
        if not found and not is_named:
            found = {"train": shard_files(folder, suffix)}
        if any(found.values()):
            every = [path for files in found.values() for path in files]
            _check_plain(every)
            check_whole(every)
            return {split: Shards(tuple(files), folder) for split, files in found.items()}
    return None


def _files(place: Path) -> tuple[Path, ...]:
    """Return the files that are meant, in order."""
    if place.is_file():
        return (place,)
    if not is_pattern(place):
        raise UsageError(f"There is no file {place}; check the path.")
    files: list[Path] = []
    for name in _expanded(place.name):
        found = sorted(place.parent.glob(name)) if "*" in name else [place.parent / name]
        files += [path for path in found if not path.name.startswith(".") or name.startswith(".")]
        if len(files) > _MOST:
            raise UsageError(f"{place} names more than {_MOST} files; name fewer.")
    missing = [path.name for path in files if not path.is_file()]
    if not files or len(missing) == len(files):
        raise UsageError(f"There is no file {place}; check the path.")
    if missing:
        some = ", ".join(missing[:_FEW]) + (", ..." if len(missing) > _FEW else "")
        raise DataError(
            f"{place.parent} lacks {len(missing)} of the {len(files)} shards that {place.name} speaks of ({some}); add "
            "them, or name those that are there."
        )
    if len(set(files)) < len(files):
        raise UsageError(f"{place} names one file twice; name each once.")
    return tuple(files)


def _expanded(name: str) -> Iterator[str]:
    """Write out braces as a shell does: a range of numbers, or texts between commas."""
    found = _BRACES.search(name)
    if found is None:
        yield name
        return
    if span := _RANGE.fullmatch(found[1]):
        first, last = int(span[1]), int(span[2])
        padded = any(len(text) > 1 and text[0] == "0" for text in span.groups())
        width = max(map(len, span.groups())) if padded else 0
        texts: Iterator[str] = (f"{number:0{width}d}" for number in range(first, last + 1))
    else:
        texts = iter(found[1].split(","))
    for text in texts:
        yield from _expanded(name[: found.start()] + text + name[found.end() :])


def _check_plain(files: list[Path] | tuple[Path, ...]) -> None:
    for path in files:
        if not path.name.lower().endswith(TAR):
            raise DataError(
                f"{path} is compressed, so that no sample of it can be found without unpacking all before it; expected "
                f"plain {TAR} files, so unpack it once (images in it are compressed already)."
            )
