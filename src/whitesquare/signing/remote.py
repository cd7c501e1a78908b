"""Signers elsewhere: whatever ``securesystemslib`` reaches by a URI, such as a hardware module or a key service."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from whitesquare.errors import UsageError
from whitesquare.signing.keys import AskPassword, PublicKey, TrustedKey, key_id, low_s, read_public
from whitesquare.signing.trust_folder import PUBLIC


class RemoteSignature(Protocol):
    """What we use of a ``securesystemslib`` signature: it is hexadecimal."""

    signature: str


class Remote(Protocol):
    """What we use of a ``securesystemslib`` signer."""

    def sign(self, payload: bytes) -> RemoteSignature:
        """Return its signature."""


@dataclass(frozen=True)
class UriSigner:
    """A signer of ``securesystemslib``: a hardware module or a key service, named by a URI."""

    uri: str
    key: TrustedKey
    remote: Remote

    @property
    def keyid(self) -> str:
        """See :func:`key_id`."""
        return self.key.keyid

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.key.public

    def sign(self, message: bytes) -> bytes:
        """See :class:`Signer`.

        Raises:
            UsageError: it does not sign (a wrong PIN, no network), or signs with another key.
        """
        try:
            signature = bytes.fromhex(self.remote.sign(message).signature)
        except Exception as error:  # each of their modules and services raises its own
            raise UsageError(f"Nothing can sign with {self.uri}: {str(error) or type(error).__name__}.") from error
        if not self.key.matches(message, signature):
            raise UsageError(f"{self.uri} does not sign with the key {self.key.name!r}; name its own public key.")
        return low_s(signature) if isinstance(self.public, EllipticCurvePublicKey) else signature


def remote_signer(key: str, ask: AskPassword) -> UriSigner:
    """Open a signer by its URI.

    Args:
        key: the URI, ``#``, and the path of the public key.
        ask: asked for the PIN of a hardware module.

    Raises:
        UsageError: nothing can sign with it.
    """
    from securesystemslib.signer import Signer as Remotes
    from securesystemslib.signer import SSlibKey

    uri, _, public = key.rpartition("#")
    if not uri:
        raise UsageError(f"{key} is no file; for a URI add its public key: {key}#alice{PUBLIC}.")
    # What a key is for is judged by whoever verifies: to sign, its public half is enough.
    verifies = read_public(Path(public))
    known = TrustedKey(Path(public).stem, key_id(verifies), verifies)
    try:
        # A hardware module has a PIN, which stands in for the password of a file.
        remote = Remotes.from_priv_key_uri(uri, SSlibKey.from_crypto(known.public, known.keyid), lambda _: ask(uri))
    except Exception as error:  # each of their modules and services raises its own
        raise UsageError(f"Nothing can sign with {uri}: {error}.") from error
    return UriSigner(uri, known, remote)
