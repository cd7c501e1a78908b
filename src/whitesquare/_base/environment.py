"""Secrets of the environment, which belong to this process alone: no program it starts is given them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

KEY_PASSWORD = "WHITESQUARE_KEY_PASSWORD"  # noqa: S105 - a name
"""The variable that holds the password of a private key."""

_SECRET = (KEY_PASSWORD,)
_lock = RLock()


def child_environment() -> dict[str, str]:
    """Return the environment for a program that is started, without the secrets."""
    return {name: value for name, value in os.environ.items() if name not in _SECRET}


@contextmanager
def hidden_secrets() -> Iterator[None]:
    """Take the secrets out of the environment for a while; for what starts programs and asks for no environment."""
    with _lock:
        taken = {name: os.environ.pop(name) for name in _SECRET if name in os.environ}
        try:
            yield
        finally:
            os.environ |= taken
