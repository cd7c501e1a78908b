"""What every verb that works on attested data is told: the attestation, who may have signed it, and who signs now."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli.keys import open_key, open_trust
from whitesquare.errors import UsageError

if TYPE_CHECKING:  # cryptography, which `--help` must not wait for
    from whitesquare.provenance.attested import Attested
    from whitesquare.signing.keys import Signer

Bundle = Annotated[
    Path | None,
    typer.Option("--attested", help="manifest.sigstore.json or manifest.dsse.json: stop at the first other byte."),
]
ReferenceBundle = Annotated[
    Path | None,
    typer.Option("--reference-attested", help="Attestation of --reference, signed as --attested must be."),
]
Trust = Annotated[Path | None, typer.Option("--trust", help="Folder of the public keys that may sign --attested.")]
Threshold = Annotated[int, typer.Option("--threshold", min=1, help="Number of keys that must have signed --attested.")]
Roles = Annotated[
    str | None,
    typer.Option("--signatures", help="Roles that must have signed it, and how many keys: data=1,review=1."),
]
Key = Annotated[str | None, typer.Option("--key", help="Private key (file or URI) that signs what was done.")]


def open_attested(
    bundle: Path | None, trust: Path | None, threshold: int, signatures: str | None = None
) -> "Attested | None":
    """Verify the attestation that was given, if one was.

    Raises:
        UsageError: an option without its partner, or no trusted key.
        NothingToDoError: a file is missing.
        VerificationError: it cannot be trusted.
    """
    if bundle is None:
        given_alone = ("--trust", trust), ("--threshold", threshold > 1 or None), ("--signatures", signatures)
        for name, given in given_alone:
            if given is not None:
                raise UsageError(f"{name} says whose attestation is accepted, and none is given; add --attested.")
        return None
    if trust is None:
        raise UsageError(
            "--attested is worth what its signatures are; name the folder of the keys that may sign it: --trust keys/"
        )
    from whitesquare.provenance.attested import read_attested
    from whitesquare.signing.signatures import parse_signatures
    from whitesquare.signing.times import utc_now

    return read_attested(bundle, open_trust(trust), utc_now(), parse_signatures(signatures, threshold))


def open_signer(key: str | None) -> "Signer | None":
    """Open the key that signs, asking for its password if need be: before the work, not after it.

    Raises:
        UsageError: it cannot be opened.
    """
    return None if key is None else open_key(key)
