"""Our envelopes, read by `securesystemslib` and by `openssl` on bytes that this test puts together by itself."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError as ForeignRefusal
from securesystemslib.signer import SSlibKey

from whitesquare.signing.dsse import encode_envelope, sign
from whitesquare.signing.keys import KEY_TYPES, TrustedKey, generate, load_signer, public_pem

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
PEOPLE = ("alice", "bob", "carol")


@pytest.fixture(params=KEY_TYPES)
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, TrustedKey]:
    return {name: generate(tmp_path / name, request.param, None) for name in PEOPLE}


def signed(folder: Path, *names: str) -> dict[str, Any]:
    signers = [load_signer(str(folder / f"{name}.pem"), str) for name in names]
    return dict(json.loads(encode_envelope(sign(PAYLOAD, signers))))


def foreign(keys: dict[str, TrustedKey]) -> list[SSlibKey]:
    return [SSlibKey.from_crypto(key.public, key.keyid) for key in keys.values()]


def test_securesystemslib_counts_the_signatures(keys: dict[str, TrustedKey], tmp_path: Path) -> None:
    record = signed(tmp_path, "alice", "carol")
    accepted = Envelope.from_dict(json.loads(json.dumps(record))).verify(foreign(keys), 2)
    assert set(accepted) == {keys["alice"].keyid, keys["carol"].keyid}
    with pytest.raises(ForeignRefusal):
        Envelope.from_dict(json.loads(json.dumps(record))).verify(foreign(keys), 3)


def test_securesystemslib_refuses_a_changed_payload(keys: dict[str, TrustedKey], tmp_path: Path) -> None:
    record = signed(tmp_path, "alice", "bob")
    record["payload"] = base64.b64encode(PAYLOAD.replace(b"v1", b"v2")).decode()
    with pytest.raises(ForeignRefusal):
        Envelope.from_dict(record).verify(foreign(keys), 1)


@pytest.mark.interop
def test_openssl_verifies_the_pre_authentication_encoding(
    keys: dict[str, TrustedKey], tmp_path: Path, openssl: str
) -> None:
    record = signed(tmp_path, "alice")
    kind, payload = record["payloadType"].encode(), base64.b64decode(record["payload"])
    message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    (tmp_path / "public").write_bytes(public_pem(keys["alice"].public))
    (tmp_path / "signature").write_bytes(base64.b64decode(record["signatures"][0]["sig"]))
    asked = ["pkeyutl", "-verify", "-pubin", "-inkey", "public", "-rawin", "-in", "message", "-sigfile", "signature"]
    if isinstance(keys["alice"].public, EllipticCurvePublicKey):
        asked = ["dgst", "-sha256", "-verify", "public", "-signature", "signature", "message"]
    for content, code in ((message, 0), (message + b" ", 1)):
        (tmp_path / "message").write_bytes(content)
        assert subprocess.run([openssl, *asked], cwd=tmp_path, capture_output=True, check=False).returncode == code
