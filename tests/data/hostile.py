"""Files of many samples that two programs read differently, or that unpack to more than they should."""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable

import numpy as np

COUNT = 6
MEMBERS = ("images", "labels", "ids", "classes", "layout")


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


EVIL = npy(np.full((COUNT, 1, 6, 6), 255, np.uint8))


def append(data: bytes, *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Add members to a zip file, or put a zip file of members behind other bytes."""
    stream = io.BytesIO(data)
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "a", method) as archive:
        warnings.simplefilter("ignore")  # duplicate names
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def members_of(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def patched(data: bytes, mark: bytes, place: int, value: bytes, last: bool = False) -> bytes:
    """Overwrite bytes behind the first, or last, signature of a kind."""
    start = (data.rindex(mark) if last else data.index(mark)) + place
    return data[:start] + value + data[start + len(value) :]


def _gap(data: bytes) -> bytes:
    """Put bytes between the first member and the second, and tell the list where the others are now."""
    second = data.index(b"PK\x03\x04", 4)
    moved = bytearray(data[:second] + b"hidden" + data[second:])
    place = moved.index(b"PK\x01\x02")
    end = len(moved) - 22
    moved[end + 16 : end + 20] = struct.pack("<L", place)
    while (place := moved.find(b"PK\x01\x02", place)) >= 0:
        (offset,) = struct.unpack_from("<L", moved, place + 42)
        moved[place + 42 : place + 46] = struct.pack("<L", offset + 6 if offset else 0)
        place += 4
    return bytes(moved)


def _commented(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members_of(data):
            info = zipfile.ZipInfo(name)
            info.comment = b"a remark"
            archive.writestr(info, content)
    return stream.getvalue()


def _extra(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members_of(data):
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<2H5s", 0x7075, 5, b"12345")
            archive.writestr(info, content)
    return stream.getvalue()


def _archive_comment(data: bytes) -> bytes:
    return data[:-2] + struct.pack("<H", 4) + b"left"


def _hidden_before_list(data: bytes) -> bytes:
    """Leave a member in the file that the list does not name."""
    whole = append(data, ("hidden.npy", EVIL))
    last = whole.rindex(b"PK\x01\x02")
    listed = bytearray(whole[:last] + whole[-22:])
    start = whole.index(b"PK\x01\x02")
    struct.pack_into("<2H2L", listed, len(listed) - 14, COUNT - 1, COUNT - 1, last - start, start)
    return bytes(listed)


def _behind_deflate(data: bytes) -> bytes:
    """Hide bytes behind the end of a compressed stream, inside of what the member is said to have."""
    start = data.index(b"PK\x03\x04", 4)
    packed, name, extra = struct.unpack_from("<L4x2H", data, 18)
    if packed == 0xFFFFFFFF:
        packed = start - 30 - name - extra
    moved = bytearray(data[:start] + b"hidden" + data[start:])
    struct.pack_into("<L", moved, 18, packed + 6)
    if extra:  # force_zip64 of numpy
        struct.pack_into("<L", moved, 18, 0xFFFFFFFF)
        struct.pack_into("<Q", moved, 30 + name + 12, packed + 6)
    place = moved.index(b"PK\x01\x02")
    struct.pack_into("<L", moved, len(moved) - 6, place)
    struct.pack_into("<L", moved, place + 20, packed + 6)
    while (place := moved.find(b"PK\x01\x02", place)) >= 0:
        (offset,) = struct.unpack_from("<L", moved, place + 42)
        struct.pack_into("<L", moved, place + 42, offset + 6 if offset else 0)
        place += 4
    return bytes(moved)


def _other_method(method: int) -> Callable[[bytes], bytes]:
    return lambda data: append(b"", *members_of(data), method=method)


def _corrupt_lzma(data: bytes) -> bytes:
    whole = bytearray(append(b"", *members_of(data), method=zipfile.ZIP_LZMA))
    start = 30 + len("images.npy") + 9
    whole[start : start + 8] = b"\xff" * 8
    return bytes(whole)


class _Command:
    """What a pickle runs that somebody loads."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (print, ("run",))


NPZ: dict[str, Callable[[bytes], bytes]] = {
    "members without .npy, which np.load prefers": lambda data: append(
        data, ("images", EVIL), ("labels", npy(np.arange(COUNT)))
    ),
    "an .npy file in front": lambda data: append(EVIL, *members_of(data)),
    "a pickle in front": lambda data: append(pickle.dumps(_Command()), *members_of(data)),
    "other bytes in front, offsets not moved": lambda data: b"hidden" + data,
    "an unknown array": lambda data: append(data, ("other.npy", EVIL)),
    "a member twice": lambda data: append(data, ("images.npy", EVIL)),
    "a member in a folder": lambda data: append(data, ("x/images.npy", EVIL)),
    "a member that leads elsewhere": lambda data: append(data, ("../images.npy", EVIL)),
    "an absolute member": lambda data: append(data, ("/images.npy", EVIL)),
    "a member in capitals": lambda data: append(data, ("IMAGES.npy", EVIL)),
    "bytes behind": lambda data: data + b"hidden",
    "zeros behind": lambda data: data + bytes(8),
    "a second archive behind": lambda data: data + data,
    "a comment of the archive": _archive_comment,
    "comments of members": _commented,
    "extra fields": _extra,
    "bytes between members": _gap,
    "a member that is in no list": _hidden_before_list,
    "bytes behind a compressed stream": _behind_deflate,
    "another name in the header": lambda data: data.replace(b"images.npy", b"imagez.npy", 1),
    "another checksum in the header": lambda data: patched(data, b"PK\x03\x04", 14, b"\1\2\3\4"),
    "another method in the header": lambda data: patched(data, b"PK\x03\x04", 8, b"\0\0"),
    "another time in the header": lambda data: patched(data, b"PK\x03\x04", 10, b"\1\2"),
    "an encrypted member": lambda data: patched(patched(data, b"PK\x03\x04", 6, b"\1\0"), b"PK\x01\x02", 8, b"\1\0"),
    "members that overlap": lambda data: patched(data, b"PK\x01\x02", 42, bytes(4), last=True),
    "a list elsewhere": lambda data: patched(data, b"PK\x05\x06", 16, bytes(4)),
    "fewer members told than listed": lambda data: patched(data, b"PK\x05\x06", 8, b"\4\0\4\0"),
    "more members told than listed": lambda data: patched(data, b"PK\x05\x06", 8, b"\x09\0\x09\0"),
    "one part of several": lambda data: patched(data, b"PK\x05\x06", 4, b"\1\0"),
    "a wide end that is not there": lambda data: patched(data, b"PK\x05\x06", 8, b"\xff\xff\xff\xff"),
    "bzip2": _other_method(zipfile.ZIP_BZIP2),
    "lzma": _other_method(zipfile.ZIP_LZMA),
    "damaged lzma": _corrupt_lzma,
}
"""By name, what somebody does to an .npz file of five members, its arrays as they were."""


def _gzip_field(flag: int, field: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:3] + bytes([data[3] | flag]) + data[4:10] + field + data[10:]


GZIP: dict[str, Callable[[bytes], bytes]] = {
    "an extra field": _gzip_field(4, struct.pack("<H", 6) + b"hidden"),
    "a comment": _gzip_field(16, b"hidden\0"),
    "a header checksum": _gzip_field(2, b"\0\0"),
    "an unknown flag": _gzip_field(32, b""),
    "zeros behind": lambda data: data + bytes(9),
    "bytes behind": lambda data: data + b"hidden",
    "an empty member behind": lambda data: data + bytes.fromhex("1f8b08000000000000ff0300" + 16 * "0"),
    "a name without end": _gzip_field(8, b"x" * 5000),
}
"""By name, what somebody does to a gzip file, its content as it was."""
