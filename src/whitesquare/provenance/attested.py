"""The attestation of a data set as part of the evidence for a model: copied as it was verified, or not at all."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from whitesquare.errors import NothingToDoError, VerificationError
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.dsse import read_envelope
from whitesquare.provenance.statements import parse_statement, read_small
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST

_CHUNK = 2**20


@dataclass(frozen=True)
class Attested:
    """A signed data set and where its statement lies.

    Attributes:
        bundle: the file that was given; its neighbours are the manifest and the other form of the statement.
        signed: what was read from it, its signatures checked.
    """

    bundle: Path
    signed: SignedDataset


def copy_attestation(attested: Attested, folder: Path) -> None:
    """Copy manifest, bundle and envelope into the folder of a model, under their usual names.

    What is copied is hashed on the way: only the manifest that was verified, and statements about it, arrive. Of
    bundle and envelope the one that was not given may be missing.

    Raises:
        NothingToDoError: a file is gone.
        VerificationError: a file was exchanged since it was verified.
    """
    signed = attested.signed
    _copy_manifest(signed, folder / MANIFEST)
    for name in (BUNDLE, ENVELOPE):
        path = attested.bundle.with_name(name)
        if path.is_file():
            _copy_statement(path, folder / name, signed)
    if attested.bundle.name not in (BUNDLE, ENVELOPE):
        data = attested.bundle.read_bytes()
        name = BUNDLE if b'"mediaType"' in data else ENVELOPE
        _copy_statement(attested.bundle, folder / name, signed)


def _copy_manifest(signed: SignedDataset, target: Path) -> None:
    digest = sha256()
    try:
        with signed.manifest.open("rb") as source, target.open("wb") as copy:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
    except FileNotFoundError as error:
        raise NothingToDoError(f"{signed.manifest} is gone; put the signed manifest back.") from error
    if digest.hexdigest() != signed.sha256:
        raise _exchanged(signed.manifest)


def _copy_statement(path: Path, target: Path, signed: SignedDataset) -> None:
    data = read_small(path)
    subjects, _, _ = parse_statement(read_envelope(data, str(path)).payload, str(path))
    if [one.sha256 for one in subjects] != [signed.sha256]:
        raise _exchanged(path)
    target.write_bytes(data)


def _exchanged(path: Path) -> VerificationError:
    return VerificationError(
        f"{path} is not of the attestation that was verified: it was exchanged; let nobody write to its folder, and "
        "start again."
    )
