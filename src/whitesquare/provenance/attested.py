"""The attestation of a data set as part of the evidence for a model: kept as it was verified, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from whitesquare.errors import NothingToDoError, VerificationError
from whitesquare.provenance.dataset import SignedDataset, read_dataset
from whitesquare.provenance.dsse import read_envelope
from whitesquare.provenance.keys import TrustedKey
from whitesquare.provenance.statements import parse_statement, read_small
from whitesquare.provenance.strictjson import strict_json
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST

_CHUNK = 2**20


@dataclass(frozen=True)
class Attested:
    """A signed data set, and the statements about it.

    Attributes:
        signed: what was read, its signatures checked.
        statements: by usual name, the bytes of bundle and envelope.
    """

    signed: SignedDataset
    statements: dict[str, bytes]


def read_attested(bundle: Path, trusted: Sequence[TrustedKey], now: datetime, threshold: int = 1) -> Attested:
    """Read a signed data set, see :func:`~whitesquare.provenance.dataset.read_dataset`, and what lies beside it.

    Args:
        bundle: the bundle or the envelope, by any name; where the other lies beside it, it is kept as well.
        trusted: the keys that may sign.
        now: the time at which they must be valid.
        threshold: number of different keys that must have signed.

    Raises:
        NothingToDoError: there is no such bundle, or no manifest beside it.
        VerificationError: it cannot be trusted, or bundle and envelope are about different manifests.
    """
    signed = read_dataset(bundle, trusted, now, threshold)
    statements = {}
    for path in (*(bundle.with_name(name) for name in (BUNDLE, ENVELOPE)), bundle):
        if path.is_file():
            data = read_small(path)
            subjects, _, _ = parse_statement(read_envelope(data, str(path)).payload, str(path))
            if [one.sha256 for one in subjects] != [signed.sha256]:
                raise VerificationError(
                    f"{path} is about another manifest than {bundle}, beside which it lies; attest the data set again."
                )
            statements[BUNDLE if "mediaType" in strict_json(data, str(path)) else ENVELOPE] = data
    return Attested(signed, statements)


def copy_attestation(attested: Attested, folder: Path) -> None:
    """Write manifest, bundle and envelope into the folder of a model, under their usual names.

    The manifest is hashed on the way: no other arrives than the one that was verified.

    Raises:
        NothingToDoError: the manifest is gone.
        VerificationError: it was exchanged since it was verified.
    """
    source, digest = attested.signed.manifest, sha256()
    try:
        with source.open("rb") as file, (folder / MANIFEST).open("wb") as copy:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
    except FileNotFoundError as error:
        raise NothingToDoError(f"{source} is gone; put the signed manifest back, and start again.") from error
    if digest.hexdigest() != attested.signed.sha256:
        raise VerificationError(
            f"{source} was exchanged after it was verified; let nobody write to its folder, and start again."
        )
    for name, data in attested.statements.items():
        (folder / name).write_bytes(data)
