"""The package's dataclasses as JSON, there and back, and files that are either whole or absent."""

import json
import math
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import uuid4

from whitesquare.errors import DataError

T = TypeVar("T")


def encode(record: Any) -> str:
    """Write a dataclass as indented JSON; NaN and infinity, which JSON does not have, become ``null``."""
    return json.dumps(_finite(asdict(record)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def decode(cls: type[T], text: str, *, where: str) -> T:
    """Read a dataclass written by :func:`encode`.

    Args:
        cls: the frozen dataclass to build.
        text: the JSON.
        where: the file it came from, for the error.

    Raises:
        DataError: if it is not JSON, or a field is missing, unknown or of another type.
    """
    try:
        return _build(cls, json.loads(text))  # type: ignore[no-any-return]
    except RecursionError as error:
        raise DataError(f"{where} is not a valid {cls.__name__} file: it is nested too deep.") from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # the last: a whole number no float can hold
        raise DataError(f"{where} is not a valid {cls.__name__} file: {error}.") from error


def build(cls: type[T], value: Any, *, where: str) -> T:
    """Make a dataclass of what a JSON parser returned; for files whose parsing needs more care than :func:`decode`.

    Raises:
        DataError: a field is missing, unknown or of another type.
    """
    try:
        return _build(cls, value)  # type: ignore[no-any-return]
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # the last: a whole number no float can hold
        raise DataError(f"{where} is not a valid {cls.__name__}: {error}.") from error


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _build(kind: Any, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _build_union(arguments, value)
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in _expect(value, list, kind))
    if origin is dict:
        return {key: _build(arguments[1], item) for key, item in _expect(value, dict, kind).items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(value, kind, kind)


def _build_union(arguments: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in arguments:
        return None
    if type(value) in arguments:
        return value
    return _build(next(item for item in arguments if item is not type(None)), value)


def _build_dataclass(kind: type[Any], value: Any) -> Any:
    hints = get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    if extra := set(_expect(value, dict, kind)) - known:
        raise ValueError(f"unknown field {min(extra)!r} in {kind.__name__}")
    return kind(**{name: _build(hints[name], item) for name, item in value.items()})


def _expect(value: Any, kind: type[Any], wanted: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"found {value!r:.60} where {wanted} was expected")
    return value


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it on success, remove it on any failure.

    A killed or failed run leaves the old file or the new one, never a part of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to ``path``, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
