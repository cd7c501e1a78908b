"""Zip files that every program reads alike: the members one behind the other from the first byte, then their list.

A zip file that is read by its list of members can hold much that is in no list, and other programs read that. What is
let through here has no byte that is not a member's, and no member that is told in two ways.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from whitesquare.errors import DataError

STORED, DEFLATED = 0, 8

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_NARROW, _WIDE = struct.Struct("<4s3L"), struct.Struct("<4sL2Q")
_EXTRA = struct.Struct("<2H2Q")
_MANY, _LARGE = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _DESCRIBED = 1, 8
_FLAGS = _DESCRIBED | 2 | 4 | 0x800
"""Sizes behind the data, how hard it was compressed, and names in UTF-8: what says nothing about the content."""
_EXTRA64 = 1
_NEWEST = 45
"""Version of the format that knows large files, and nothing behind it."""
_MOST_LISTED, _MOST_ANY = 2**14, 2**20
"""Most bytes of the list of members, where they are known, and where they are not."""


@dataclass(frozen=True)
class Member:
    """A member, as header and list agree on it.

    Attributes:
        name: its name.
        method: :data:`STORED` or :data:`DEFLATED`.
        crc: checksum of its content.
        packed: bytes in the file.
        size: bytes of its content.
        header: its header, as it is in the file.
        start: where its data begin.
        footer: what stands behind its data, as it is in the file.
    """

    name: str
    method: int
    crc: int
    packed: int
    size: int
    header: bytes
    start: int
    footer: bytes


@dataclass(frozen=True)
class Archive:
    """The structure of a zip file.

    Attributes:
        members: in the order in which they lie there.
        listing: all bytes behind them.
    """

    members: tuple[Member, ...]
    listing: bytes


@dataclass(frozen=True)
class _Entry:
    """What the list says of a member."""

    name: bytes
    flags: int
    method: int
    when: tuple[int, int]
    crc: int
    packed: int
    size: int
    offset: int


def read_archive(file: BinaryIO, size: int, path: Path, known: Sequence[str] | None = None) -> Archive:
    """Read the structure of a zip file, and nothing of what its members hold.

    Args:
        file: the file, which can be positioned.
        size: its size.
        path: its name, for the errors.
        known: names of the members that may be there; default: any.

    Raises:
        DataError: it has other members, or is not built as plainly as this module wants it.
    """
    listing, start, count, length = _read_listing(file, size, path, _MOST_ANY if known is None else _MOST_LISTED)
    entries = list(_entries(listing[:length], count, path, known))
    members, place = [], 0
    for entry in entries:
        if entry.offset != place:
            raise refusal(path, f"there are bytes before the member {entry.name.decode()!r} that belong to none")
        member = _member(file, entry, path)
        members.append(member)
        place = member.start + member.packed + len(member.footer)
    if place != start:
        raise refusal(path, "there are bytes before the list of its members that belong to none")
    return Archive(tuple(members), listing)


def refusal(path: Path, what: str) -> DataError:
    """Build the error for a file that programs would read differently, or not at all."""
    return DataError(
        f"{path} cannot be read as .npz: {what}; expected what numpy.savez writes, so save it again, or copy it again."
    )


def _read_listing(file: BinaryIO, size: int, path: Path, most: int) -> tuple[bytes, int, int, int]:
    """Return all bytes behind the members, where they begin, how many members they tell of, and the length of that."""
    tail_size = min(size, _END64.size + _LOCATOR.size + _END.size)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    if len(tail) < _END.size or not tail[-_END.size :].startswith(b"PK\x05\x06"):
        raise refusal(path, "it does not end with the end of a zip file without a comment")
    _, disk, first, here, count, length, start, comment = _END.unpack(tail[-_END.size :])
    if disk or first or here != count or comment:
        raise refusal(path, "it is one part of several, or has a comment")
    end = size - _END.size
    if count == _MANY or _LARGE in (length, start):
        narrow = count, length, start
        end -= _END64.size + _LOCATOR.size
        count, length, start = _read_wide(tail, end, path)
        if any(old not in (new, most) for old, new, most in zip(narrow, (count, length, start), _LIMITS, strict=True)):
            raise refusal(path, "its two ends say different things")
    if start + length != end or start < 0:
        raise refusal(path, "there are bytes behind the list of its members that belong to none")
    file.seek(start)
    return file.read(min(length, most) + size - start - length), start, count, length


_LIMITS = (_MANY, _LARGE, _LARGE)


def _read_wide(tail: bytes, end: int, path: Path) -> tuple[int, int, int]:
    """Read the end of a file of more than two gigabytes."""
    if len(tail) < _END64.size + _LOCATOR.size + _END.size:
        raise refusal(path, "its end is cut off")
    record = _END64.unpack_from(tail)
    mark, disk, at, disks = _LOCATOR.unpack_from(tail, _END64.size)
    signature, length, _, _, here, first, count_here, count, listed, start = record
    if (signature, length, here, first) != (b"PK\x06\x06", _END64.size - 12, 0, 0) or count_here != count:
        raise refusal(path, "its end is damaged")
    if (mark, disk, at, disks) != (b"PK\x06\x07", 0, end, 1):
        raise refusal(path, "its end is not where it says")
    return count, listed, start


def _entries(listing: bytes, count: int, path: Path, known: Sequence[str] | None) -> Iterator[_Entry]:
    seen: set[str] = set()
    place = 0
    for _ in range(count):
        if len(listing) < place + _CENTRAL.size or not listing.startswith(b"PK\x01\x02", place):
            raise refusal(path, f"its list of {count} members is damaged or cut off")
        found = _CENTRAL.unpack_from(listing, place)
        _, _, version, flags, method, hour, day, crc, packed, size, *lengths, disk, _, _, offset = found
        place += _CENTRAL.size
        name, extra = listing[place : place + lengths[0]], listing[place + lengths[0] : place + lengths[0] + lengths[1]]
        place += sum(lengths)
        text = name.decode("utf-8", "backslashreplace")
        if known is not None and text not in known:
            raise DataError(
                f"{path} has the member {text!r:.80}, which is no part of a data set; expected only "
                f"{', '.join(known)} (each an array of numpy.savez), so rename it, or keep it in another file."
            )
        if text in seen:
            raise refusal(path, f"the member {text!r} is there twice")
        seen.add(text)
        if lengths[2] or disk or version > _NEWEST:
            raise refusal(path, f"the member {text!r} has a comment, lies in another file, or is of a newer version")
        size, packed, offset = _widened(extra, [size, packed, offset], path, text)
        yield _Entry(name, flags, method, (hour, day), crc, packed, size, offset)
    if place != len(listing):  # an end of 64 bits that nobody announced would be one of these bytes
        raise refusal(path, "its list of members goes on after the last")


def _widened(extra: bytes, values: list[int], path: Path, name: str) -> list[int]:
    """Replace what is too large for 32 bits by what the extra field says, which must say nothing else."""
    large = [i for i, value in enumerate(values) if value == _LARGE]
    if not extra and not large:
        return values
    if len(extra) != 4 + 8 * len(large) or struct.unpack_from("<2H", extra) != (_EXTRA64, 8 * len(large)):
        raise refusal(path, f"the member {name!r} has extra fields")
    for i, value in zip(large, struct.unpack_from(f"<{len(large)}Q", extra, 4), strict=True):
        values[i] = value
    return values


def _member(file: BinaryIO, entry: _Entry, path: Path) -> Member:
    """Compare the header of a member with the list, and with what stands behind its data."""
    name = entry.name.decode()
    if entry.flags & ~_FLAGS or entry.method not in (STORED, DEFLATED):
        what = "encrypted" if entry.flags & _ENCRYPTED else f"compressed by method {entry.method}, flags {entry.flags}"
        raise refusal(path, f"the member {name!r} is {what}; expected it stored or deflated")
    file.seek(entry.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise refusal(path, f"the member {name!r} has no header")
    _, version, flags, method, hour, day, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    rest = file.read(name_length + extra_length)
    own, extra = rest[:name_length], rest[name_length:]
    told = _told(extra, crc, packed, size, path, name)
    described = bool(flags & _DESCRIBED)
    same = told == (entry.crc, entry.packed, entry.size) or (described and told == (0, 0, 0))
    if (
        (own, flags, method, (hour, day)) != (entry.name, entry.flags, entry.method, entry.when)
        or not same
        or version > _NEWEST
    ):
        raise refusal(path, f"the header of the member {name!r} and the list of members say different things")
    start = entry.offset + len(header) + len(rest)
    footer = b""
    if described:
        form = _WIDE if extra else _NARROW
        file.seek(start + entry.packed)
        footer = file.read(form.size)
        if footer != form.pack(b"PK\x07\x08", entry.crc, entry.packed, entry.size):
            raise refusal(path, f"the sizes behind the member {name!r} are others than in the list of members")
    return Member(name, method, entry.crc, entry.packed, entry.size, header + rest, start, footer)


def _told(extra: bytes, crc: int, packed: int, size: int, path: Path, name: str) -> tuple[int, int, int]:
    """Return what a header says of its data; whoever wrote it may have repeated small sizes in the extra field."""
    if not extra:
        return crc, packed, size
    if len(extra) != _EXTRA.size or extra[:4] != _EXTRA.pack(_EXTRA64, 16, 0, 0)[:4]:
        raise refusal(path, f"the member {name!r} has extra fields")
    _, _, wide_size, wide_packed = _EXTRA.unpack(extra)
    if size not in (_LARGE, wide_size) or packed not in (_LARGE, wide_packed):
        raise refusal(path, f"the header of the member {name!r} says two different things")
    return crc, wide_packed, wide_size
