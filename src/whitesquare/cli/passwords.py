"""Where the password of a private key comes from: the environment, or the person at the terminal."""

import os
import sys

import typer

from whitesquare.errors import UsageError

VARIABLE = "WHITESQUARE_KEY_PASSWORD"


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
    password = os.environ.get(VARIABLE)
    if password is None and not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to ask for a password at; set {VARIABLE}, or make the key with --no-password."
        )
    return password
