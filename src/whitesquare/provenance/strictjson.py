"""JSON from a stranger: one reading of every document, or none."""

import json
from typing import Any

from whitesquare.errors import VerificationError


def strict_json(data: bytes, where: str) -> Any:
    """Parse UTF-8 JSON; duplicate keys, NaN and infinities, which readers take in different ways, are refused.

    Raises:
        VerificationError: it is no such JSON.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise VerificationError(f"{where} is not JSON that can be trusted: {reason}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r:.60} occurs twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
