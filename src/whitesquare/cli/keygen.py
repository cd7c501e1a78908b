"""``whitesquare keygen``: a key pair to sign with."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.passwords import new_password


class KeyType(StrEnum):
    """Kinds of keys; the same as ``whitesquare.signing.keys.KEY_TYPES``."""

    ECDSA_P256 = "ecdsa-p256"
    ED25519 = "ed25519"


def keygen(
    output: Annotated[Path, typer.Option("-o", "--output", help="Path without suffix, such as keys/alice.")],
    kind: Annotated[KeyType, typer.Option("--type", help="Kind of key.")] = KeyType.ECDSA_P256,
    no_password: Annotated[bool, typer.Option("--no-password", help="Leave the private key unencrypted.")] = False,
    role: Annotated[str, typer.Option(help="What it will sign: data, review, scanner, trainer, gate.")] = "data",
    expires: Annotated[str | None, typer.Option(help="When it ends to be trusted: 365d, or 2027-12-31.")] = None,
) -> None:
    """Make a key pair: OUTPUT.pem to sign with, to be kept secret; OUTPUT.pub and OUTPUT.toml for those who verify."""
    with exit_codes():
        from whitesquare.signing.keys import PRIVATE, generate
        from whitesquare.signing.sidecar import ABOUT
        from whitesquare.signing.times import parse_expiry, to_text, utc_now
        from whitesquare.signing.trust_folder import PUBLIC

        about = {"role": role}
        if expires:
            about["not_after"] = to_text(parse_expiry(expires, utc_now()))
        password = None if no_password else new_password(f"{output}{PRIVATE}")
        key = generate(output, kind.value, password, about)
        public, beside = shlex.quote(f"{output}{PUBLIC}"), shlex.quote(f"{output}{ABOUT}")
        lines = [
            f"Key {key.keyid[:16]} ({kind.value}), role {role}",
            f"{output}{PRIVATE}  signs; keep it secret, and out of the folder of trusted keys",
            f"{output}{PUBLIC}  verifies; give it to everybody",
            f"{output}{ABOUT}  says what the key is for; it goes where {output.name}{PUBLIC} goes",
        ]
        terminal.say_lines("".join(f"{terminal.printable(line)}\n" for line in lines))
        copy = terminal.printable(f"  mkdir -p trusted && cp {public} {beside} trusted/")
        terminal.suggest(f"\nNext, for those who verify:\n{copy}\n")
