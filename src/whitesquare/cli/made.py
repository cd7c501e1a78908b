"""When a result is made, and by which command: what its page and its file begin with."""

import re
import shlex
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from whitesquare.records import Made

_ARGUMENTS = "whitesquare.arguments"
_SECRET = re.compile(r"((?:pin|pin-value|password|passwd|token|secret)=)[^&;\s]+|(?<=://)[^/@\s]+@", re.IGNORECASE)
"""What the URI of a key, a tracker or a cluster may hold."""


def remember(context: Any, arguments: list[str]) -> None:
    """Keep what was typed, for the verb that is called."""
    context.meta[_ARGUMENTS] = tuple(arguments)


def made_now() -> "Made":
    """Say what is made now, and by which command, without what is secret in it."""
    from click import get_current_context

    from whitesquare.records import Made
    from whitesquare.signing.times import to_text, utc_now

    context: typer.Context | None = get_current_context(silent=True)  # type: ignore[assignment]
    arguments = context.meta.get(_ARGUMENTS) if context is not None else None
    command = "" if arguments is None else shlex.join(["whitesquare", *map(_open, arguments)])
    return Made(to_text(utc_now()), command)


def _open(argument: str) -> str:
    return _SECRET.sub(lambda found: f"{found[1] or ''}...", argument)
