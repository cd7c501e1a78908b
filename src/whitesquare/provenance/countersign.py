"""A second signature: by somebody who looked at what a first one has signed, over the very bytes that were checked."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from whitesquare._base.files import write_text
from whitesquare._base.locks import folder_lock
from whitesquare.errors import NothingToDoError, UsageError, VerificationError
from whitesquare.provenance.dataset import SignedDataset, check_dataset, check_manifest_again
from whitesquare.provenance.types import ENVELOPE
from whitesquare.provenance.verify import compare
from whitesquare.records import Progress, silent
from whitesquare.signing.dsse import Envelope, encode_envelope, read_envelope, sign, verify
from whitesquare.signing.keys import Signer, TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures, expect_signer
from whitesquare.signing.statements import read_small
from whitesquare.signing.times import utc_now


def countersign(
    bundle: Path,
    signer: Signer,
    trusted: Sequence[TrustedKey],
    now: datetime | None = None,
    *,
    asked: Signatures = BY_DEFAULT,
    data: str | None = None,
    on_progress: Progress = silent,
) -> Envelope:
    """Add a signature to the envelope beside a bundle, after everything in it was checked.

    Envelope and bundle are read once, and what is signed is what was read. Of two that sign at once, the second waits
    for the first.

    Args:
        bundle: the bundle or the envelope; the manifest lies beside it, too.
        signer: whoever signs.
        trusted: the keys that may sign; that of ``signer`` is one of them, or the file would verify nowhere.
        now: the time; default: now.
        asked: how many keys of which roles must have signed before.
        data: ``mnist``, a folder or an .npz file: it must be what the manifest lists. ``None`` looks at no data.
        on_progress: told how many of its files are hashed.

    Returns:
        The envelope with all signatures, as it was written.

    Raises:
        UsageError: the key has signed before, or is not trusted now, in a role that counts; or there is no ``data``.
        NothingToDoError: bundle, envelope or manifest is missing.
        VerificationError: one of them cannot be trusted, they are not about the same, the data are others, or one of
            the files was exchanged meanwhile.
        OSError: the folder cannot be locked, or not be written.
    """
    now, path = now or utc_now(), bundle.with_name(ENVELOPE)
    if not path.is_file():
        raise NothingToDoError(f"There is no file {path}; the evidence is missing.")
    expect_signer(signer.keyid, trusted, asked.roles, now, "with its signature the file would verify nowhere")
    with folder_lock(path.parent) as folder:
        content = read_small(path)
        signed = check_dataset(content, path, trusted, now, asked)
        envelope = read_envelope(content, str(path))
        if bundle != path:
            _check_bundle(bundle, path, envelope, trusted, now)
        if any(one.keyid == signer.keyid for one in envelope.signatures):
            raise UsageError(f"The key {signer.keyid[:16]} has signed {path} before; another person must sign it.")
        if data is not None:
            _check_data(data, signed, on_progress)
        check_manifest_again(signed)
        both = replace(envelope, signatures=envelope.signatures + sign(envelope.payload, [signer]).signatures)
        if read_small(path) != content or not os.path.samestat(os.fstat(folder), path.parent.stat()):
            raise VerificationError(
                f"{path} was exchanged while it was checked, so it was not signed; find out who writes to its folder, "
                "and start again."
            )
        write_text(path, encode_envelope(both))
    return both


def _check_bundle(bundle: Path, path: Path, envelope: Envelope, trusted: Sequence[TrustedKey], now: datetime) -> None:
    beside = read_envelope(read_small(bundle), str(bundle))
    if beside.payload != envelope.payload:
        raise VerificationError(f"{bundle} and {path} state different things; attest the data set again.")
    verify(beside, trusted, now, str(bundle))


def _check_data(data: str, signed: SignedDataset, on_progress: Progress) -> None:
    with TemporaryDirectory(prefix="whitesquare-") as folder:
        found = compare(data, signed, Path(folder), on_progress)
    if not found.ok:
        raise VerificationError(f"{found.reason} Nothing was signed; `whitesquare verify` names all that differs.")
