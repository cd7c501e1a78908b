"""Colour profiles that one program obeys and another passes over, or of which they obey different parts."""

from pathlib import Path

import numpy as np

from whitesquare.errors import DataError
from whitesquare.types import UInt8Array

_HEADER, _ENTRY, _LEAST = 128, 12, 4
_D50 = (0.9642, 1.0, 0.8249)
_D50_SLACK = 0.01
_XYZ, _PARAMETERS = 20, (1, 3, 4, 5, 7)
"""Bytes of a colour, and the numbers of a curve by its kind."""
_WITHOUT_START = (1, 2)
"""Kinds of curve that do not say where they begin."""
_NEAR = 8
"""Levels of 256 by which the greys of a profile may be coloured, or its ends lie inside."""
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
    elif any(len(part) < _needed(part) for part in _tags(profile).values()):
        found = "has parts that are cut off"
    elif not all(_is_curve(part) for part in _tags(profile).values() if part[:4] == b"para"):
        found = "has a curve that does not begin at nothing"
    elif any(abs(value - of_d50) > _D50_SLACK for value, of_d50 in zip(white, _D50, strict=True)):
        found = f"states the white {', '.join(f'{value:.4f}' for value in white)}"
    else:
        return
    raise DataError(
        f"{path} has a colour profile that {found}, so that some viewers pass over it; expected a whole one with the "
        f"white {', '.join(map(str, _D50))}, so convert it to sRGB."
    )


def check_greys(converted: UInt8Array, path: Path) -> None:
    """Refuse a profile of which programs make different colours, for they are beyond what there is.

    Args:
        converted: what it makes of all greys, ``(256,)`` or ``(256, 3)``.
        path: the file, for the error.

    Raises:
        DataError: it makes no greys of them that rise from black to white.
    """
    greys = converted.reshape(256, -1).astype(np.int16)
    spread = int((greys.max(axis=1) - greys.min(axis=1)).max())
    if spread > _NEAR or greys[0].max() > _NEAR or greys[-1].min() < 255 - _NEAR or (np.diff(greys, axis=0) < 0).any():
        raise DataError(
            f"{path} has a colour profile that makes {greys[0].tolist()} of black, {greys[-1].tolist()} of white and "
            f"greys up to {spread} levels coloured, of which programs make different colours; expected greys from "
            f"black to white within {_NEAR} levels, so convert it to sRGB."
        )


def _needed(part: bytes) -> int:
    kind, number = part[:4], int.from_bytes(part[8:10], "big")
    if kind == b"curv":
        return 12 + 2 * int.from_bytes(part[8:12], "big")
    if kind == b"para":
        return 12 + 4 * _PARAMETERS[min(number, len(_PARAMETERS) - 1)]
    return _XYZ if kind == b"XYZ " else _LEAST


def _is_curve(part: bytes) -> bool:
    """Tell whether a curve, a power of ``a x + b`` above ``d`` and ``c x`` below, rises from 0 to 1 without a gap."""
    kind = int.from_bytes(part[8:10], "big")
    if kind >= len(_PARAMETERS):
        return False
    numbers = [int.from_bytes(part[at : at + 4], "big", signed=True) for at in range(12, _needed(part), 4)]
    power, a, b, c, d, *_ = [*numbers, *(0,) * len(_PARAMETERS)]
    if kind in _WITHOUT_START:  # it begins where a x + b does
        return power >= 0 and a > 0 and b <= 0
    return min(power, a, c, d) >= 0 and a * d + b * 65_536 >= 0


def _tags(profile: bytes) -> dict[bytes, bytes]:
    return {name: profile[start : start + length] for name, start, length in _places(profile)}


def _places(profile: bytes) -> list[tuple[bytes, int, int]]:
    """Return name, start and length of every part."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    table = profile[_HEADER + 4 :][: count * _ENTRY]
    entries = [table[at : at + _ENTRY] for at in range(0, len(table) - _ENTRY + 1, _ENTRY)]
    return [(one[:4], int.from_bytes(one[4:8], "big"), int.from_bytes(one[8:], "big")) for one in entries]
