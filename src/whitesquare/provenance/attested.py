"""The attestation of a data set as part of the evidence for a model: kept as it was verified, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from whitesquare._base.files import whole_file
from whitesquare._base.strictjson import strict_json
from whitesquare.errors import NothingToDoError, VerificationError
from whitesquare.provenance.dataset import SignedDataset, check_dataset
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
from whitesquare.signing.dsse import read_envelope, verify
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures
from whitesquare.signing.statements import read_small

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


def read_attested(
    bundle: Path, trusted: Sequence[TrustedKey], now: datetime, asked: Signatures = BY_DEFAULT
) -> Attested:
    """Read a signed data set, see :func:`~whitesquare.provenance.dataset.read_dataset`, and what lies beside it.

    Args:
        bundle: the bundle or the envelope, by any name; where the other lies beside it, it is kept as well.
        trusted: the keys that may sign.
        now: the time at which they must be valid.
        asked: how many keys of which roles must have signed the one that is given.

    Raises:
        NothingToDoError: there is no such bundle, or no manifest beside it.
        VerificationError: one of them cannot be trusted, or they state different things.
    """
    data = read_small(bundle)
    signed = check_dataset(data, bundle, trusted, now, asked)
    payload = read_envelope(data, str(bundle)).payload
    statements = {}
    for path in (bundle.with_name(name) for name in (BUNDLE, ENVELOPE)):
        if path != bundle and path.is_file():
            other = read_small(path)
            envelope = read_envelope(other, str(path))
            signers = verify(envelope, trusted, now, str(path))
            replace(asked, total=1, each=()).check(signers, str(path))
            if envelope.payload != payload:
                raise VerificationError(
                    f"{path} states something else than {bundle}, beside which it lies; attest the data set again."
                )
            statements[_usual_name(other, path)] = other
    statements[_usual_name(data, bundle)] = data
    return Attested(signed, statements)


def _usual_name(data: bytes, path: Path) -> str:
    return BUNDLE if "mediaType" in strict_json(data, str(path)) else ENVELOPE


def copy_attestation(attested: Attested, folder: Path) -> None:
    """Write manifest, bundle and envelope into the folder of a model, under their usual names.

    The manifest is hashed on the way: no other arrives than the one that was verified. No link is written through.

    Raises:
        NothingToDoError: the manifest is gone.
        VerificationError: it was exchanged since it was verified.
    """
    source, digest = attested.signed.manifest, sha256()
    try:
        with source.open("rb") as file, whole_file(folder / MANIFEST) as part:
            with part.open("wb") as copy:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
            if digest.hexdigest() != attested.signed.sha256:
                raise VerificationError(
                    f"{source} was exchanged after it was verified; let nobody write to its folder, and start again."
                )
    except FileNotFoundError as error:
        raise NothingToDoError(f"{source} is gone; put the signed manifest back, and start again.") from error
    for name, data in attested.statements.items():
        with whole_file(folder / name) as part:
            part.write_bytes(data)
