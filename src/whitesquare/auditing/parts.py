"""Statements of a run that a dossier reads beside those of the gate, and whether they belong to the rest."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from whitesquare.errors import NothingToDoError, WhitesquareError
from whitesquare.gating.collect import file_state
from whitesquare.gating.types import SignedPart
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.statements import read_statement

T = TypeVar("T")


def read_part(
    run: Path,
    name: str,
    kind: str | Collection[str],
    read: Callable[[dict[str, Any], str], T],
    trusted: Sequence[TrustedKey],
    now: datetime,
) -> SignedPart[T]:
    """Read a statement; what is wrong with it becomes a fact about it.

    Args:
        run: the run folder.
        name: of the statement, below it.
        kind: predicate type that it must have.
        read: reads what it says, given its predicate and its name.
        trusted: the keys that may sign.
        now: the time at which they must be valid.
    """
    state = file_state(run / name)
    try:
        found = read_statement(run / name, kind, trusted, now)
        said = read(found.predicate, name)
    except (WhitesquareError, OSError, ValueError) as error:
        missing = isinstance(error, NothingToDoError)
        return SignedPart(name, sha256=state.sha256, problem=str(error).replace(str(run / name), name), missing=missing)
    return SignedPart(name, said, found.subjects, found.signers, state.sha256, files={name: state.sha256})


def about(part: SignedPart[T], name: str, sha256: str) -> SignedPart[T]:
    """Hold what a statement is about against the file here; where that is not there, nothing can be said."""
    if part.said is None or not sha256 or any(one.sha256 == sha256 for one in part.subjects):
        return part
    return aside(part, f"it is about another {name} than the one here")


def aside(part: SignedPart[T], why: str) -> SignedPart[T]:
    """Set a statement aside that does not belong to the rest."""
    return SignedPart(part.file, sha256=part.sha256, problem=f"{part.file} does not belong here: {why}.")
