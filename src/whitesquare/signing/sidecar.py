"""What is known of a trusted key beside the key: the TOML file of the same name, which every trusted key must have.

Without it nobody could tell a key that may sign for ever, in no role, from one whose file was lost or misnamed.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from whitesquare._base.toml_text import parse_toml
from whitesquare.errors import UsageError, unknown_name

ABOUT = ".toml"
_NAMES = ("role", "not_before", "not_after")
_MOST_BYTES = 2**16


@dataclass(frozen=True)
class About:
    """What the file says; see :class:`whitesquare.signing.keys.TrustedKey`."""

    role: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None


def about_text(about: dict[str, str]) -> str:
    """Write what :func:`read_about` reads."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in about.items())


def read_about(public: Path) -> About:
    """Read what is known of the key in a file.

    Args:
        public: the file of the public key.

    Raises:
        UsageError: it has no such file beside it, or one that cannot be used.
    """
    path = public.with_suffix(ABOUT)
    _check_there(path, public)
    try:
        found = parse_toml(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    for name in found:
        if name not in _NAMES:
            raise unknown_name(f"setting of a key in {path}", name, _NAMES)
    if not isinstance(role := found.get("role", ""), str):
        raise UsageError(f'{path}: the role is {role!r:.60}; expected one word in quotes, such as "data".')
    return About(role, _moment(found.get("not_before"), path), _moment(found.get("not_after"), path))


def _check_there(path: Path, public: Path) -> None:
    """Refuse a file that is missing, is another's name in another case, leads nowhere, or is no small plain file."""
    if path.is_file():
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} has {path.stat().st_size} bytes; expected a few lines that say the key's role.")
        return
    if path.is_symlink():
        raise UsageError(
            f"{path} is a symbolic link to {str(path.readlink())!r}, which is not there; restore that file."
        )
    if path.exists():
        raise UsageError(f'{path} is no plain file; expected one that says the role of the key, such as: role = "data"')
    for other in path.parent.iterdir():
        if other.name.casefold() == path.name.casefold():
            raise UsageError(f"{other} is not read: it must be called {path.name}, like the key; rename it.")
    raise UsageError(
        f"{public} has no {path.name} beside it, which says what the key is for; write one if it signs data sets: "
        f"echo 'role = \"data\"' > {path}"
    )


def _moment(value: object, path: Path) -> datetime | None:
    if value is None:
        return None
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise UsageError(f"{path}: {value!r} is no time; write 2027-01-31T00:00:00Z.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
