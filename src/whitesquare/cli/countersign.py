"""``whitesquare countersign``: a second person signs what a first one has attested."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.keys import open_key, open_trust
from whitesquare.cli.options import Roles, Threshold
from whitesquare.cli.progress import progress


def countersign(
    bundle: Annotated[Path, typer.Argument(help="manifest.sigstore.json or manifest.dsse.json of an attestation.")],
    key: Annotated[str, typer.Option(help="Private key: a file, or URI#PUBLIC.pub.")],
    trust: Annotated[Path, typer.Option(help="Folder with the public keys of those who may sign, --key among them.")],
    data: Annotated[
        str | None, typer.Option(help="Data set: sign only if it is what the manifest lists, as `verify` compares it.")
    ] = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
) -> None:
    """Add a signature to an attestation, after its signatures, its manifest and, with --data, the data were checked."""
    with exit_codes():
        from whitesquare.provenance.countersign import countersign as add
        from whitesquare.provenance.types import ENVELOPE
        from whitesquare.signing.signatures import parse_signatures

        asked, trusted, signer = parse_signatures(signatures, threshold), open_trust(trust), open_key(key)
        with progress() as on_progress:
            signed = add(bundle, signer, trusted, asked=asked, data=data, on_progress=on_progress)
        keys = ", ".join(one.keyid[:16] for one in signed.signatures)
        looked = (
            f"The data set {data} is what the manifest lists."
            if data is not None
            else "The data themselves were not looked at; with --data they are."
        )
        terminal.say(
            f"{bundle.with_name(ENVELOPE)} is now signed by {len(signed.signatures)} keys: {keys}. {looked} "
            "Give it to `whitesquare verify --bundle`; the bundle holds the first signature only."
        )
