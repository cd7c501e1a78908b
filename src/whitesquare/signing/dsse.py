"""Signed envelopes: DSSE v1 with any number of signatures, and Sigstore bundles v0.3 with one.

The signature is checked before a byte of the payload is parsed. Reading is strict: unknown fields, another media
type, base64 that another reader could decode otherwise, or a signature by nobody we know make the whole envelope
worthless, so that nothing of what a file says, nor of who says it, can change unnoticed. Only its form can: the white
space of the JSON, and for an ECDSA signature (r, s) its twin (r, n - s), which anybody can compute and which holds for
the same message and key. Both are accepted, since what other tools signed, or we in format 1, holds either; we write
the one with the smaller s, and a key counts once however its signature is written.

The few fields are checked by hand, and so are those of a statement: nobody has signed for them yet, and a reader of
types would stand between a stranger's bytes and the check of their signature.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from whitesquare._base.strictjson import strict_json
from whitesquare.errors import VerificationError
from whitesquare.signing.keys import Signer, TrustedKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MOST_BYTES = 8 * 2**20
"""A larger file is refused unread: a statement is a few kilobytes, whatever the size of the data set."""


@dataclass(frozen=True)
class Signature:
    """One signature; ``keyid`` names the key (:func:`whitesquare.signing.keys.key_id`)."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload, not to be parsed before :func:`verify`, and its signatures."""

    payload: bytes
    signatures: tuple[Signature, ...]


def sign(payload: bytes, signers: Sequence[Signer]) -> Envelope:
    """Sign a payload of type :data:`PAYLOAD_TYPE` with every signer."""
    message = _pae(payload)
    return Envelope(payload, tuple(Signature(signer.keyid, signer.sign(message)) for signer in signers))


def verify(
    envelope: Envelope, trusted: Sequence[TrustedKey], now: datetime, where: str, threshold: int = 1
) -> tuple[TrustedKey, ...]:
    """Check every signature.

    Args:
        envelope: what to check.
        trusted: the keys that may sign.
        now: the time at which they must be valid.
        where: the file, for the error.
        threshold: number of different keys that must have signed.

    Returns:
        The keys that signed.

    Raises:
        VerificationError: a signature is wrong, by an unknown or expired key, or given twice; or there are too few.
    """
    known = {key.keyid: key for key in trusted}
    message = _pae(envelope.payload)
    signed: dict[str, TrustedKey] = {}
    for signature in envelope.signatures:
        key = known.get(signature.keyid)
        if key is None:
            raise VerificationError(
                f"{where} is signed by the key {signature.keyid[:16]!r}, which is none of the {len(known)} trusted "
                "ones; add its public key to the trusted keys if it should be."
            )
        if key.keyid in signed:
            raise VerificationError(f"{where} holds two signatures by the key {key.name!r}; expected one of each key.")
        if reason := key.refuses(now):
            raise VerificationError(f"{where} is signed by the key {key.name!r}, {reason}.")
        if not key.matches(message, signature.sig):
            raise VerificationError(
                f"{where}: the signature by the key {key.name!r} is wrong: the file was changed after it was signed."
            )
        signed[key.keyid] = key
    if len(signed) < max(threshold, 1):
        raise VerificationError(
            f"{where} is signed by {len(signed)} trusted key{'s' * (len(signed) != 1)}; {max(threshold, 1)} must sign."
        )
    return tuple(signed.values())


def encode_envelope(envelope: Envelope) -> str:
    """Write an envelope with all its signatures."""
    return json.dumps(_envelope(envelope), indent=1) + "\n"


def encode_bundle(envelope: Envelope) -> str:
    """Write an envelope as a Sigstore bundle, with the first of its signatures."""
    first = Envelope(envelope.payload, envelope.signatures[:1])
    record = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": first.signatures[0].keyid}, "tlogEntries": []},
        "dsseEnvelope": _envelope(first),
    }
    return json.dumps(record, indent=1) + "\n"


def read_envelope(data: bytes, where: str) -> Envelope:
    """Read an envelope or a bundle; the payload is not looked at.

    Raises:
        VerificationError: it is neither, or not quite.
    """
    if len(data) > MOST_BYTES:
        raise VerificationError(f"{where} has {len(data)} bytes, and no statement has more than {MOST_BYTES}.")
    record = strict_json(data, where)
    if not isinstance(record, dict) or "mediaType" not in record:
        return _parsed(record, where)
    bundle = _members(record, ("mediaType", "verificationMaterial", "dsseEnvelope"), where)
    material = _members(bundle["verificationMaterial"], ("publicKey", "tlogEntries"), where)
    hint = _members(material["publicKey"], ("hint",), where)["hint"]
    envelope = _parsed(bundle["dsseEnvelope"], where)
    if bundle["mediaType"] != BUNDLE_TYPE or material["tlogEntries"] != []:
        raise VerificationError(f"{where} is a bundle of another kind; expected {BUNDLE_TYPE} signed with a key.")
    if [hint] != [signature.keyid for signature in envelope.signatures]:
        raise VerificationError(f"{where}: a bundle holds one signature, by the key it names; this one does not.")
    return envelope


def _pae(payload: bytes) -> bytes:
    """Return the pre-authentication encoding: what is signed."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _envelope(envelope: Envelope) -> dict[str, Any]:
    return {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(one.sig).decode(), "keyid": one.keyid} for one in envelope.signatures],
    }


def _parsed(record: Any, where: str) -> Envelope:
    found = _members(record, ("payload", "payloadType", "signatures"), where)
    if found["payloadType"] != PAYLOAD_TYPE:
        raise VerificationError(f"{where} holds {found['payloadType']!r:.80}; expected {PAYLOAD_TYPE}.")
    if not isinstance(found["signatures"], list):
        raise VerificationError(f"{where}: 'signatures' is no list.")
    signatures = [_members(one, ("sig", "keyid"), where) for one in found["signatures"]]
    return Envelope(
        _base64(found["payload"], where),
        tuple(Signature(_text(one["keyid"], where), _base64(one["sig"], where)) for one in signatures),
    )


def _members(record: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(record, dict) or set(record) != set(names):
        found = ", ".join(sorted(record)) if isinstance(record, dict) else type(record).__name__
        raise VerificationError(
            f"{where} is not a signed envelope: found {found!r:.120} where {', '.join(names)} were expected."
        )
    return record


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise VerificationError(f"{where}: found {value!r:.60} where a text was expected.")
    return value


def _base64(value: Any, where: str) -> bytes:
    text = _text(value, where)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"{where}: found {text!r:.40}, which is not base64.") from error
    if base64.b64encode(data).decode() != text:
        raise VerificationError(f"{where}: found base64 that can be read in more than one way.")
    return data
