"""When a result is made, and by which command: what its page and its file begin with."""

import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whitesquare.records import Made

_TYPED: ContextVar[tuple[str, ...] | None] = ContextVar("typed", default=None)
_SECRET = re.compile(r"((?:pin|pin-value|password|passwd|token|secret)=)[^&;\s]+|(?<=://)[^/@\s]+@", re.IGNORECASE)
"""What the URI of a key, a tracker or a cluster may hold."""


def remember(arguments: Sequence[str]) -> None:
    """Keep what was typed, for the verb that is called."""
    _TYPED.set(tuple(arguments))


def made_now() -> "Made":
    """Say what is made now, and by which command, without what is secret in it."""
    from whitesquare.records import Made
    from whitesquare.signing.times import to_text, utc_now

    typed = _TYPED.get()
    return Made(to_text(utc_now()), "" if typed is None else shlex.join(["whitesquare", *map(_open, typed)]))


def _open(argument: str) -> str:
    return _SECRET.sub(lambda found: f"{found[1] or ''}...", argument)
