"""WebDataset's samples in a tar file: what shares a key, which member is the image, and which the label."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitesquare._base.strictjson import unique
from whitesquare.data.layouts import SUFFIXES
from whitesquare.data.names import check_name
from whitesquare.data.shards import Shards
from whitesquare.data.tables import LABELS
from whitesquare.data.tars import TarBytes, plain_files
from whitesquare.errors import DataError

TEXT = "txt"
"""Member that is a label only if many samples share it."""
MOST_LABEL = 2**20
"""Most bytes of a label that are read."""

_CLASS, _JSON = "cls", "json"

Parts = dict[str, tuple[int, int]]
"""Where each member of a sample begins and how long it is, by what it is called behind the key."""


def samples_of(data: TarBytes, path: Path) -> Iterator[tuple[str, Parts, int, int]]:
    """Yield key, members, begin and end of each run of members that share a key.

    Raises:
        DataError: the file is damaged, or a name leads elsewhere, is none, or stands twice.
    """
    current: str | None = None
    parts: Parts = {}
    begin = last = 0
    for name, first, start, size, end in plain_files(data, path):
        if name.startswith("./"):
            name = name[2:]
        dot = name.find(".", name.rfind("/") + 1)
        key, suffix = name[:dot], name[dot + 1 :].lower()
        if dot < 1 or name[dot - 1] == "/":
            continue  # hidden, or without a suffix: of no sample
        if key != current:
            if current is not None:
                yield current, parts, begin, last
            if key[0] == "/" or (".." in key and ".." in key.split("/")) or "\\" in key:
                raise DataError(f"{path}: the member {name!r:.80} leads out of the folder; expected a plain path.")
            current, parts, begin = key, {}, first
        if suffix in parts:
            raise DataError(f"{path}: two members are called {name!r:.80}; expected one, so take the wrong one out.")
        if not name.isprintable():
            check_name(name, "member", str(path))
        parts[suffix] = start, size
        last = end
    if current is not None:
        yield current, parts, begin, last


def image_of(key: str, parts: Parts, shards: Shards, path: Path) -> str:
    """Return which member is the image.

    Raises:
        DataError: none or several may be it.
    """
    if shards.image and shards.image in parts:
        return shards.image
    there = f"the sample {key!r} (.{', .'.join(parts)})"
    found = [name for name in parts if name in SUFFIXES]
    if shards.image or not found:
        what = f".{shards.image}" if shards.image else "image"
        longer = [name for name in parts if name.rpartition(".")[2] in SUFFIXES]
        how = f"; if it is .{longer[0]}, give it as tar:{path}?image={longer[0]}" if longer else ""
        raise DataError(
            f"{path}: {there} has no {what}; expected a key with an image and a label, as WebDataset has them{how}; "
            "for class folders in a tar file, unpack it and open the folder."
        )
    if len(found) > 1:
        raise DataError(
            f"{path}: {there} has two images; expected one, so take one out, or give it as tar:{path}?image={found[0]}."
        )
    return found[0]


def label_of(key: str, parts: Parts, data: TarBytes, path: Path) -> str:
    """Choose which member is the label, by the first sample; of an object, a field as ``json:FIELD``.

    Raises:
        DataError: it is not clear.
    """
    if _CLASS in parts:
        return _CLASS
    said = ""
    if _JSON in parts:
        start, size = parts[_JSON]
        fields = list(object_of(data.get(start, min(size, MOST_LABEL)), key, path))
        found = [name for name in fields if name.lower() in LABELS]
        if len(found) == 1:
            return f"{_JSON}:{found[0]}"
        said = f", and none or several of the fields of its .json ({', '.join(fields):.120}) may be it"
    if TEXT in parts:
        return TEXT
    there = f".{', .'.join(parts)}"
    raise DataError(
        f"{path}: the sample {key!r} has no .cls, .txt or .json with a label (found: {there}){said}; give it "
        f"as tar:{path}?label=MEMBER or label=json:FIELD, or add .cls; for class folders in a tar file, unpack it."
    )


def check_member(member: str, key: str, parts: Parts, path: Path) -> None:
    """Refuse a sample that lacks the member from which labels come.

    Raises:
        DataError: naming it.
    """
    if member not in parts:
        raise DataError(
            f"{path}: the sample {key!r} has no .{member}, from which labels come (found: .{', .'.join(parts)}); "
            "expected the same members in every sample and shard, so add it, or take the sample out."
        )


def text_of(content: bytes, key: str, path: Path) -> str:
    """Return a label that is the content of a member.

    Raises:
        DataError: it is no text.
    """
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the label of the sample {key!r} is no text ({error}); write it in UTF-8.") from error


def object_of(content: bytes, key: str, path: Path) -> dict[str, Any]:
    """Return the object that is the content of a member.

    Raises:
        DataError: it is none.
    """
    try:
        found = json.loads(content, object_pairs_hook=unique)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the .json of the sample {key!r} cannot be read ({error}); write it again.") from error
    return found
