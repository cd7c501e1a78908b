"""When a result is made, and by which command: what its page and its file begin with."""

import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
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


def is_read(path: Path) -> bool:
    """Tell whether a file was typed as something else than an output, so that the verb reads it."""
    typed, output = _TYPED.get() or (), False
    for argument in typed:
        skipped, output = output, argument in ("-o", "--output")
        if skipped or output or argument.startswith(("-o", "--output=")):
            continue
        named = argument.partition("=")[2] if argument.startswith("--") else argument
        with suppress(OSError, ValueError):  # no name of a file
            if named and path.samefile(named):
                return True
    return False


def _open(argument: str) -> str:
    return _SECRET.sub(lambda found: f"{found[1] or ''}...", argument)
