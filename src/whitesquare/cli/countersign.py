"""``whitesquare countersign``: a second person signs what a first one has attested."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.passwords import password_of


def countersign(
    bundle: Annotated[Path, typer.Argument(help="manifest.sigstore.json or manifest.dsse.json of an attestation.")],
    key: Annotated[str, typer.Option(help="Private key: a file, or URI#PUBLIC.pub.")],
    trust: Annotated[Path, typer.Option(help="Folder with the public keys of those who may have signed before.")],
) -> None:
    """Add a signature to an attestation, after its signatures and its manifest were checked."""
    with exit_codes():
        from whitesquare.provenance.attest import countersign as add
        from whitesquare.provenance.keys import load_signer, load_trusted
        from whitesquare.provenance.types import ENVELOPE

        signed = add(bundle, load_signer(key, password_of), load_trusted(trust))
        keys = ", ".join(one.keyid[:16] for one in signed.signatures)
        terminal.say(
            f"{bundle.with_name(ENVELOPE)} is now signed by {len(signed.signatures)} keys: {keys}. "
            "Give it to `whitesquare verify --bundle`; the bundle holds the first signature only."
        )
