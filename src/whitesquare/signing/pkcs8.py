"""Private keys at rest: PKCS #8, encrypted with a key that scrypt makes of the password (RFC 5958, 7914, 8018).

``cryptography`` encrypts PKCS #8 with 2,048 rounds of PBKDF2, which a graphics card tries by the million; it opens what
is written here as it opens its own, and so does OpenSSL.
"""

import os
from base64 import b64encode
from textwrap import wrap

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

COST, BLOCK, PARALLEL = 2**14, 8, 5
"""16 MiB, five times over: as strong as OWASP asks for, and all that OpenSSL's own tools open by default."""
_SALT = 16
_KEY = 32

_INTEGER, _OCTETS, _OBJECT, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")


def private_pem(private: EllipticCurvePrivateKey | Ed25519PrivateKey, password: str | None) -> bytes:
    """Write a private key as PEM.

    Args:
        private: the key.
        password: ``None`` leaves it unencrypted.
    """
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    if password is None:
        return private.private_bytes(serialization.Encoding.PEM, form, plain)
    sealed = _seal(private.private_bytes(serialization.Encoding.DER, form, plain), password.encode())
    lines = wrap(b64encode(sealed).decode(), 64)
    return "\n".join(
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, "-----END ENCRYPTED PRIVATE KEY-----", "")
    ).encode()


def _seal(secret: bytes, password: bytes) -> bytes:
    """Return an EncryptedPrivateKeyInfo."""
    salt, iv = os.urandom(_SALT), os.urandom(algorithms.AES.block_size // 8)
    key = Scrypt(salt=salt, length=_KEY, n=COST, r=BLOCK, p=PARALLEL).derive(password)
    padder, encryptor = (
        PKCS7(algorithms.AES.block_size).padder(),
        Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor(),
    )
    content = encryptor.update(padder.update(secret) + padder.finalize()) + encryptor.finalize()
    made_by = _sequence(_der(_OCTETS, salt), _integer(COST), _integer(BLOCK), _integer(PARALLEL), _integer(_KEY))
    scheme = _sequence(
        _sequence(_der(_OBJECT, _SCRYPT), made_by),
        _sequence(_der(_OBJECT, _AES_256_CBC), _der(_OCTETS, iv)),
    )
    return _sequence(_sequence(_der(_OBJECT, _PBES2), scheme), _der(_OCTETS, content))


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes([size]) if size < 0x80 else size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (length if size < 0x80 else bytes([0x80 | len(length)]) + length) + body
