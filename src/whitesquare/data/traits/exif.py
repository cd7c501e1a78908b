"""Orientations that EXIF and XMP data state, and the directory of a TIFF file, which EXIF data are."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from whitesquare.data.traits.found import MAX_PARTS, Read, Traits

STANDARD = (b"II*\0", b"MM\0*")
"""How EXIF data begin."""
XMP_NAME = b"XML:com.adobe.xmp"
"""Keyword of the text of PNG that holds XMP data."""

_EXIF_NAMES = (b"Raw profile type exif", b"Raw profile type APP1")
_ORIENTATION, _SHORT = 274, 3
_IN_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9]+)")
_START = re.compile(rb"II|MM")
_LONGEST_PREFIX = 64


class Entry(NamedTuple):
    """An entry of a directory: tag, type, number of values, and the value or where it is."""

    tag: int
    kind: int
    length: int
    value: bytes


def exif_orientations(data: bytes) -> set[int]:
    """Return the orientations, 1 to 8, that a block of EXIF data states as the standard wants it."""
    return _orientations(data)[0]


def note_exif(data: bytes, found: Traits, *, is_standard: bool) -> None:
    """Note what a block of EXIF data states.

    Args:
        data: the block, as it should begin with the header of TIFF.
        found: told what it states.
        is_standard: it lies where every viewer looks; if another one was there before, only some do.
    """
    sure, unsure = _orientations(data)
    if is_standard and not found.exif:
        found.orientations |= sure
    else:
        found.elsewhere |= sure
    found.elsewhere |= unsure
    found.exif += 1


def note_orientation(entry: Entry, read: Read, order: bytes, found: Traits) -> None:
    """Note what an entry of a TIFF file says, if it is the orientation."""
    if entry.tag != _ORIENTATION:
        return
    sure, values = _values(entry, read, order)
    (found.orientations if sure else found.elsewhere).update(values)


def xmp_orientations(data: bytes) -> set[int]:
    """Return the orientations, 1 to 8, that XMP data state."""
    return {value for text in _IN_XMP.findall(data) if 1 <= (value := int(text[:4])) <= 8}


def is_named(name: bytes) -> bool:
    """Tell whether a text of PNG of that keyword is looked into."""
    return name == XMP_NAME or name in _EXIF_NAMES


def note_text(name: bytes, text: bytes, found: Traits) -> None:
    """Note what a text of PNG states: XMP, or EXIF data as ImageMagick writes them (a name, a length, digits)."""
    if name == XMP_NAME:
        found.elsewhere |= xmp_orientations(text)
    elif name in _EXIF_NAMES:
        try:
            data = bytes.fromhex(b"".join(text.split(b"\n", 3)[3:]).decode("ascii"))
        except ValueError:
            return
        note_exif(data, found, is_standard=False)


def directory(read: Read, *, big: bool) -> tuple[list[Entry], bool]:
    """Read the first directory of a TIFF file or of EXIF data, which are one.

    Args:
        read: gives any of its bytes.
        big: in the form of BigTIFF.

    Returns:
        Its entries; and whether another directory follows.
    """
    head = read(0, 16)
    order = head[:2]
    wide, step, short = (8, 20, 8) if big else (4, 12, 2)
    offset = number(head[8:16] if big else head[4:8], order)
    count = min(number(read(offset, short), order), MAX_PARTS)
    data = read(offset + short, count * step)
    fields = []
    for start in range(0, len(data) - step + 1, step):
        entry = data[start : start + step]
        tag, kind = number(entry[:2], order), number(entry[2:4], order)
        fields.append(Entry(tag, kind, number(entry[4 : 4 + wide], order), entry[4 + wide :]))
    return fields, any(read(offset + short + count * step, wide))


def number(data: bytes, order: bytes) -> int:
    """Read a whole number in the byte order of a TIFF file."""
    return int.from_bytes(data, "little" if order == b"II" else "big")


def _orientations(data: bytes) -> tuple[set[int], set[int]]:
    """Return what the standard makes of EXIF data, and what a more generous program may.

    Some programs skip what lies before the header, and take a header of a number that is turned round, or of BigTIFF.
    """
    start = _START.search(data, 0, _LONGEST_PREFIX)
    if start is None:
        return set(), set()
    is_standard = data[:4] in STANDARD
    block = data[start.start() :]
    sure: set[int] = set()
    unsure: set[int] = set()
    for entry in _found_in(block, is_standard):
        if entry.tag == _ORIENTATION:
            known, values = _values(entry, lambda offset, count: block[offset : offset + count], block[:2])
            (sure if known and is_standard else unsure).update(values)
    return sure, unsure


def _found_in(block: bytes, is_standard: bool) -> Iterator[Entry]:
    for big in (False,) if is_standard else (False, True):
        yield from directory(lambda offset, count: block[offset : offset + count], big=big)[0]


def _values(entry: Entry, read: Read, order: bytes) -> tuple[bool, set[int]]:
    """Return whether an entry is as the standard wants it, and what it may be taken for, 1 to 8."""
    if is_sure := (entry.kind == _SHORT and entry.length == 1):
        values = {number(entry.value[:2], order)}
    else:
        places = (entry.value, read(number(entry.value, order), 8))
        values = {number(place[:width], order) for place in places for width in (1, 2, 4, 8)}
    return is_sure, {value for value in values if 1 <= value <= 8}
