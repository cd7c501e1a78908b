"""Letting a model go: its files are copied only behind a signed verdict about these very bytes, which still holds.

A verdict is of one moment; keys, waivers and scans end. So the copy itself is judged anew before it appears.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from whitesquare._base.folders import check_output, output_folder
from whitesquare.errors import UsageError, VerificationError
from whitesquare.gating.checks import brief
from whitesquare.gating.collect import OTHERS, collect
from whitesquare.gating.memory import Decision, accept, memory_file, record
from whitesquare.gating.rules import decide
from whitesquare.gating.settings import GATE, Policy
from whitesquare.gating.types import FAILED, PASSED
from whitesquare.gating.vsa import Summary, read_vsa, trust_digest
from whitesquare.provenance.evidence import HELD, MEASURE, PROVENANCE, REVIEW, SCAN, VSA
from whitesquare.provenance.state import StateFile
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
from whitesquare.records import WEIGHTS
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.times import SKEW, to_text

NAMES = (WEIGHTS, *OTHERS, MANIFEST, BUNDLE, ENVELOPE, PROVENANCE, SCAN, REVIEW, HELD, MEASURE, VSA)
"""All that a release may hold."""
KIND = "release"
_CHUNK = 2**20


@dataclass(frozen=True)
class Released:
    """What was copied, and why it could not be remembered (empty if it was)."""

    files: tuple[str, ...]
    unremembered: str = ""


def release(
    run: Path, to: Path, policy: Policy, trusted: Sequence[TrustedKey], now: datetime, state: StateFile | None = None
) -> Released:
    """Copy model, evidence and verdict into a release folder, all or nothing.

    Args:
        run: folder of a trained model that a gate has looked at.
        to: the release folder; of folders that are there, only an earlier release is replaced, see
            :func:`whitesquare._base.folders.check_output`.
        policy: the one that must have been passed.
        trusted: the keys that the gate must have trusted; one in the role ``gate`` must have signed the verdict.
        now: the time.
        state: where decisions are remembered; see :func:`whitesquare.gating.memory.memory_file`.

    Raises:
        NothingToDoError: there is no verdict.
        VerificationError: the verdict does not let the model go, it would be another one today, a newer one was given,
            or a file is not the one it is about.
        DataError: the state file is damaged.
        UsageError: the folder, or a state file that was chosen, cannot be written, or it lies in the run folder.
    """
    if to.resolve().is_relative_to(run.resolve()):
        raise UsageError(f"The release folder {to} is the run folder {run}, or lies in it; name another folder.")
    check_output(to, KIND)
    state = state or memory_file()
    summary = read_vsa(run / VSA, trusted, now)
    _check(summary, policy, trusted, now)
    with output_folder(to, KIND, NAMES) as part:
        for name, sha256 in summary.files.items():
            _copy(run / name, part / name, sha256)
        _decide_again(part, summary, policy, trusted, now, state)
        (part / VSA).write_bytes(summary.data)
        unremembered = accept(state, summary.sha256, summary.verified, policy.sha256)
    return Released((*summary.files, VSA), unremembered)


def _decide_again(
    part: Path, summary: Summary, policy: Policy, trusted: Sequence[TrustedKey], now: datetime, state: StateFile
) -> None:
    """Hold the copied files against the policy, at this time."""
    verdict = decide(policy, collect(part, trusted, now), now)
    if verdict.result != PASSED:
        record(state, summary.sha256, Decision(to_text(now), FAILED, policy.sha256))
        reasons = " ".join(f"{rule.rule}: {rule.reason}" for rule in verdict.failed if not rule.because)
        raise VerificationError(
            f"Nothing was released: the verdict in {VSA} was {PASSED}, and today it would be {FAILED}. {reasons}"
        )
    if verdict.files != summary.files:
        raise VerificationError(
            f"Nothing was released: the verdict in {VSA} names other files than a rule vouches for; run `whitesquare "
            "gate` again."
        )


def _check(summary: Summary, policy: Policy, trusted: Sequence[TrustedKey], now: datetime) -> None:
    age = (now - summary.verified) / timedelta(days=1)
    names = ", ".join(key.name for key in summary.signers)
    again, days = "run `whitesquare gate` again", policy.release.max_age_days
    ends = summary.expires
    problems = (
        (all(key.role == GATE for key in summary.signers), f"is signed by {names}, not by a key of the role {GATE}"),
        (policy.about_model and summary.subject == WEIGHTS, "is about the data alone: no rule of the policy covers the "
         "weights; add [training] or [measure]"),
        (summary.verifier == policy.release.verifier, f"was given by {summary.verifier!r:.120}, not by "
         f"{policy.release.verifier}"),
        (summary.policy == policy.sha256, f"is about another policy ({brief(summary.policy)}) than {policy.name} "
         f"({brief(policy.sha256)}); {again}"),
        (summary.trust == trust_digest(trusted), f"was given with other trusted keys than these; {again} with them"),
        (summary.result == PASSED, f"is {summary.result!r:.20}; run `whitesquare gate` to see why"),
        (-SKEW / timedelta(days=1) <= age <= days, f"was given at {summary.verified:%Y-%m-%d %H:%M} UTC; one of the "
         f"last {days:g} days counts: {again}"),
        (ends is not None, f"does not say until when it holds, as those of older versions did not; {again}"),
        (ends is None or now <= ends, f"holds until {ends:%Y-%m-%d %H:%M} UTC, when the first thing that it rests on "
         f"ended; {again}" if ends else ""),
        (summary.files.get(WEIGHTS) == summary.sha256, f"names two different {WEIGHTS}"),
        (set(summary.files) <= set(NAMES) - {VSA}, "names files that belong to no release"),
    )  # fmt: skip
    for holds, problem in problems:
        if not holds:
            raise VerificationError(f"Nothing was released: the verdict in {VSA} {problem}.")


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file that is the one of the verdict, and hash the bytes that are written, too.

    Nothing is written of another file, which may be larger than the disk; nor, of one that grows meanwhile, more than
    was there at first. The second digest is of what was written, so that nothing can change between check and copy.
    """
    if not source.is_file():
        raise VerificationError(f"Nothing was released: {source.name}, which the verdict rests on, is gone.")
    with source.open("rb") as reader:
        size = os.fstat(reader.fileno()).st_size
        found = _hash(reader, size)
        if found == sha256:
            with target.open("xb") as writer:
                found = _hash(reader, size, writer)
    if found != sha256:
        raise VerificationError(
            f"Nothing was released: {source.name} changed since the verdict (found {brief(found)}, expected "
            f"{brief(sha256)}); run `whitesquare gate` again."
        )


def _hash(reader: BinaryIO, size: int, writer: BinaryIO | None = None) -> str:
    """Digest the first ``size`` bytes of a file, and write them if there is somewhere to write them to."""
    digest = hashlib.sha256()
    reader.seek(0)
    while size > 0 and (chunk := reader.read(min(_CHUNK, size))):
        size -= len(chunk)
        digest.update(chunk)
        if writer is not None:
            writer.write(chunk)
    return digest.hexdigest()
