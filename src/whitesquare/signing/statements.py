"""In-toto Statements v1: what an envelope says, about which file."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from whitesquare._base.files import write_text
from whitesquare._base.strictjson import strict_json
from whitesquare.errors import NothingToDoError, VerificationError, malformed
from whitesquare.signing.dsse import MOST_BYTES, encode_bundle, read_envelope, sign, verify
from whitesquare.signing.keys import Signer, TrustedKey

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
VSA_TYPE = "https://slsa.dev/verification_summary/v1"


@dataclass(frozen=True)
class Subject:
    """What a statement is about: a name, and the SHA-256 (hexadecimal) that alone identifies it."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Statement:
    """A statement whose signatures were checked, and by whom it is signed."""

    subjects: tuple[Subject, ...]
    kind: str
    predicate: dict[str, Any]
    signers: tuple[TrustedKey, ...]


def encode_statement(subjects: Sequence[Subject], kind: str, predicate: dict[str, Any]) -> bytes:
    """Write the payload of an envelope."""
    record = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in subjects],
        "predicateType": kind,
        "predicate": predicate,
    }
    return json.dumps(record, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def write_statement(
    path: Path, subjects: Sequence[Subject], kind: str, predicate: dict[str, Any], signer: Signer
) -> None:
    """Sign a statement and write it as a bundle, whole or not at all."""
    write_text(path, encode_bundle(sign(encode_statement(subjects, kind, predicate), [signer])))


def read_statement(
    path: Path, kind: str | Collection[str], trusted: Sequence[TrustedKey], now: datetime, threshold: int = 1
) -> Statement:
    """Read a signed statement; its signatures are checked before it is parsed.

    Args:
        path: bundle or envelope.
        kind: the predicate type it must have, or several of which it must have one.
        trusted: the keys that may sign.
        now: the time at which they must be valid.
        threshold: number of different keys that must have signed.

    Raises:
        NothingToDoError: there is no such file.
        VerificationError: it cannot be trusted, or says something else than was asked for.
    """
    return check_statement(read_small(path), str(path), kind, trusted, now, threshold)


def check_statement(
    data: bytes,
    where: str,
    kind: str | Collection[str],
    trusted: Sequence[TrustedKey],
    now: datetime,
    threshold: int = 1,
) -> Statement:
    """Read a signed statement from the bytes of its file, see :func:`read_statement`: for who needs them again.

    Raises:
        VerificationError: see :func:`read_statement`.
    """
    envelope = read_envelope(data, where)
    signers = verify(envelope, trusted, now, where, threshold)
    subjects, found, predicate = parse_statement(envelope.payload, where)
    expect_kind(found, kind, where)
    return Statement(subjects, found, predicate, signers)


def expect_kind(found: str, kind: str | Collection[str], where: str) -> None:
    """Refuse a statement of another predicate type than the one, or the several, asked for.

    Raises:
        VerificationError: it is.
    """
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    if found not in kinds:
        raise VerificationError(
            f"{where} states {found!r:.120}; expected {' or '.join(kinds)}, so give the file that does."
        )


def read_small(path: Path) -> bytes:
    """Read a file that should be small; one that is not is refused unread.

    Raises:
        NothingToDoError: there is no such file.
        VerificationError: it is too large.
    """
    if path.is_dir():
        raise NothingToDoError(f"{path} is a folder, and a signed file was expected; name the file in it.")
    if not path.is_file():
        raise NothingToDoError(f"There is no file {path}; the evidence is missing.")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise VerificationError(f"{path} has {size} bytes, and no statement has more than {MOST_BYTES}.")
    return path.read_bytes()


def parse_statement(payload: bytes, where: str) -> tuple[tuple[Subject, ...], str, dict[str, Any]]:
    """Return subjects, predicate type and predicate of a payload whose signatures were checked.

    Raises:
        VerificationError: it is no in-toto Statement v1 with SHA-256 subjects.
    """
    record = strict_json(payload, where)
    try:
        if set(record) != {"_type", "subject", "predicateType", "predicate"} or record["_type"] != STATEMENT_TYPE:
            raise ValueError("its fields are others")
        subjects = tuple(Subject(str(one["name"]), _digest(one["digest"])) for one in record["subject"])
        kind, predicate = record["predicateType"], record["predicate"]
        if not subjects or not isinstance(kind, str) or not isinstance(predicate, dict):
            raise ValueError("it has no subject or no predicate")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError(f"{where} is signed, but no in-toto Statement v1: {malformed(error)}.") from error
    return subjects, kind, predicate


def _digest(record: Any) -> str:
    found = record["sha256"]
    if not isinstance(found, str) or len(found) != 64 or set(found) - set("0123456789abcdef"):
        raise ValueError("a subject has no SHA-256")
    return found
