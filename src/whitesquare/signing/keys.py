"""Keys: pairs of files of our own, and the folder of trusted keys; :mod:`.remote` has the signers elsewhere.

A trusted key is a PEM file with a public key. What else is known of it stands in a TOML file of the same name beside
it, see :mod:`.sidecar`: ``role``, ``not_before`` and ``not_after``.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from whitesquare.errors import UsageError, unknown_name
from whitesquare.signing.pkcs8 import private_pem
from whitesquare.signing.sidecar import ABOUT, about_text, read_about
from whitesquare.signing.trust_folder import PUBLIC, SECRET, key_bytes, trust_files

KEY_TYPES = ("ecdsa-p256", "ed25519")
PRIVATE = ".pem"
ROLE = "data"
"""What a new key signs if nothing else is said."""

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----")
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256: with (r, s), (r, order - s) is a signature, too."""

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey
PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
AskPassword = Callable[[str], str]
"""``ask(path)`` returns the password of a key file."""


class Signer(Protocol):
    """Whatever signs: a key file, a hardware module, a key service."""

    @property
    def keyid(self) -> str:
        """See :func:`key_id`."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``: ECDSA (DER) over SHA-256, see :func:`low_s`, or Ed25519."""


@dataclass(frozen=True)
class TrustedKey:
    """A public key that may sign.

    Attributes:
        name: name of its file.
        keyid: see :func:`key_id`.
        public: the key.
        role: what it signs, such as ``data``, ``review``, ``scanner``, ``trainer``; empty for none in particular.
        not_before: it is not valid before that; ``None`` for no limit.
        not_after: nor after that.
    """

    name: str
    keyid: str
    public: PublicKey
    role: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None

    def refuses(self, now: datetime) -> str:
        """Say why the key is not valid at a time; empty if it is."""
        if self.not_after is not None and now > self.not_after:
            return f"which expired at {self.not_after:%Y-%m-%d %H:%M} UTC"
        if self.not_before is not None and now < self.not_before:
            return f"which is valid from {self.not_before:%Y-%m-%d %H:%M} UTC on"
        return ""

    def matches(self, message: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is this key's of ``message``."""
        try:
            if isinstance(self.public, Ed25519PublicKey):
                self.public.verify(signature, message)
            else:
                self.public.verify(signature, message, ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class FileSigner:
    """A private key in memory."""

    keyid: str
    private: PrivateKey

    @property
    def public(self) -> PublicKey:
        """See :class:`Signer`."""
        return self.private.public_key()

    def sign(self, message: bytes) -> bytes:
        """See :class:`Signer`."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        return low_s(self.private.sign(message, ECDSA(hashes.SHA256())))


def low_s(signature: bytes) -> bytes:
    """Write an ECDSA signature in that of its two forms that has the smaller ``s``, so that it has only one.

    Raises:
        ValueError: it is none.
    """
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, _ORDER - s))


def key_id(public: PublicKey) -> str:
    """Return the name of a key: the SHA-256 of its SubjectPublicKeyInfo, hexadecimal."""
    return sha256(
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def generate(stem: Path, kind: str, password: str | None, about: dict[str, str] | None = None) -> TrustedKey:
    """Make a key pair: ``STEM.pem`` (PKCS #8, mode 0600, encrypted with the password), ``STEM.pub`` and ``STEM.toml``.

    Args:
        stem: path without suffix; its folder is made.
        kind: one of :data:`KEY_TYPES`.
        password: ``None`` leaves the private key unencrypted.
        about: what ``STEM.toml`` says of the key, see the module; the role is :data:`ROLE` if it does not say.

    Raises:
        UsageError: an unknown type, an empty password, or one of the files is there.
    """
    if kind not in KEY_TYPES:
        raise unknown_name("key type", kind, KEY_TYPES)
    if password == "":
        raise UsageError("The password is empty; give one, or write --no-password for an unencrypted key.")
    paths = [stem.with_name(stem.name + suffix) for suffix in (PRIVATE, PUBLIC, ABOUT)]
    for path in paths:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists, and a key is never overwritten; choose another name.")
    private = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(SECP256R1())
    stem.parent.mkdir(parents=True, exist_ok=True)
    _write_new(paths[0], private_pem(private, password), 0o600)
    _write_new(paths[1], public_pem(private.public_key()), 0o644)
    _write_new(paths[2], about_text({"role": ROLE} | (about or {})).encode(), 0o644)
    return load_public(paths[1])


def public_pem(public: PublicKey) -> bytes:
    """Write a public key as PEM."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_signer(key: str, ask: AskPassword) -> Signer:
    """Open what signs.

    Args:
        key: path of a private key in PEM, or a URI that ``securesystemslib`` knows (``hsm:...``, ``awskms:...``)
            followed by ``#`` and the path of its public key.
        ask: asked for the password of an encrypted file, or the PIN of a hardware module.

    Raises:
        UsageError: no such key, a wrong password, or a key of another type.
    """
    path = Path(key)
    if ":" in key and not path.exists():
        from whitesquare.signing.remote import remote_signer

        return remote_signer(key, ask)
    if not path.is_file():
        raise UsageError(f"There is no key {key}; make one with `whitesquare keygen -o {path.with_suffix('')}`.")
    data = path.read_bytes()
    try:
        private = serialization.load_pem_private_key(data, None)
    except TypeError:
        private = _with_password(data, ask(key), key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{key} holds no private key in PEM; give the file that ends in {PRIVATE}.") from error
    if isinstance(private, Ed25519PrivateKey) or _on_p256(private):
        return FileSigner(key_id(private.public_key()), private)  # type: ignore[arg-type]
    raise UsageError(f"{key} is a {type(private).__name__}; expected ECDSA on P-256, or Ed25519.")


def load_trusted(place: Path) -> tuple[TrustedKey, ...]:
    """Read the public keys of a folder, or of one file.

    Raises:
        UsageError: there is none, a file of them cannot be used, or something lies there that should not, see
            :func:`.trust_folder.trust_files`.
    """
    if not place.exists():
        raise UsageError(f"There is no folder of trusted keys {place}; put the public keys ({PUBLIC}) into it.")
    found: dict[str, TrustedKey] = {}
    for key in (load_public(path) for path in trust_files(place) if _is_public(path)):
        if (other := found.setdefault(key.keyid, key)) is not key:
            raise UsageError(
                f"{place} holds one key under two names, {other.name!r} and {key.name!r}, which would count as one "
                "signer with either role; remove one of them."
            )
    if not found:
        raise UsageError(f"{place} holds no public key; expected PEM files that end in {PUBLIC}.")
    return tuple(found.values())


def load_public(path: Path) -> TrustedKey:
    """Read one public key and what is known of it.

    Raises:
        UsageError: it cannot be used.
    """
    public, about = read_public(path), read_about(path)
    return TrustedKey(path.stem, key_id(public), public, about.role, about.not_before, about.not_after)


def read_public(path: Path) -> PublicKey:
    """Read one public key, and nothing else that is known of it.

    Raises:
        UsageError: the file holds another thing, or more than one key.
    """
    if not path.is_file():
        raise UsageError(f"There is no public key {path}; give the file that ends in {PUBLIC}.")
    data = key_bytes(path).strip()
    if SECRET.search(data):
        raise UsageError(f"{path} holds a private key; give the public one, which ends in {PUBLIC}.")
    if not _PEM.fullmatch(data):
        raise UsageError(
            f"{path} holds no public key in PEM, or something beside it; expected one key and nothing else."
        )
    try:
        public = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} holds no public key in PEM: {error}.") from error
    if isinstance(public, Ed25519PublicKey) or _on_p256(public):
        return public  # type: ignore[return-value]
    raise UsageError(f"{path} is a {type(public).__name__}; expected ECDSA on P-256, or Ed25519.")


def _on_p256(key: object) -> bool:
    return isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)


def _is_public(path: Path) -> bool:
    return path.suffix == PUBLIC or (path.suffix == PRIVATE and b"BEGIN PUBLIC KEY" in key_bytes(path))


def _with_password(data: bytes, password: str, key: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(data, password.encode())
    except (ValueError, TypeError) as error:  # the latter at an empty one
        raise UsageError(f"The password does not open {key}.") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
