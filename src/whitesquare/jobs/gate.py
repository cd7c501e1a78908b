"""Deciding as a user asks for it: a run is held against a policy, and the verdict is remembered and signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from whitesquare.errors import NothingToDoError
from whitesquare.gating.collect import collect
from whitesquare.gating.expiry import expiry
from whitesquare.gating.memory import Decision, memory_file, record
from whitesquare.gating.policy import load_policy
from whitesquare.gating.rules import decide
from whitesquare.gating.settings import GATE, Policy
from whitesquare.gating.types import RunEvidence, Verdict
from whitesquare.gating.vsa import subject_of, vsa_predicate, write_vsa
from whitesquare.provenance.evidence import VSA
from whitesquare.provenance.state import StateFile
from whitesquare.signing.keys import Signer, TrustedKey
from whitesquare.signing.signatures import expect_signer
from whitesquare.signing.times import utc_now


@dataclass(frozen=True)
class Decided:
    """A verdict, and what a person should know of its signing.

    Attributes:
        verdict: of the gate.
        notes: why it was not signed, or is not remembered.
    """

    verdict: Verdict
    notes: tuple[str, ...] = ()


def gate(
    run: Path,
    policy: Policy | Path,
    trusted: Sequence[TrustedKey],
    *,
    signer: Signer | None = None,
    places: Sequence[Path] = (),
    state: Path | None = None,
    now: datetime | None = None,
) -> Decided:
    """Decide whether a model may leave.

    Args:
        run: folder of the model and its evidence.
        policy: what is asked for, or the file that says so.
        trusted: the keys that count.
        signer: signs the verdict; ``None`` leaves it unsigned, and a release needs a signed one.
        places: files of the signed verdict; default: the run folder's.
        state: file that remembers the decision; default: the user's.
        now: the time; default: now.

    Raises:
        UsageError: no such run or policy, or a key that is not trusted in the gate's role.

    Example:
        >>> from pathlib import Path
        >>> import whitesquare as ws
        >>> from whitesquare.signing.keys import load_trusted
        >>> decided = ws.gate(Path("model"), Path("policy.toml"), load_trusted(Path("keys")))
        >>> decided.verdict.result, len(decided.verdict.failed) > 0
        ('FAILED', True)
    """
    asked, now = load_policy(policy) if isinstance(policy, Path) else policy, now or utc_now()
    if signer is not None:
        # Now, and not at the release, a person learns that no verdict by this key would count.
        told = "`whitesquare release` would refuse a verdict signed with it"
        expect_signer(signer.keyid, trusted, (GATE,), now, told)
    evidence = collect(run, trusted, now)
    verdict = decide(asked, evidence, now)
    if signer is None:
        return Decided(verdict)
    return Decided(verdict, _sign(verdict, asked, evidence, signer, places or [run / VSA], memory_file(state), now))


def _sign(
    verdict: Verdict,
    policy: Policy,
    evidence: RunEvidence,
    signer: Signer,
    places: Sequence[Path],
    state: StateFile,
    now: datetime,
) -> tuple[str, ...]:
    """Remember the verdict and write it, signed; what is about nothing is not signed."""
    try:
        subject = subject_of(verdict, policy)
    except NothingToDoError as error:
        return (f"No verdict was signed: {error}",)
    predicate = vsa_predicate(verdict, policy, evidence, expiry(verdict, policy, evidence, signer.keyid, now))
    # Before it is written: a PASSED that nobody wrote does no harm, a FAILED that nobody remembers does.
    problem = record(state, subject.sha256, Decision(verdict.decided, verdict.result, policy.sha256))
    for path in places:
        write_vsa(path, predicate, subject, signer)
    return (f"The decision is not remembered: {problem}.",) if problem else ()
