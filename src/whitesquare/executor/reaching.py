"""Whether somebody answers at the address of a cluster."""

import socket
from collections.abc import Iterator

from whitesquare.errors import UsageError
from whitesquare.executor.types import reason

_KNOCK = 5.0
"""Seconds to wait for somebody to answer at an address."""
LONG = 300
"""Letters of what Ray says that are told."""


def knock(address: str) -> None:
    """Refuse an address where nobody answers: Ray itself would try for minutes.

    Raises:
        UsageError: nobody does.
    """
    for error in _knocked(address):
        raise unreachable(address, error) from error


def answers(address: str) -> bool:
    """Tell whether somebody answers at an address."""
    return not list(_knocked(address))


def _knocked(address: str) -> Iterator[Exception]:
    """Yield why nobody answers at an address; nothing where somebody does, or where it is a word that Ray looks up."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK).close()
    except (OSError, ValueError) as error:
        yield error


def unreachable(address: str | None, error: Exception) -> UsageError:
    """Say that there is no cluster to be joined."""
    why = reason(error)
    return UsageError(
        f"There is no Ray cluster to be reached at {address or 'this machine'} ({why[:LONG]}); start one with "
        "`ray start --head` and give the address it prints; where it asks for a token, set RAY_AUTH_MODE=token."
    )
