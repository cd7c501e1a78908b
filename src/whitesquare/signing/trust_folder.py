"""What may lie in a folder of trusted keys: small files, every byte of which was looked at, and no private key."""

import re
from pathlib import Path

from whitesquare.errors import UsageError
from whitesquare.signing.sidecar import ABOUT

PUBLIC = ".pub"
SECRET = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
MOST_BYTES = 2**16
"""No key is larger."""


def trust_files(place: Path) -> list[Path]:
    """Return the files of a folder of trusted keys, or the one file that was given instead.

    Raises:
        UsageError: a folder lies in it, a file too large for a key, or a private key.
    """
    paths = sorted(place.iterdir()) if place.is_dir() else [place]
    for path in paths:
        if path.is_dir():
            raise UsageError(
                f"The folder of trusted keys {place} holds the folder {path.name}, in which nobody would look for a "
                f"private key; move it elsewhere: only public keys ({PUBLIC}) and what is known of them ({ABOUT}) "
                "belong there."
            )
    files = [path for path in paths if path.is_file()]
    for path in files:
        _refuse_private(path, place)
    return files


def key_bytes(path: Path) -> bytes:
    """Read a file of a key, all of it or nothing: what hides behind the part that was read would hide for ever.

    Raises:
        UsageError: it is larger than any key.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{path} has {path.stat().st_size} bytes, and what lies behind the first {MOST_BYTES} would go unseen; "
            f"expected a public key ({PUBLIC}), or what is known of one ({ABOUT}), so move it elsewhere."
        )
    return data


def _refuse_private(path: Path, place: Path) -> None:
    if not SECRET.search(key_bytes(path)):
        return
    if path == place:
        raise UsageError(f"{path} holds a private key; trust the public one, which ends in {PUBLIC}.")
    raise UsageError(
        f"The folder of trusted keys {place} holds the private key {path.name}, and whoever can read that folder could "
        f"sign with it; move {path.name} elsewhere, and leave the public keys ({PUBLIC}) and what is known of them "
        f"({ABOUT}) there."
    )
