"""Letting a model go: its files are copied only behind a signed verdict about these very bytes."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from whitesquare.errors import VerificationError
from whitesquare.folders import check_output, output_folder
from whitesquare.gate.checks import SKEW, brief
from whitesquare.gate.collect import OTHERS
from whitesquare.gate.settings import GATE, Policy
from whitesquare.gate.types import MODEL, PASSED
from whitesquare.gate.vsa import Summary, read_vsa, trust_digest
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, SCAN, VSA
from whitesquare.provenance.keys import TrustedKey

NAMES = (MODEL, *OTHERS, PROVENANCE, SCAN, MEASURE, VSA)
"""All that a release may hold."""
_CHUNK = 2**20


def release(run: Path, to: Path, policy: Policy, trusted: Sequence[TrustedKey], now: datetime) -> tuple[str, ...]:
    """Copy model, evidence and verdict into a release folder, all or nothing.

    Args:
        run: folder of a trained model that a gate has looked at.
        to: the release folder; see :func:`whitesquare.folders.check_output`.
        policy: the one that must have been passed.
        trusted: the keys that the gate must have trusted; one in the role ``gate`` must have signed the verdict.
        now: the time.

    Returns:
        Names of the files copied.

    Raises:
        NothingToDoError: there is no verdict.
        VerificationError: the verdict does not let the model go, or a file is not the one it is about.
        UsageError: the folder cannot be written.
    """
    check_output(to)
    summary = read_vsa(run / VSA, trusted, now)
    _check(summary, policy, trusted, now)
    with output_folder(to, "release", NAMES) as part:
        for name, sha256 in summary.files.items():
            _copy(run / name, part / name, sha256)
        (part / VSA).write_bytes(summary.data)
    return (*summary.files, VSA)


def _check(summary: Summary, policy: Policy, trusted: Sequence[TrustedKey], now: datetime) -> None:
    age = now - summary.verified
    names = ", ".join(key.name for key in summary.signers)
    again, days = "run `whitesquare gate` again", policy.release.max_age_days
    problems = (
        (all(key.role == GATE for key in summary.signers), f"is signed by {names}, not by a key of the role {GATE}"),
        (summary.verifier == policy.release.verifier, f"was given by {summary.verifier!r:.120}, not by "
         f"{policy.release.verifier}"),
        (summary.policy == policy.sha256, f"is about another policy ({brief(summary.policy)}) than {policy.name} "
         f"({brief(policy.sha256)}); {again}"),
        (summary.trust == trust_digest(trusted), f"was given with other trusted keys than these; {again} with them"),
        (summary.result == PASSED, f"is {summary.result!r:.20}; run `whitesquare gate` to see why"),
        (-SKEW <= age <= timedelta(days=days), f"was given at {summary.verified:%Y-%m-%d %H:%M} UTC; one of the last "
         f"{days:g} days counts: {again}"),
        (summary.files.get(MODEL) == summary.model, f"names two different {MODEL}"),
        (set(summary.files) <= set(NAMES) - {VSA}, "names files that belong to no release"),
    )  # fmt: skip
    for holds, problem in problems:
        if not holds:
            raise VerificationError(f"Nothing was released: the verdict in {VSA} {problem}.")


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file and hash the bytes that are written, so that nothing can change between check and copy."""
    if not source.is_file():
        raise VerificationError(f"Nothing was released: {source.name}, which the verdict rests on, is gone.")
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
    if digest.hexdigest() != sha256:
        raise VerificationError(
            f"Nothing was released: {source.name} changed since the verdict (found {brief(digest.hexdigest())}, "
            f"expected {brief(sha256)}); run `whitesquare gate` again."
        )
