"""Whose signatures a statement must bear: keys of which roles, and how many of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from whitesquare.errors import UsageError, VerificationError
from whitesquare.signing.keys import TrustedKey

DATA_ROLES = ("data", "review")
"""Roles that speak for data: whoever owns them, and a second person who looked."""


@dataclass(frozen=True)
class Signatures:
    """How many different keys must have signed, and in which roles.

    Attributes:
        roles: the roles that count; a signature by a key of another one makes the file worthless. Empty: any role
            counts, because somebody else judges roles, as the gate does.
        total: number of different keys.
        each: by role, how many of these keys must have it.
    """

    roles: tuple[str, ...] = DATA_ROLES
    total: int = 1
    each: tuple[tuple[str, int], ...] = ()

    def check(self, signers: Sequence[TrustedKey], where: str) -> None:
        """Compare with the keys that signed.

        Args:
            signers: the trusted keys whose signatures hold.
            where: the file, for the error.

        Raises:
            VerificationError: one of them has another role, or there are too few.
        """
        for key in signers:
            if self.roles and key.role not in self.roles:
                raise VerificationError(
                    f"{where} is signed by the key {key.name!r} {role_of(key)}, and signatures count here by keys of "
                    f"the role {' or '.join(self.roles)} only; have it signed by one of those, or say by --signatures "
                    "which roles must sign."
                )
        if len(signers) < self.total:
            raise VerificationError(
                f"{where} is signed by {len(signers)} trusted key{'s' * (len(signers) != 1)}; {self.total} must sign."
            )
        for role, number in self.each:
            if (found := sum(key.role == role for key in signers)) < number:
                raise VerificationError(
                    f"{where} is signed by {found} key{'s' * (found != 1)} of the role {role}; {number} must sign."
                )


BY_DEFAULT = Signatures()
"""One key of one of :data:`DATA_ROLES`."""
ANY_ROLE = Signatures(roles=())
"""One key, whatever its role: for who judges roles by rules of its own."""


def role_of(key: TrustedKey) -> str:
    """Say a key's role."""
    return f"of the role {key.role!r}" if key.role else "of no role"


def expect_signer(keyid: str, trusted: Sequence[TrustedKey], roles: Sequence[str], now: datetime, else_: str) -> None:
    """Refuse a key whose signature would be refused, before anything is signed with it.

    Args:
        keyid: of the key that is to sign.
        trusted: the keys that those who read the file trust.
        roles: the roles of which it must have one; empty: any.
        now: the time at which it must be valid.
        else_: what would come of its signature, for the error.

    Raises:
        UsageError: it is not trusted, not in such a role, or not now.
    """
    own = next((key for key in trusted if key.keyid == keyid), None)
    if own is None:
        problem = f"The key {keyid[:16]} is none of the {len(trusted)} trusted ones"
    elif roles and own.role not in roles:
        problem = f"The key {own.name!r} is trusted, but {role_of(own)}"
    elif reason := own.refuses(now):
        problem = f"The key {own.name!r} is trusted, but one {reason}"
    else:
        return
    wanted = f" in the role {' or '.join(roles)}" if roles else ""
    raise UsageError(f"{problem}, and {else_}; sign with a key that is trusted{wanted}.")


def parse_signatures(text: str | None, threshold: int = 1) -> Signatures:
    """Read what a person types.

    Args:
        text: such as ``data=1,review=1``; then exactly these roles count. ``None``: those of :data:`DATA_ROLES`.
        threshold: number of different keys.

    Raises:
        UsageError: it is written otherwise.
    """
    if text is None:
        return Signatures(total=threshold)
    each: dict[str, int] = {}
    for part in text.split(","):
        role, equals, number = (piece.strip() for piece in part.partition("="))
        if not role or not equals or not _is_count(number) or role in each:
            raise UsageError(
                f"--signatures {text!r:.80} cannot be read; write each role once, with the number of keys that must "
                "sign: data=1,review=1."
            )
        each[role] = int(number)
    return Signatures(tuple(each), max(threshold, sum(each.values())), tuple(each.items()))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0
