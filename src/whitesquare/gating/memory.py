"""What was decided last about a model: a verdict that was overtaken by another one must not come back.

A JSON file holds, for each model, time, result and policy of the newest decision that was signed or acted on. An old
PASSED stays rightly signed for ever; only memory tells that FAILED came after it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from whitesquare._base.schema import build
from whitesquare._base.strictjson import strict_json
from whitesquare.errors import UsageError, VerificationError
from whitesquare.gating.types import FAILED, PASSED
from whitesquare.provenance.state import StateFile, change_state, read_state, state_file
from whitesquare.signing.times import SKEW, from_text, to_text

NAME = "decided.json"


@dataclass(frozen=True)
class Decision:
    """The newest decision about a model.

    Attributes:
        decided: UTC time.
        result: ``PASSED`` or ``FAILED``.
        policy: SHA-256 of the policy.
    """

    decided: str
    result: str
    policy: str


def memory_file(path: Path | None = None) -> StateFile:
    """Return the file: ``path``, else :data:`NAME` beside the one in which ``whitesquare verify`` remembers versions.

    Raises:
        UsageError: it is a folder.
    """
    if path is not None:
        return state_file(path)
    beside = state_file()
    found = StateFile(beside.path.with_name(NAME), beside.chosen)
    if found.path.is_dir():
        raise UsageError(f"The state file {found.path} is a folder; name another with --state.")
    return found


def record(state: StateFile, model: str, decision: Decision) -> str:
    """Write down a decision that is about to be signed, unless a newer one was meanwhile.

    Args:
        state: the file.
        model: SHA-256 of the weights (or of the manifest, if the decision is about data alone).
        decision: what was decided.

    Returns:
        Why it could not be written where nobody chose the file; else an empty text.

    Raises:
        DataError: the file is damaged or cannot be read.
        UsageError: the clock was set back, or the file that was chosen cannot be written.
    """

    def after(known: dict[str, Decision]) -> Decision:
        last = known.get(model)
        if last is None or from_text(decision.decided) >= from_text(last.decided):
            return decision
        if decision.result == FAILED:  # a clock that was set back must not keep an old PASSED alive
            return Decision(last.decided, FAILED, decision.policy)
        if from_text(decision.decided) < from_text(last.decided) - SKEW:
            raise UsageError(
                f"The clock says {decision.decided}, and the last decision about this model was made at "
                f"{last.decided}; set the clock, or remove its entry from {state.path}."
            )
        return last

    return change_state(state, _read, model, after, "The decision")


def accept(state: StateFile, model: str, verified: datetime, policy: str) -> str:
    """Let a PASSED verdict count only if no other decision came after it, and write it down.

    Args:
        state: the file.
        model: SHA-256 of the weights.
        verified: time of the verdict.
        policy: SHA-256 of its policy.

    Returns:
        See :func:`record`.

    Raises:
        VerificationError: another decision came after it, or one at the same time was FAILED.
        DataError: see :func:`record`.
        UsageError: the file that was chosen cannot be written.
    """

    def after(known: dict[str, Decision]) -> Decision:
        last = known.get(model)
        newest = from_text(last.decided) if last else verified
        if last is not None and (verified < newest or (verified == newest and last.result != PASSED)):
            raise VerificationError(
                f"Nothing was released: the verdict is of {to_text(verified)}, and this model was {last.result} at "
                f"{last.decided}; run `whitesquare gate` again."
            )
        return Decision(to_text(verified), PASSED, policy)

    return change_state(state, _read, model, after, "The decision")


def _read(state: StateFile) -> dict[str, Decision]:
    return read_state(state, _parsed, "what was decided last")


def _parsed(data: bytes, where: str) -> dict[str, Decision]:
    found = build(dict[str, Decision], strict_json(data, where), where=where)
    for one in found.values():
        from_text(one.decided)
        if one.result not in (PASSED, FAILED):
            raise ValueError(f"found the result {one.result!r:.40}.")
    return found
