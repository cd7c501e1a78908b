"""Opening keys for a verb, and saying on stderr who else on this machine could use or change them."""

from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.cli import terminal
from whitesquare.cli.passwords import password_of

if TYPE_CHECKING:  # cryptography, which `--help` must not wait for
    from whitesquare.signing.keys import Signer, TrustedKey


def open_trust(place: Path) -> "tuple[TrustedKey, ...]":
    """Read the public keys of a folder, or of one file.

    Raises:
        UsageError: they cannot be used.
    """
    from whitesquare.signing.exposure import trust_warnings
    from whitesquare.signing.keys import load_trusted

    trusted = load_trusted(place)
    for warning in trust_warnings(place):
        terminal.complain(f"Warning: {warning}")
    return trusted


def open_key(key: str) -> "Signer":
    """Open the key that signs, asking for its password if need be: before the work, not after it.

    Raises:
        UsageError: it cannot be opened.
    """
    from whitesquare.signing.exposure import private_key_warning
    from whitesquare.signing.keys import load_signer

    signer = load_signer(key, password_of)
    if warning := private_key_warning(key):
        terminal.complain(f"Warning: {warning}")
    return signer
