"""The verdict as others read it: an SLSA Verification Summary Attestation v1 about the model, signed by the gate.

Under a policy that says nothing about weights, it is about the manifest: no rule looked at a model then.

One extension field, named by a URI as the specification asks, holds what a release needs besides: the digest of every
file that a rule vouches for, of the keys that were trusted, and until when all of it holds.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import whitesquare
from whitesquare._base.hashing import digest_of
from whitesquare.errors import NothingToDoError, VerificationError, malformed
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import FAILED, PASSED, Digests, RunEvidence, Verdict
from whitesquare.provenance.types import MANIFEST
from whitesquare.records import WEIGHTS
from whitesquare.signing.dsse import read_envelope, verify
from whitesquare.signing.keys import Signer, TrustedKey
from whitesquare.signing.statements import VSA_TYPE, Subject, parse_statement, read_small, write_statement
from whitesquare.signing.times import from_text, to_text

EXTENSION = "https://whitesquare.dev/gate/v1"
SLSA_VERSION = "1.0"
LEVELS = {
    "data": "WHITESQUARE_DATA_SIGNED",
    "scan": "WHITESQUARE_DATA_SCANNED",
    "review": "WHITESQUARE_FINDINGS_REVIEWED",
    "training": "WHITESQUARE_TRAINING_ATTESTED",
    "measure": "WHITESQUARE_MODEL_MEASURED",
}
"""What a PASSED verdict states, by section of the policy; SLSA's own levels are not ours to give."""


@dataclass(frozen=True)
class Summary:
    """A verdict whose signature was checked.

    Attributes:
        subject: name of the file it is about: the weights, or the manifest.
        sha256: of that file.
        result: ``PASSED`` or ``FAILED``.
        verifier: URI of the gate that gave it.
        policy: SHA-256 of the policy.
        verified: when.
        trust: digest of the keys that were trusted, see :func:`trust_digest`.
        expires: last moment at which it may be acted on; ``None`` in one of an older version, which did not say.
        files: SHA-256 of every file that belongs to the release, by name.
        signers: who signed it.
        data: the file itself.
    """

    subject: str
    sha256: str
    result: str
    verifier: str
    policy: str
    verified: datetime
    trust: str
    expires: datetime | None
    files: Digests
    signers: tuple[TrustedKey, ...]
    data: bytes


def subject_of(verdict: Verdict, policy: Policy) -> Subject:
    """Return what a verdict is about: the weights, or the manifest if the policy says nothing about weights.

    Raises:
        NothingToDoError: there is no such file that could be read, so that there is nothing to sign a verdict about.
    """
    name, sha256 = (WEIGHTS, verdict.model) if policy.about_model else (MANIFEST, verdict.manifest)
    if not sha256:
        raise NothingToDoError(f"There is no {name} that could be read, so there is nothing to sign a verdict about.")
    return Subject(name, sha256)


def vsa_predicate(verdict: Verdict, policy: Policy, evidence: RunEvidence, expires: datetime) -> dict[str, Any]:
    """Write a verdict as the predicate of a VSA.

    Args:
        verdict: what was decided.
        policy: by which policy.
        evidence: on what.
        expires: see :func:`whitesquare.gating.expiry.expiry`.
    """
    passed = verdict.result == PASSED
    return {
        "verifier": {"id": policy.release.verifier, "version": {"whitesquare": whitesquare.__version__}},
        "timeVerified": verdict.decided,
        "resourceUri": named_by_hash(subject_of(verdict, policy).sha256),
        "policy": {"uri": quote(policy.name), "digest": {"sha256": policy.sha256}},
        "inputAttestations": [
            {"uri": quote(name), "digest": {"sha256": sha256}} for name, sha256 in _statements(evidence).items()
        ],
        "verificationResult": verdict.result,
        "verifiedLevels": [LEVELS[section] for section in policy.sections] if passed else [FAILED],
        "slsaVersion": SLSA_VERSION,
        EXTENSION: {
            "files": verdict.files,
            "trust": trust_digest(evidence.trusted),
            "expires": to_text(expires),
            "rules": {rule.rule: rule.status for rule in verdict.rules},
            "waivers": sorted(one.waiver.fingerprint for rule in verdict.rules for one in rule.waived),
        },
    }


def write_vsa(path: Path, predicate: dict[str, Any], subject: Subject, signer: Signer) -> None:
    """Sign a verdict and write it, whole or not at all.

    Args:
        path: where.
        predicate: see :func:`vsa_predicate`.
        subject: see :func:`subject_of`.
        signer: the gate's key.
    """
    write_statement(path, [subject], VSA_TYPE, predicate, signer)


def read_vsa(path: Path, trusted: Sequence[TrustedKey], now: datetime) -> Summary:
    """Read a signed verdict; its signature is checked before it is parsed.

    Raises:
        NothingToDoError: there is none.
        VerificationError: it cannot be trusted, or was not written by this gate.
    """
    data = read_small(path)
    envelope = read_envelope(data, path.name)
    signers = verify(envelope, trusted, now, path.name)
    subjects, kind, predicate = parse_statement(envelope.payload, path.name)
    if kind != VSA_TYPE:
        raise VerificationError(f"{path.name} states {kind!r:.120}; expected {VSA_TYPE}.")
    try:
        if len(subjects) != 1:
            raise ValueError(f"it is about {len(subjects)} files")
        subject = subjects[0]
        ours = predicate[EXTENSION]
        return Summary(
            subject=subject.name,
            sha256=subject.sha256,
            result=_text(predicate["verificationResult"]),
            verifier=_text(predicate["verifier"]["id"]),
            policy=_text(predicate["policy"]["digest"]["sha256"]),
            verified=from_text(_text(predicate["timeVerified"])),
            trust=_text(ours["trust"]),
            expires=from_text(_text(ours["expires"])) if "expires" in ours else None,
            files={name: _text(sha256) for name, sha256 in ours["files"].items()},
            signers=signers,
            data=data,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError(f"{path.name} is no verdict of `whitesquare gate`: {malformed(error)}.") from error


def trust_digest(trusted: Sequence[TrustedKey]) -> str:
    """Digest which keys are trusted, in what role and until when, in any order."""
    parts: list[str] = []
    for key in sorted(trusted, key=lambda key: key.keyid):
        limits = ["" if limit is None else to_text(limit) for limit in (key.not_before, key.not_after)]
        parts += (key.keyid, key.role, *limits)
    return digest_of(parts)


def named_by_hash(sha256: str) -> str:
    """Return the URI that names content by its SHA-256 (RFC 6920)."""
    value = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{value}"


def _statements(evidence: RunEvidence) -> dict[str, str]:
    parts = (evidence.dataset, evidence.scan, evidence.review, evidence.training, evidence.measure)
    return {part.file: part.sha256 for part in parts if part.sha256}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"found {value!r:.60} where a text was expected")
    return value
