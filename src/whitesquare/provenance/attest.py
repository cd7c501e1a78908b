"""Say what a data set is, and sign it: a manifest, and a statement about it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import whitesquare
from whitesquare._base.files import write_text
from whitesquare._base.folders import check_claim, check_output, output_folder
from whitesquare.data.layouts import full_name, is_plain, place_of
from whitesquare.data.names import Data, named
from whitesquare.data.specs import table_file
from whitesquare.errors import UsageError, VerificationError
from whitesquare.provenance.dataset import Claim, read_claim
from whitesquare.provenance.listing import Listing, make_manifest
from whitesquare.provenance.revisions import revisions_of
from whitesquare.provenance.shards import hashing_shards
from whitesquare.provenance.types import (
    BUNDLE,
    DATASET_TYPE,
    ENVELOPE,
    MANIFEST,
    DatasetPredicate,
    Identity,
    ManifestFile,
    Source,
)
from whitesquare.records import OnNote, Progress, silent, unheard
from whitesquare.signing.dsse import encode_bundle, encode_envelope, sign
from whitesquare.signing.keys import ROLE, Signer, TrustedKey
from whitesquare.signing.statements import Subject, encode_statement
from whitesquare.signing.times import to_text, utc_now

if TYPE_CHECKING:  # it needs NumPy
    from whitesquare.executor.engine import Way

KIND = "attestation"
"""What the marker of the output folder calls it."""


def attest(
    source: Data,
    signers: Sequence[Signer],
    folder: Path,
    *,
    previous: Path | None = None,
    version: int | None = None,
    name: str | None = None,
    sources: Sequence[Source] = (),
    expires: datetime | None = None,
    pixels: bool = False,
    trusted: Sequence[TrustedKey] = (),
    now: datetime | None = None,
    way: "Way | None" = None,
    on_note: OnNote = unheard,
    on_progress: Progress = silent,
) -> DatasetPredicate:
    """List a data set, sign the list, and write both to a folder, whole or not at all.

    Args:
        source: whatever :func:`whitesquare.open_dataset` takes: a name, a path, an object, which is the training split,
            or objects by split. Of an object, the content of each sample is hashed.
        signers: whoever signs; the bundle holds the signature of the first, the envelope those of all.
        folder: where to; it must not lie in the data set, and may hold the attestation of an earlier version.
        previous: bundle of the version before, if it does not lie in ``folder``.
        version: default: one more than the version before, else 1.
        name: what the data set is called in all its versions; default: as in ``previous``, else made of
            path and key.
        sources: where it came from; a revision of DVC or lakeFS that is named beside it is added, see
            :mod:`whitesquare.provenance.revisions`.
        expires: time after which it must not be accepted.
        pixels: digest the decoded pixels of each image, too.
        trusted: keys that may have signed the version before, in a role that speaks for data; default: those of
            ``signers``.
        now: the time; default: now.
        way: who hashes, and where what is done is kept; see ``docs/scale.md``. The manifest is the same.
        on_note: told, of an object, where its labels come from and what of its samples is signed; and of a revision
            that is named beside the data and is not theirs.
        on_progress: told how many files are hashed.

    Raises:
        UsageError: a place, a version or a name cannot be used.
        DataError: the data set cannot be signed as it is, see :func:`make_manifest`.
        NothingToDoError: there is no bundle ``previous``.
        VerificationError: the version before cannot be trusted.

    Example:
        >>> from pathlib import Path
        >>> import whitesquare as ws
        >>> from whitesquare.signing.keys import load_signer
        >>> signer = load_signer("private/alice.pem", ask=input)
        >>> ws.attest(Path("photos"), [signer], Path("attest")).dataset.version
        1
    """
    now = now or utc_now()
    source = str(source) if isinstance(source, Path) else source
    _check_signers(signers)
    if expires is not None and expires <= now:
        raise UsageError(f"The attestation would expire at {expires}, which has passed; give a time to come.")
    check_claim(folder, KIND)
    check_output(folder)
    _check_outside(source, folder)
    trusted = tuple(trusted) or tuple(TrustedKey("the signing key", one.keyid, one.public, ROLE) for one in signers)
    before = _before(folder, previous, trusted, now)
    place = place_of(source) if isinstance(source, str) else None
    known = () if place is None or not place.exists() else revisions_of(place, on_note)
    dataset = _identity(name or _default_name(source, signers[0], before if previous else None), version, before)
    told = {"data": named(source) if place is None else str(place.absolute()), "pixels": str(pixels)}
    with (
        hashing_shards(way, place, told, KIND) as shards,
        output_folder(folder, KIND, (MANIFEST, BUNDLE, ENVELOPE)) as part,
    ):
        workers = None if way is None else way.workers
        listing = make_manifest(
            source,
            part / MANIFEST,
            pixels=pixels,
            workers=workers,
            shards=shards,
            on_note=on_note,
            on_progress=on_progress,
        )
        predicate = _predicate(listing, dataset, (*sources, *known), now, expires)
        subjects = [Subject(MANIFEST, listing.sha256)]
        envelope = sign(encode_statement(subjects, DATASET_TYPE, asdict(predicate)), signers)
        write_text(part / BUNDLE, encode_bundle(envelope))
        write_text(part / ENVELOPE, encode_envelope(envelope))
    return predicate


def _predicate(
    listing: Listing, dataset: Identity, sources: tuple[Source, ...], now: datetime, expires: datetime | None
) -> DatasetPredicate:
    return DatasetPredicate(
        dataset=dataset,
        manifest=ManifestFile(MANIFEST, listing.bytes),
        tree=listing.tree,
        splits=listing.splits,
        classes=listing.classes,
        content=listing.content,
        sources=sources,
        signed=to_text(now),
        expires=None if expires is None else to_text(expires),
        tool=f"whitesquare {whitesquare.__version__}",
        traits=listing.traits,
    )


def _check_signers(signers: Sequence[Signer]) -> None:
    if not signers:
        raise UsageError("Nobody signs; give a key, which `whitesquare keygen` makes.")
    if len({signer.keyid for signer in signers}) < len(signers):
        raise UsageError("The same key was given twice; give one key of each person who signs.")


def _check_outside(source: Data, folder: Path) -> None:
    place = place_of(source) if isinstance(source, str) else None
    if place is not None and folder.resolve().is_relative_to(place.resolve()):
        raise UsageError(
            f"The output folder {folder} lies in the data set {source}, which it would become a part of; name a folder "
            "elsewhere."
        )


def _before(folder: Path, previous: Path | None, trusted: Sequence[TrustedKey], now: datetime) -> Claim | None:
    """Read the version before, expired or not; a signature that is not trusted stops everything."""
    bundle = previous or folder / BUNDLE
    if previous is None and not bundle.is_file():
        return None
    try:
        return read_claim(bundle, trusted, now)
    except VerificationError as error:
        raise VerificationError(
            f"The version before cannot be trusted, so there is none to go on from: {error} Give --trust with the keys "
            "that signed it, or write to another folder for a new start."
        ) from error


def _default_name(source: Data, signer: Signer, previous: Claim | None) -> str:
    if previous is not None:
        return previous.predicate.dataset.id
    name = full_name(source) if isinstance(source, str) else named(source)
    base = Path(name if table_file(name) is None else place_of(name) or name).name
    digest = sha256(f"{signer.keyid} {name}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"urn:whitesquare:{quote(base.encode('utf-8', 'surrogateescape'), safe='')}-{digest[:12]}"


def _identity(name: str, version: int | None, before: Claim | None) -> Identity:
    if not is_plain(name):
        raise UsageError(f"The data set cannot be called {name!r}, which is empty or holds a control character.")
    known = None if before is None else before.predicate.dataset
    if known is not None and known.id != name:
        raise UsageError(
            f"The version before is of the data set {known.id!r}, and this one is called {name!r}; write to another "
            f"folder, or, if they are the same, give --name {known.id}."
        )
    least = 1 if known is None else known.version + 1
    if version is not None and version < least:
        raise UsageError(f"Version {version} cannot be signed; the next version is {least}.")
    return Identity(name, version or least, None if before is None else before.sha256)
