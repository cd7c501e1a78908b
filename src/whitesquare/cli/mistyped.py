"""What is said of a value that was typed and is none of its kind: what it was, what is expected, what to write."""

import re
from pathlib import Path
from typing import Any

import typer

_WANTED = {
    "int_parsing": "a whole number, such as 7",
    "int_parsing_size": "a whole number of fewer digits",
    "int_from_float": "a whole number, such as 7",
    "float_parsing": "a number, such as 0.05",
}
"""By pydantic's name of a mistake, what was expected."""
_SHARE = re.compile(r"(\d+(?:[.,]\d+)?) ?%")
_COMMA = re.compile(r"\d+,\d+")


Misuse: type[Any] = typer.BadParameter.__mro__[1]
"""What Typer raises for every line that it cannot read; it exports no name for that."""


def mistyped(error: Any, arguments: list[str]) -> str:
    """Return a sentence for a number that is none, or a name that reads as an option; empty for every other mistake.

    Args:
        error: a :data:`Misuse`, which Typer tells itself.
        arguments: what was typed behind the verb.
    """
    if hasattr(error, "option_name"):
        names = [text for text in arguments if text[0:1] == "-" and _is_there(text)]
        return f"{error.message}. To name the file or folder {names[0]!r}, write ./{names[0]}." if names else ""
    found: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    wanted = _WANTED.get(found[0].get("type", "")) if found else None
    if wanted is None:
        return ""
    typed = str(found[0].get("input"))
    return f"found {typed!r:.60}; expected {wanted}{_meant(typed, found[0]['type'])}."


def _meant(typed: str, kind: str) -> str:
    if not kind.startswith("float"):
        return ""
    if share := _SHARE.fullmatch(typed):
        return f"; a share is written as {float(share[1].replace(',', '.')) / 100:g}"
    return f"; write {typed.replace(',', '.')}" if _COMMA.fullmatch(typed) else ""


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False
