"""Records as JSON, there and back: the one reader and the one writer.

Pydantic holds what is read against the dataclass that it is to become, which knows nothing of it. It is loaded when
the first record is read, and not by what only starts.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from whitesquare._base.strictjson import parse
from whitesquare.errors import DataError, WhitesquareError, unknown_name

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "date": "a day, such as 2027-01-31",
    "tuple": "a list",
    "dict": "a table",
    "dataclass": "a table",
    "none": "nothing",
}
"""What to call the type by which pydantic's name of a mistake begins, as in ``int_from_float``."""

_UNKNOWN = "unexpected_keyword_argument"
_INSIDE = re.compile("(?<=.)(?=[A-Z])")
"""Where a word begins in the name of a class."""
_LONG = re.compile("[0-9]{300}")
"""A whole number that a float may not hold, or a text."""


def encode(record: Any) -> str:
    """Write a dataclass as indented JSON.

    Raises:
        DataError: it holds a number that is not finite: JSON has none, so nobody could read the file.
    """
    value = asdict(record)
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        place, number = next(_not_finite(value))
        kind = type(record).__name__
        raise DataError(f"A {kind} cannot be written: {place} is {number}; expected a finite number.") from error


def decode(cls: type[T], text: str, *, where: str) -> T:
    """Read a dataclass written by :func:`encode`.

    Args:
        cls: the frozen dataclass to build.
        text: the JSON.
        where: the file it came from, for the error.

    Raises:
        DataError: it is no JSON that can be trusted (see :mod:`.strictjson`), or a field is missing, unknown or of
            another type.
    """
    where = f"{where} is not a valid {_INSIDE.sub(' ', cls.__name__).lower()} file"
    try:
        value = parse(text)
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error
    return build(cls, value, where=where)


def build(
    cls: type[T], value: Any, *, where: str, refuse: type[WhitesquareError] = DataError, others: bool = False
) -> T:
    """Make a record of what a parser of JSON or TOML returned.

    Args:
        cls: a dataclass, or a ``dict`` or ``tuple`` of such.
        value: what was parsed, free of half surrogate pairs.
        where: where it stood, for the error.
        refuse: the error to raise.
        others: ignore unknown fields instead of refusing them.

    Raises:
        WhitesquareError: of the kind of ``refuse``: a field is missing, unknown, of another type, or has a value that
            the dataclass itself refuses.
    """
    from pydantic import ValidationError

    # As JSON once more: only from JSON does pydantic make tuples and dataclasses while it is strict about the rest.
    try:
        text = json.dumps(value, ensure_ascii=False, default=_no_json)
    except (ValueError, RecursionError) as error:
        raise refuse(f"{where}: a number is too large, or it is nested too deeply.") from error
    suspect = "NaN" in text or "Infinity" in text or _LONG.search(text)
    for place, number in _not_finite(value) if suspect else ():
        raise refuse(f"{where}: {place} is {number!s:.60}; expected a number.")
    adapter: TypeAdapter[T] = _adapter(cls)  # type: ignore[arg-type]  # every type has a hash
    try:
        return adapter.validate_json(text, strict=True, extra="ignore" if others else "forbid")
    except ValidationError as error:
        raise refuse(f"{where}: {_sentence(cls, error.errors(include_url=False))}") from error
    except WhitesquareError as error:  # the record's own, which looks at its values
        raise refuse(f"{where}: {error}") from error


@cache
def _adapter(cls: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _no_json(value: object) -> list[str]:
    """Keep a day or a time of TOML from being taken for a text."""
    return [str(value)]


def _not_finite(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Find the numbers that a float cannot hold, or that are none."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _not_finite(item, f"{place}{_step(name)}")
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _not_finite(item, f"{place}[{position}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield place.removeprefix("."), value
    elif isinstance(value, int) and value.bit_length() > 1023:
        yield place.removeprefix("."), f"a number of {value.bit_length()} bits"


def _step(name: int | str) -> str:
    return f".{name}" if isinstance(name, str) and name.isidentifier() else f"[{name!r:.80}]"


def _sentence(cls: Any, errors: "list[ErrorDetails]") -> str:
    """Say where the first mistake is, what was found and what was expected; an unknown name is why others lack."""
    error = next((one for one in errors if one["type"] == _UNKNOWN), errors[0])
    *above, last = error["loc"] or ("",)
    parent = "".join(map(_step, above)).removeprefix(".") or "it"
    if error["type"] == _UNKNOWN and not above:
        return str(unknown_name("field", str(last), [item.name for item in fields(cls)]))
    if error["type"] == _UNKNOWN:
        return f"{parent} has a field {last!r:.80}, which is unknown here."
    if error["type"] == "missing":
        return f"{parent} has no {last!r}."
    place, tried = "".join(map(_step, error["loc"])).removeprefix(".") or "it", [error]
    if last in ("int", "float", "str", "bool") and len(errors) > 1:  # each type of a union was tried
        place, tried = parent, [one for one in errors if [*one["loc"][:-1]] == above]
    kinds = dict.fromkeys(_WANTED.get(one["type"].partition("_")[0]) or one["msg"] for one in tried)
    return f"{place} is {error['input']!r:.60}; expected {(' or ' if len(kinds) == 2 else ', ').join(kinds)}."
