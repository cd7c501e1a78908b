"""JSON from a stranger: one reading of every document, or none."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from whitesquare.errors import VerificationError

DEEPEST = 64
"""Levels of nesting; deeper ones, which some readers refuse and others crash at, are refused."""

_HALF = re.compile(r"\\u[dD]")
"""How half a surrogate pair is written in JSON; so can a whole one be."""


@dataclass(frozen=True)
class NamedJson:
    """JSON in which names of files stand: as it is written, and as it can be shown and checked.

    Attributes:
        written: with half surrogate pairs, of which names of files can be made and no text that others read.
        shown: the same with question marks in their place; the very same object where there is none.
    """

    written: Any
    shown: Any


def strict_json(data: bytes, where: str) -> Any:
    """Parse UTF-8 JSON of a stranger, see :func:`parse`.

    Raises:
        VerificationError: it is no such JSON.
    """
    try:
        return parse(data.decode("utf-8"))
    except ValueError as error:
        raise VerificationError(f"{where} is not JSON that can be trusted: {error}.") from error


def parse(text: str) -> Any:
    """Parse JSON; what readers take in different ways is refused.

    That is: duplicate keys, NaN and infinities (also as a number too large), half a surrogate pair, deep nesting.

    Raises:
        ValueError: it is no such JSON.
    """
    try:
        found = json.loads(text, object_pairs_hook=unique, parse_float=_finite, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check(found)
    return found


def parse_named(data: bytes) -> NamedJson:
    """Parse UTF-8 JSON of ours in which half surrogate pairs may stand, as in names of files; no key may occur twice.

    Raises:
        ValueError: it is no such JSON.
    """
    text = data.decode("utf-8")
    try:
        found = json.loads(text, object_pairs_hook=unique)
        if not _HALF.search(text):
            return NamedJson(found, found)
        return NamedJson(found, json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _check(value: Any) -> None:
    """Look at every value, level by level."""
    level = [value]
    for _ in range(DEEPEST):
        for text in level:
            if isinstance(text, str):
                text.encode()  # raises a ValueError at half a surrogate pair
        below = [[*item, *item.values()] if isinstance(item, dict) else item for item in level]
        level = [child for item in below if isinstance(item, list) for child in item]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, for :func:`json.loads`; raise :class:`ValueError` if a key occurs twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r:.60} occurs twice")
        found[name] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text:.60} is too large")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
