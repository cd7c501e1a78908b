"""A signed data set: the statement about it and the manifest beside it, read only after they were checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from whitesquare.errors import DataError, NothingToDoError, VerificationError
from whitesquare.jsonio import build
from whitesquare.layouts import SPLITS, is_plain
from whitesquare.provenance.keys import TrustedKey
from whitesquare.provenance.manifest import count_items
from whitesquare.provenance.statements import read_small, statement_of
from whitesquare.provenance.times import from_text
from whitesquare.provenance.types import DATASET_TYPE, LEAF, TREE, DatasetPredicate


@dataclass(frozen=True)
class Claim:
    """A statement about a data set, by somebody who is trusted.

    Attributes:
        predicate: what it says.
        sha256: of the manifest, hexadecimal.
        signers: whose signatures it bears.
    """

    predicate: DatasetPredicate
    sha256: str
    signers: tuple[TrustedKey, ...]


@dataclass(frozen=True)
class SignedDataset:
    """A statement about a data set, and its manifest.

    Attributes:
        predicate: what is stated.
        sha256: of the manifest, hexadecimal.
        manifest: its file.
        signers: whose signatures the statement bears.
    """

    predicate: DatasetPredicate
    sha256: str
    manifest: Path
    signers: tuple[TrustedKey, ...]


def read_dataset(bundle: Path, trusted: Sequence[TrustedKey], now: datetime, threshold: int = 1) -> SignedDataset:
    """Read a signed data set: signatures first, then what they sign, then the manifest that it names.

    Args:
        bundle: the bundle, or the envelope with all signatures; the manifest lies beside it.
        trusted: the keys that may sign.
        now: the time at which they, and the statement, must be valid.
        threshold: number of different keys that must have signed.

    Raises:
        NothingToDoError: there is no such bundle, or no manifest beside it.
        VerificationError: it cannot be trusted, has expired, or the manifest is not the signed one.
    """
    return signed_dataset(read_small(bundle), bundle, trusted, now, threshold)


def signed_dataset(
    data: bytes, bundle: Path, trusted: Sequence[TrustedKey], now: datetime, threshold: int = 1
) -> SignedDataset:
    """Read a signed data set as :func:`read_dataset` does, of bytes that were read already.

    Args:
        data: content of the bundle or envelope.
        bundle: its file; the manifest lies beside it.
        trusted: see :func:`read_dataset`.
        now: likewise.
        threshold: likewise.

    Raises:
        NothingToDoError: there is no manifest beside the bundle.
        VerificationError: see :func:`read_dataset`.
    """
    claim = claim_of(data, str(bundle), trusted, now, threshold)
    predicate = claim.predicate
    if predicate.expires is not None and now > from_text(predicate.expires):
        raise VerificationError(
            f"{bundle} expired at {predicate.expires}; attest the data set again, or ask whoever signed it to."
        )
    manifest = bundle.parent / predicate.manifest.name
    _check_manifest(manifest, claim, str(bundle))
    return SignedDataset(predicate, claim.sha256, manifest, claim.signers)


def read_claim(bundle: Path, trusted: Sequence[TrustedKey], now: datetime, threshold: int = 1) -> Claim:
    """Read what is stated about a data set, whether it has expired or not, and without its manifest.

    Args:
        bundle: see :func:`read_dataset`.
        trusted: likewise.
        now: the time at which the keys must be valid.
        threshold: see :func:`read_dataset`.

    Raises:
        NothingToDoError: there is no such bundle.
        VerificationError: it cannot be trusted.
    """
    return claim_of(read_small(bundle), str(bundle), trusted, now, threshold)


def claim_of(data: bytes, where: str, trusted: Sequence[TrustedKey], now: datetime, threshold: int = 1) -> Claim:
    """Read what is stated about a data set, of bytes that were read already; ``where`` names them in errors.

    Raises:
        VerificationError: it cannot be trusted.
    """
    statement = statement_of(data, where, DATASET_TYPE, trusted, now, threshold)
    try:
        predicate = build(DatasetPredicate, statement.predicate, where=where)
        if len(statement.subjects) != 1 or statement.subjects[0].name != predicate.manifest.name:
            raise ValueError("its subject is not its manifest")
        _check_predicate(predicate)
    except (DataError, ValueError) as error:
        raise VerificationError(f"{where} is signed, but states nothing about a data set: {error}.") from error
    return Claim(predicate, statement.subjects[0].sha256, statement.signers)


def _check_predicate(predicate: DatasetPredicate) -> None:
    """Refuse what a build by types lets through.

    Raises:
        ValueError: saying what it is.
    """
    name, tree = predicate.manifest.name, predicate.tree
    if not is_plain(name) or set(name) & set("/\\") or name in (".", ".."):
        raise ValueError(f"{name!r:.80} is no name of a file beside it")
    if (tree.algorithm, tree.leaf) != (TREE, LEAF):
        raise ValueError(f"its tree is {tree.algorithm!r:.40} over {tree.leaf!r:.40}, expected {TREE} over {LEAF}")
    if predicate.dataset.version < 1 or min(predicate.manifest.bytes, tree.size) < 0:
        raise ValueError("a version, a size or a number of items is impossible")
    if predicate.content.kind not in ("files", "pixels"):
        raise ValueError(f"it hashed {predicate.content.kind!r:.40}, expected files or pixels")
    if len(set(predicate.classes)) != len(predicate.classes):
        raise ValueError("a class is named twice")
    for split, found in predicate.splits.items():
        if split not in SPLITS or set(found.classes) != set(predicate.classes):
            raise ValueError(f"the split {split!r:.40} is unknown, or has other classes than the data set")
        if sum(found.classes.values()) != found.size or min(found.classes.values(), default=0) < 0:
            raise ValueError(f"the counts of the split {split!r} do not add up")
    if sum(found.size for found in predicate.splits.values()) > tree.size:
        raise ValueError("its splits have more samples than the data set has items")
    for root in (tree.root, *(found.root for found in predicate.splits.values())):
        if len(root) != 64 or set(root) - set("0123456789abcdef"):
            raise ValueError(f"{root!r:.80} is no root of a tree")
    for when in (predicate.signed, predicate.expires):
        if when is not None:
            from_text(when)


def _check_manifest(path: Path, claim: Claim, where: str) -> None:
    """Compare size, digest and number of rows with what is signed; nothing larger than announced is read."""
    if not path.is_file():
        raise NothingToDoError(f"There is no manifest {path}, which {where} is about; put it beside the bundle.")
    announced = claim.predicate.manifest.bytes
    if (size := path.stat().st_size) != announced:
        raise VerificationError(f"{path} has {size} bytes, and {announced} are signed: it is not the signed manifest.")
    with path.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if found != claim.sha256:
        raise VerificationError(f"{path} has the SHA-256 {found}, and {claim.sha256} is signed: it was changed.")
    if (rows := count_items(path)) != (items := claim.predicate.tree.size):
        raise VerificationError(f"{path} has {rows} rows, and {items} items are signed.")
