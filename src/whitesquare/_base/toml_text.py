"""TOML that people write by hand, in whatever editor."""

import tomllib
from typing import Any

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def parse_toml(data: bytes) -> dict[str, Any]:
    """Parse TOML; the mark that editors of Windows put before UTF-8 is left out.

    Raises:
        ValueError: it is no TOML, nested too deeply, or no UTF-8; in words that can follow a colon.
    """
    if data.startswith(_UTF16):
        raise ValueError("it is text in UTF-16; save it as UTF-8")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
