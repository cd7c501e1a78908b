"""Verifying a dossier, offline: its signature, the digest of every file that it rests on, and what it says of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import whitesquare
from whitesquare._base.schema import build, decode
from whitesquare.auditing.compose import compose, fingerprint
from whitesquare.auditing.evidence import gather
from whitesquare.auditing.types import (
    DOSSIER_FORMAT,
    DOSSIER_TYPE,
    Dossier,
    DossierPredicate,
    KeyRecord,
)
from whitesquare.errors import DataError, NothingToDoError, UsageError, VerificationError
from whitesquare.gating.collect import file_state
from whitesquare.provenance.evidence import DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.statements import check_statement
from whitesquare.signing.times import is_future

SAME, CHANGED, MISSING, ADDED, UNREADABLE = "same", "changed", "missing", "added", "unreadable"
"""What became of a file. *Added*: it is evidence that lies in the run now and that the dossier does not know."""
_MOST_BYTES = 2**28


@dataclass(frozen=True)
class CheckedFile:
    """What became of one file: its name, one of the states above, and the digests that were expected and found."""

    name: str
    state: str
    expected: str
    found: str


@dataclass(frozen=True)
class DifferingStatement:
    """A statement that the files here do not lead to: its id, what is said, and what would be said now."""

    id: str
    said: str
    now: str


@dataclass(frozen=True)
class DossierCheck:
    """What a verification found.

    Attributes:
        signers: the trusted keys that signed the dossier; empty: nobody did.
        made: when it says it was made.
        fingerprint: of its content.
        files: of the dossier itself first, then all that it rests on.
        differing: the statements that these files do not lead to now; empty where none, or where another version made
            the dossier, so that only digests were compared.
        other_version: what made it, if that was another version than this one.
    """

    signers: tuple[KeyRecord, ...]
    made: str
    fingerprint: str
    files: tuple[CheckedFile, ...]
    differing: tuple[DifferingStatement, ...]
    other_version: str = ""

    @property
    def wrong(self) -> tuple[CheckedFile, ...]:
        """Files that are not as they were, but those that are missing."""
        return tuple(one for one in self.files if one.state not in (SAME, MISSING))

    @property
    def missing(self) -> tuple[CheckedFile, ...]:
        """Files that are gone."""
        return tuple(one for one in self.files if one.state == MISSING)

    @property
    def ok(self) -> bool:
        """Whether it is signed, and everything is as it says."""
        return bool(self.signers) and not self.wrong and not self.missing and not self.differing

    @property
    def only_missing(self) -> bool:
        """Whether nothing is wrong, but a file or the signature is not there."""
        return not self.ok and not self.wrong and (bool(self.missing) or not self.differing)


@dataclass(frozen=True)
class _SignedDossier:
    """A dossier as it was signed, or as it lies there unsigned; ``said`` is ``None`` where it is not the signed one."""

    predicate: DossierPredicate
    said: Dossier | None
    own: tuple[CheckedFile, ...]
    signers: tuple[TrustedKey, ...]


def verify_dossier(file: Path, run: Path | None, trusted: Sequence[TrustedKey], now: datetime) -> DossierCheck:
    """Verify a dossier against the run that it is about.

    Args:
        file: its signed statement, or the JSON or page beside that.
        run: the run folder; ``None`` is the folder of ``file``.
        trusted: the keys that may have signed it, and its evidence.
        now: the time at which they must be valid.

    Raises:
        UsageError: there is no such file or folder.
        VerificationError: its signature cannot be trusted, or it is no statement about a dossier.
        DataError: it is unsigned and damaged.
    """
    run = file.parent if run is None else run
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}; give with --run the folder that the dossier is about.")
    found = _read(file, trusted, now)
    predicate = found.predicate
    files = [*found.own, *(_checked(run, name, sha256) for name, sha256 in predicate.files.items())]
    added, differing = _again(run, found, trusted, now)
    current = f"whitesquare {whitesquare.__version__}"
    return DossierCheck(
        signers=tuple(KeyRecord(key.name, key.keyid, key.role) for key in found.signers),
        made=predicate.made,
        fingerprint=predicate.fingerprint,
        files=(*files, *added),
        differing=differing,
        other_version="" if predicate.tool == current else predicate.tool,
    )


def _read(file: Path, trusted: Sequence[TrustedKey], now: datetime) -> _SignedDossier:
    data = _bytes(file)
    if data is None:
        raise UsageError(f"There is no dossier {file}; `whitesquare dossier RUN --key KEY` writes one.")
    if file.suffix == ".json" and not _is_plain(data):
        return _signed(file, data, trusted, now)
    beside = file.with_name(DOSSIER_SIGNED)
    if (statement := _bytes(beside)) is not None:
        return _signed(beside, statement, trusted, now)
    if file.suffix != ".json":
        raise NothingToDoError(f"There is no {DOSSIER_SIGNED} beside {file}, so nobody vouches for that page.")
    said = _dossier(data, file)
    predicate = DossierPredicate(
        *(said.made, said.tool, said.fingerprint, said.model, said.manifest),
        {one.name: one.sha256 for one in said.files},
        (),
        (),
    )
    _check_predicate(predicate, str(file), now)
    return _SignedDossier(predicate, said, (), ())


def _is_plain(data: bytes) -> bool:
    """Tell a dossier, damaged or not, from an envelope, which has a payload."""
    return DOSSIER_FORMAT.encode() in data[:_HEAD] or b'"payload"' not in data


_HEAD = 200
"""Bytes in which the form of a dossier is named."""


def _signed(file: Path, data: bytes, trusted: Sequence[TrustedKey], now: datetime) -> _SignedDossier:
    statement = check_statement(data, str(file), DOSSIER_TYPE, trusted, now)
    predicate = build(DossierPredicate, statement.predicate, where=str(file), refuse=VerificationError)
    _check_predicate(predicate, str(file), now)
    subjects = {one.name: one.sha256 for one in statement.subjects}
    if set(subjects) != {DOSSIER, DOSSIER_PAGE}:
        raise VerificationError(f"{file} is signed, but is not about {DOSSIER} and {DOSSIER_PAGE}.")
    own = tuple(_checked(file.parent, name, sha256) for name, sha256 in subjects.items())
    said = None
    if own[[*subjects].index(DOSSIER)].state == SAME:
        content = _bytes(file.with_name(DOSSIER)) or b""
        said = _dossier(content, file.with_name(DOSSIER)) if _sha256(content) == subjects[DOSSIER] else None
    if said is not None and (said.fingerprint, said.made) != (predicate.fingerprint, predicate.made):
        raise VerificationError(f"{file} and {DOSSIER} are both signed, and name different fingerprints or times.")
    return _SignedDossier(predicate, said, own, statement.signers)


def _check_predicate(predicate: DossierPredicate, where: str, now: datetime) -> None:
    for name in predicate.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
            raise VerificationError(f"{where} names the file {name!r:.80}, which is none below a run folder.")
    try:
        ahead = is_future(predicate.made, now)
    except ValueError as error:
        raise VerificationError(f"{where}: {error}.") from error
    if ahead:
        raise VerificationError(
            f"{where} was made at {predicate.made}, which is still to come by the clock of this machine; set it right."
        )


def _dossier(data: bytes, file: Path) -> Dossier:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} cannot be read as a dossier: {error}.") from error
    said = decode(Dossier, text, where=str(file))
    if said.format != DOSSIER_FORMAT:
        raise DataError(f"{file} is no dossier that this version reads: its format is {said.format!r:.60}.")
    if fingerprint(said) != said.fingerprint:
        raise VerificationError(f"{file} was changed: its content has another fingerprint than it names.")
    return said


def _checked(folder: Path, name: str, expected: str) -> CheckedFile:
    state = file_state(folder / name)
    if state.problem and not state.sha256:
        return CheckedFile(name, UNREADABLE if expected else SAME, expected, "")
    if not state.sha256:
        return CheckedFile(name, MISSING, expected, "")
    return CheckedFile(name, SAME if state.sha256 == expected else CHANGED, expected, state.sha256)


def _again(
    run: Path, found: _SignedDossier, trusted: Sequence[TrustedKey], now: datetime
) -> tuple[list[CheckedFile], tuple[DifferingStatement, ...]]:
    """Make the dossier once more from the files here; return evidence that it does not know, and what differs."""
    names = {key.keyid: key.name for one in (found.said.files if found.said else ()) for key in one.signers}
    renamed = [replace(key, name=names.get(key.keyid, key.name)) for key in trusted]
    try:
        again = compose(gather(run, renamed, now), found.predicate.made)
    except NothingToDoError:
        return [], ()
    known = found.predicate.files
    added = [CheckedFile(one.name, ADDED, "", one.sha256) for one in again.files if one.name not in known]
    if found.said is None or found.said.tool != again.tool or found.said.fingerprint == again.fingerprint:
        return added, ()
    before, after = ({one.id: one for one in dossier.statements} for dossier in (found.said, again))
    ids = dict.fromkeys((*before, *after))
    differing = tuple(
        DifferingStatement(name, *(said[name].text if name in said else "" for said in (before, after)))
        for name in ids
        if before.get(name) != after.get(name)
    )
    return added, differing or (DifferingStatement("headline", found.said.headline, again.headline),)


def _bytes(file: Path) -> bytes | None:
    if not file.is_file():
        return None
    if file.stat().st_size > _MOST_BYTES:
        raise DataError(f"{file} has more than {_MOST_BYTES} bytes, as no dossier has.")
    return file.read_bytes()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
