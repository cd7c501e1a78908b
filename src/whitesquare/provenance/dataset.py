"""A signed data set: the statement about it and the manifest beside it, read only after they were checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from whitesquare._base.schema import build
from whitesquare.data.layouts import SPLITS, is_plain
from whitesquare.errors import NothingToDoError, VerificationError
from whitesquare.provenance.manifest import survey
from whitesquare.provenance.reading import MOVED, SMALL, SignedSizes
from whitesquare.provenance.types import DATASET_TYPES, LEAF, TREE, DatasetPredicate
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures
from whitesquare.signing.statements import check_statement, read_small
from whitesquare.signing.times import from_text, is_future, to_text


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
        sizes: of the large files that it lists.
    """

    predicate: DatasetPredicate
    sha256: str
    manifest: Path
    signers: tuple[TrustedKey, ...]
    sizes: SignedSizes | None = None


def read_dataset(
    bundle: Path, trusted: Sequence[TrustedKey], now: datetime, asked: Signatures = BY_DEFAULT
) -> SignedDataset:
    """Read a signed data set: signatures first, then what they sign, then the manifest that it names.

    Args:
        bundle: the bundle, or the envelope with all signatures; the manifest lies beside it.
        trusted: the keys that may sign.
        now: the time at which they, and the statement, must be valid.
        asked: how many keys of which roles must have signed.

    Raises:
        NothingToDoError: there is no such bundle, or no manifest beside it.
        VerificationError: it cannot be trusted, has expired, or the manifest is not the signed one.
    """
    return check_dataset(read_small(bundle), bundle, trusted, now, asked)


def check_dataset(
    data: bytes, bundle: Path, trusted: Sequence[TrustedKey], now: datetime, asked: Signatures = BY_DEFAULT
) -> SignedDataset:
    """Read a signed data set from the bytes of its bundle: for who copies or signs these, and no later reading of it.

    Args:
        data: the content of ``bundle``.
        bundle: where it lies, for the errors and the manifest beside it; it is not opened.
        trusted: see :func:`read_dataset`.
        now: likewise.
        asked: likewise.

    Raises:
        NothingToDoError: there is no manifest beside it.
        VerificationError: see :func:`read_dataset`.
    """
    claim = _claim(data, str(bundle), trusted, now, asked)
    predicate = claim.predicate
    if predicate.expires is not None and now > from_text(predicate.expires):
        raise VerificationError(
            f"{bundle} expired at {predicate.expires}; attest the data set again, or ask whoever signed it to."
        )
    manifest = bundle.parent / predicate.manifest.name
    sizes = _check_manifest(manifest, claim, str(bundle))
    return SignedDataset(predicate, claim.sha256, manifest, claim.signers, sizes)


def read_claim(bundle: Path, trusted: Sequence[TrustedKey], now: datetime, asked: Signatures = BY_DEFAULT) -> Claim:
    """Read what is stated about a data set, whether it has expired or not, and without its manifest.

    Args:
        bundle: see :func:`read_dataset`.
        trusted: likewise.
        now: the time at which the keys must be valid.
        asked: see :func:`read_dataset`.

    Raises:
        NothingToDoError: there is no such bundle.
        VerificationError: it cannot be trusted.
    """
    return _claim(read_small(bundle), str(bundle), trusted, now, asked)


def check_manifest_again(signed: SignedDataset) -> None:
    """Compare the digest of a manifest once more, after it was used by its path.

    Raises:
        VerificationError: it was exchanged since it was verified, so what was made of it is worth nothing.
    """
    try:
        same = _digest(signed.manifest) == signed.sha256
    except FileNotFoundError:
        same = False
    if not same:
        raise VerificationError(
            f"{signed.manifest} was exchanged after it was verified; let nobody write to its folder, and start again."
        )


def _claim(data: bytes, where: str, trusted: Sequence[TrustedKey], now: datetime, asked: Signatures) -> Claim:
    statement = check_statement(data, where, DATASET_TYPES, trusted, now)
    asked.check(statement.signers, where)
    try:
        predicate = dataset_predicate(statement.kind, statement.predicate, where)
        if len(statement.subjects) != 1 or statement.subjects[0].name != predicate.manifest.name:
            raise ValueError("its subject is not its manifest")
        _check_predicate(predicate)
    except (VerificationError, ValueError) as error:
        reason = str(error).removeprefix(f"{where}: ").rstrip(".")
        raise VerificationError(f"{where} is signed, but states nothing about a data set: {reason}.") from error
    if is_future(predicate.signed, now):
        raise VerificationError(
            f"{where} was signed at {predicate.signed}, and the clock of this machine stands at {to_text(now)}: it was "
            "set back, or the signer's is wrong, and nobody can tell what has expired; set the clock right."
        )
    return Claim(predicate, statement.subjects[0].sha256, statement.signers)


def dataset_predicate(kind: str, record: dict[str, Any], where: str) -> DatasetPredicate:
    """Build what is stated about a data set, in any format that was ever written.

    Args:
        kind: the predicate type.
        record: the predicate.
        where: for the errors.

    Raises:
        VerificationError: it is none.
    """
    wanted = DATASET_TYPES[kind]
    if wanted == 1:  # which knew nothing of formats
        if "format" in record:
            raise VerificationError(f"{where}: it has a field 'format', which is unknown in format 1.")
        record = record | {"format": 1}
    predicate = build(DatasetPredicate, record, where=where, refuse=VerificationError)
    if record.get("format") != wanted:
        raise VerificationError(f"{where} states a manifest of the format {predicate.format}, and its type is {kind}.")
    return predicate


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


def _check_manifest(path: Path, claim: Claim, where: str) -> SignedSizes:
    """Compare size, digest and number of rows with what is signed; nothing larger than announced is read."""
    if not path.is_file():
        raise NothingToDoError(f"There is no manifest {path}, which {where} is about; put it beside the bundle.")
    announced = claim.predicate.manifest.bytes
    if (size := path.stat().st_size) != announced:
        raise VerificationError(f"{path} has {size} bytes, and {announced} are signed: it is not the signed manifest.")
    if (found := _digest(path)) != claim.sha256:
        raise VerificationError(f"{path} has the SHA-256 {found}, and {claim.sha256} is signed: it was changed.")
    listed = survey(path, SMALL, MOVED)
    if listed.rows != (items := claim.predicate.tree.size):
        raise VerificationError(f"{path} has {listed.rows} rows, and {items} items are signed.")
    return SignedSizes(listed.sizes, listed.named)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
