"""Where the password of a private key comes from: the environment, or the person at the terminal."""

import os
import sys
from collections.abc import Callable

import typer

from whitesquare._base.environment import KEY_PASSWORD
from whitesquare.errors import UsageError

_kept: dict[str, str] = {}


def take_password() -> Callable[[], None]:
    """Take the password out of the environment before anything is started that would inherit it.

    Returns:
        A function that puts it back, for whoever runs the command line within a program of their own.
    """
    if KEY_PASSWORD in os.environ:
        _kept[KEY_PASSWORD] = os.environ.pop(KEY_PASSWORD)

    def give_back() -> None:
        os.environ.update(_kept)
        _kept.clear()

    return give_back


def password_of(key: str) -> str:
    """Return the password of an existing key.

    Raises:
        UsageError: nobody can be asked.
    """
    return _known() or str(typer.prompt(f"Password of {key}", hide_input=True, err=True))


def new_password(key: str) -> str:
    """Return the password of a new key, asked for twice.

    Raises:
        UsageError: nobody can be asked.
    """
    return _known() or str(typer.prompt(f"New password of {key}", hide_input=True, confirmation_prompt=True, err=True))


def _known() -> str | None:
    password = _kept.get(KEY_PASSWORD, os.environ.get(KEY_PASSWORD))
    if password is None and not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to ask for a password at; set {KEY_PASSWORD}, or make the key with --no-password."
        )
    return password
