"""Who else on this machine can read a private key, or change what is trusted: said as warnings.

Warnings, not errors: some runners and shared drives show every file as open to all, and nobody can mend that there.
"""

import stat
from collections.abc import Iterable
from pathlib import Path

from whitesquare.signing.sidecar import ABOUT

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PUBLIC = (".pub", ".pem", ABOUT)


def private_key_warning(key: str) -> str:
    """Say who can read a private key beside its owner; empty if nobody can, or if ``key`` names no file."""
    path = Path(key)
    mode = _mode(path)
    if mode is None or not stat.S_ISREG(mode) or not mode & _OTHERS:
        return ""
    return (
        f"Other users of this machine can {_what(mode)} the private key {path} (mode {mode & 0o777:04o}): chmod 600 "
        "it; if somebody may have read it, make a new key and trust this one no longer."
    )


def trust_warnings(place: Path) -> tuple[str, ...]:
    """Say what anybody on this machine can change of a folder of trusted keys, or of one such key."""
    open_to_all = [str(path) for path in _trusted_paths(place) if (_mode(path) or 0) & stat.S_IWOTH]
    if not open_to_all:
        return ()
    more = f" and {len(open_to_all) - 1} more in it" if len(open_to_all) > 1 else ""
    return (
        f"Every user of this machine can write to {open_to_all[0]}{more}, and so decide who is trusted: "
        f"chmod -R o-w {place}",
    )


def _trusted_paths(place: Path) -> Iterable[Path]:
    if place.is_dir():
        yield place
        yield from sorted(path for path in place.iterdir() if path.suffix in _PUBLIC)
    else:
        yield from (place, place.with_suffix(ABOUT))


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None


def _what(mode: int) -> str:
    reads, writes = mode & (stat.S_IRGRP | stat.S_IROTH), mode & (stat.S_IWGRP | stat.S_IWOTH)
    return "read and write" if reads and writes else "write" if writes else "read" if reads else "run"
