"""What was accepted last: an old version of a data set, rightly signed, must not come back as the new one.

A JSON file holds, for each data set, version, time of signing and manifest of the last statement that a verification
accepted, and when it did. Nothing is ever accepted that stands before it, nor at a time before that.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from whitesquare._base.files import write_text
from whitesquare._base.locks import file_lock
from whitesquare._base.schema import build
from whitesquare._base.strictjson import strict_json
from whitesquare.errors import DataError, UsageError, VerificationError
from whitesquare.provenance.types import DatasetPredicate
from whitesquare.signing.times import from_text, is_future, to_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

VARIABLE = "WHITESQUARE_STATE"


@dataclass(frozen=True)
class Accepted:
    """The last state of a data set that was accepted.

    Attributes:
        version: of the data set.
        signed: UTC time of its signing.
        manifest: SHA-256 of its manifest, hexadecimal.
        accepted: UTC time at which it was accepted last; empty where that was not written down.
    """

    version: int
    signed: str
    manifest: str
    accepted: str = ""


@dataclass(frozen=True)
class StateFile:
    """Where it is written.

    Attributes:
        path: the file.
        chosen: whether somebody named it; then it must be possible to write it.
    """

    path: Path
    chosen: bool


def state_file(path: Path | None = None) -> StateFile:
    """Return the file: ``path``, else what ``WHITESQUARE_STATE`` names, else one in the user's state folder.

    Raises:
        UsageError: it is a folder.
    """
    if named := path or os.environ.get(VARIABLE):
        found = StateFile(Path(named), True)
    else:
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - may be no home
        found = StateFile(Path(base) / "whitesquare" / "accepted.json", False)
    if found.path.is_dir():
        raise UsageError(f"The state file {found.path} is a folder; name a file in it.")
    return found


def check_newer(state: StateFile, predicate: DatasetPredicate, manifest: str, now: datetime) -> None:
    """Compare a statement with the last one accepted, and the clock with all of them.

    Raises:
        VerificationError: it is older, or another one of the same version that is no newer; or the clock was set back.
        DataError: the file is damaged.
    """
    _check(_read(state), state, predicate, manifest, now)


def remember(state: StateFile, predicate: DatasetPredicate, manifest: str, now: datetime) -> str:
    """Write down that a statement was accepted, unless a newer one was meanwhile.

    Returns:
        Why it could not be written where nobody chose the file; else an empty text.

    Raises:
        VerificationError: see :func:`check_newer`.
        DataError: the file is damaged.
        UsageError: the file that was chosen cannot be written.
    """

    def after(known: dict[str, Accepted]) -> Accepted:
        _check(known, state, predicate, manifest, now)
        last = known.get(predicate.dataset.id)
        if last is None or (last.version, last.signed) < (predicate.dataset.version, predicate.signed):
            last = Accepted(predicate.dataset.version, predicate.signed, manifest)
        return replace(last, accepted=max(last.accepted, to_text(now)))

    return change_state(state, _read, predicate.dataset.id, after, "What was verified")


def _check(
    known: dict[str, Accepted], state: StateFile, predicate: DatasetPredicate, manifest: str, now: datetime
) -> None:
    latest = max((max(one.signed, one.accepted) for one in known.values()), default="")
    if latest and is_future(latest, now):
        raise VerificationError(
            f"The clock of this machine stands at {to_text(now)}, and {state.path} remembers a statement of {latest}: "
            "the clock was set back, so nobody can tell what has expired. Set it right, or, if it was wrong before, "
            "remove that file."
        )
    last, found = known.get(predicate.dataset.id), predicate.dataset
    if last is None or found.version > last.version:
        return
    if found.version < last.version:
        raise VerificationError(
            f"This is version {found.version} of {found.id!r}, and version {last.version} was accepted before: an "
            f"older one is offered again. If that is meant, remove its entry from {state.path}."
        )
    if manifest != last.manifest and predicate.signed <= last.signed:
        raise VerificationError(
            f"This version {found.version} of {found.id!r}, signed {predicate.signed}, has another manifest than the "
            f"one that was accepted before, signed {last.signed}. If it is the right one, sign it as version "
            f"{found.version + 1}."
        )


def _read(state: StateFile) -> dict[str, Accepted]:
    return read_state(state, _parsed, "which version was accepted last")


def read_state(state: StateFile, parse: Callable[[bytes, str], dict[str, T]], what: str) -> dict[str, T]:
    """Read what is remembered; nothing where there is no file.

    Args:
        state: the file.
        parse: ``parse(content, where)`` reads it.
        what: what nobody knows without it, for the errors.

    Raises:
        DataError: it is damaged or cannot be read.
    """
    try:
        data = state.path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        if not state.chosen and not os.path.lexists(state.path):  # nobody of this name can look into that folder
            return {}
        raise DataError(
            f"The state file {state.path} cannot be read ({error.strerror}), so nobody knows {what}; make it readable."
        ) from error
    try:
        return parse(data, str(state.path))
    except (VerificationError, DataError, ValueError) as error:
        raise DataError(
            f"The state file {state.path} is damaged, so nobody knows {what}: {error} Restore it, or remove it to "
            "start anew."
        ) from error


def change_state(
    state: StateFile,
    read: Callable[[StateFile], dict[str, T]],
    name: str,
    after: Callable[[dict[str, T]], T],
    what: str,
) -> str:
    """Change what is remembered under one name, one process at a time.

    Args:
        state: the file.
        read: reads it.
        name: of what changes.
        after: returns what is remembered from now on, given all that was before.
        what: what is lost if it cannot be written, for the error.

    Returns:
        Why it could not be written where nobody chose the file; else an empty text.

    Raises:
        UsageError: the file that was chosen cannot be written.
    """
    try:
        with file_lock(state.path.with_name(f".{state.path.name}.lock")):  # the file itself is replaced by writing
            known = read(state)
            if (now := after(known)) != known.get(name):
                records = {one: asdict(record) for one, record in sorted((known | {name: now}).items())}
                write_text(state.path, json.dumps(records, indent=1) + "\n")
    except OSError as error:
        reason = f"the state file {state.path} cannot be written ({error.strerror or error})"
        if state.chosen:
            raise UsageError(f"{what} is not remembered: {reason}; name another with --state.") from error
        return reason
    return ""


def _parsed(data: bytes, where: str) -> dict[str, Accepted]:
    found = build(dict[str, Accepted], strict_json(data, where), where=where)
    for one in found.values():
        for moment in (one.signed, *([one.accepted] if one.accepted else [])):
            from_text(moment)
        if one.version < 1 or len(one.manifest) != 64:
            raise ValueError(f"found version {one.version} and manifest {one.manifest!r:.70}.")
    return found
