"""Colour profiles that one program obeys and another passes over, or of which they obey different parts."""

from pathlib import Path

from whitesquare.errors import DataError

_HEADER, _ENTRY, _LEAST = 128, 12, 4
_D50 = (0.9642, 1.0, 0.8249)
_D50_SLACK = 0.01
_FLOATS = frozenset((b"D2B0", b"D2B1", b"D2B2", b"D2B3"))


def check_tables(profile: bytes, path: Path) -> None:
    """Refuse a profile with tables for several purposes, of which browsers take the first and others another.

    Raises:
        DataError: they differ.
    """
    tags = _tags(profile)
    first, second = (tags.get(name, b"") for name in (b"A2B0", b"A2B1"))
    if (second and first != second) or not _FLOATS.isdisjoint(tags):
        raise DataError(
            f"{path} has a colour profile with different tables (A2B0, A2B1, D2B), of which viewers take the one or "
            "the other; expected one, so convert it to sRGB."
        )


def check_sound(profile: bytes, path: Path) -> None:
    """Refuse a profile that a browser passes over, though others convert colours by it.

    Raises:
        DataError: it is shorter than it says, has a part that lies outside, or another white than D50.
    """
    size = int.from_bytes(profile[:4], "big")
    white = [int.from_bytes(profile[at : at + 4], "big") / 65_536 for at in (68, 72, 76)]
    if size > len(profile):
        found = f"has {len(profile)} bytes and says {size}"
    elif any(start + length > size or length < _LEAST for _, start, length in _places(profile)):
        found = "has parts that lie outside of it"
    elif any(abs(value - of_d50) > _D50_SLACK for value, of_d50 in zip(white, _D50, strict=True)):
        found = f"states the white {', '.join(f'{value:.4f}' for value in white)}"
    else:
        return
    raise DataError(
        f"{path} has a colour profile that {found}, so that some viewers pass over it; expected a whole one with the "
        f"white {', '.join(map(str, _D50))}, so convert it to sRGB."
    )


def _tags(profile: bytes) -> dict[bytes, bytes]:
    return {name: profile[start : start + length] for name, start, length in _places(profile)}


def _places(profile: bytes) -> list[tuple[bytes, int, int]]:
    """Return name, start and length of every part."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    table = profile[_HEADER + 4 :][: count * _ENTRY]
    entries = [table[at : at + _ENTRY] for at in range(0, len(table) - _ENTRY + 1, _ENTRY)]
    return [(one[:4], int.from_bytes(one[4:8], "big"), int.from_bytes(one[8:], "big")) for one in entries]
