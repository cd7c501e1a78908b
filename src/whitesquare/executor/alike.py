"""Whether a node of a cluster computes what this machine does: with the same code and the same libraries."""

import platform
from collections.abc import Mapping
from functools import lru_cache

from whitesquare._base.machine import code_digest, versions
from whitesquare.errors import UnfinishedError

_CODE, _SHOWN = "code of whitesquare", 12


@lru_cache
def computing() -> dict[str, str]:
    """Return by name what a result depends on besides what it is computed from."""
    return versions() | {_CODE: code_digest()[:_SHOWN]}


def check_alike(expected: Mapping[str, str]) -> None:
    """Refuse to compute where a result would not be the one that is expected elsewhere.

    Args:
        expected: what :func:`computing` returned there.

    Raises:
        UnfinishedError: something here is of another version, naming the node and what differs.
    """
    own = computing()
    others = {name: found for name, found in expected.items() if own.get(name) != found}
    if others:
        unlike = [f"{name} {own.get(name, 'missing')} (expected {found})" for name, found in others.items()]
        raise UnfinishedError(
            f"The node {platform.node()} has {', '.join(unlike)}, and would compute other numbers than the machine "
            "that asks it; install the same versions on all nodes, and start again."
        )
