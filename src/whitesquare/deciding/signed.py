"""What people decided, as evidence: what the keys of those who answer for it sign, and what the gate reads.

The statement says no time of signing: whoever signs the same decisions signs the same bytes, so that signatures of
several people gather in one envelope.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import whitesquare
from whitesquare._base.files import write_text
from whitesquare._base.locks import folder_lock
from whitesquare._base.schema import build
from whitesquare.deciding.held import MOST_BYTES as MOST_HELD
from whitesquare.deciding.held import HeldDecisions, SignedDecision, SignedMark, held_by, held_text, read_held
from whitesquare.deciding.types import CHOICES, DISAGREED, Mark, ReviewHead, Standing
from whitesquare.errors import DataError, UsageError, VerificationError
from whitesquare.provenance.evidence import HELD, SCAN_REPORT
from whitesquare.signing.dsse import MOST_BYTES, Envelope, encode_envelope, read_envelope, sign
from whitesquare.signing.keys import Signer
from whitesquare.signing.statements import Subject, encode_statement, parse_statement, read_small
from whitesquare.signing.times import from_text, to_text

DECISIONS_TYPE = "https://whitesquare.dev/attestations/review-decisions/v1"
"""The predicate type."""

_FORMAT, _BESIDE = 1, 2
"""Of a statement that holds its decisions, and of one beside which they lie in a file."""
_ROOM = MOST_BYTES * 3 // 4 - 2**18
"""Bytes that the decisions may take in a statement: base64 makes four of three, and signatures must fit beside them."""


@dataclass(frozen=True)
class ReviewEvidence:
    """What people decided about a scan: the subject of its statement is the ``scan.json``.

    Attributes:
        scan: SHA-256 of the ``scan.json``, hexadecimal.
        dataset: digest of the data set that the scan names.
        log: SHA-256 of the file of decisions, with their reasons and times.
        counts: number of samples by choice.
        decisions: every sample about which somebody's word holds, in the order in which they were first decided.
        finished: UTC time of the newest decision, by the clock of who made it.
        version: of whitesquare.
        format: of the statement.
        held: the file that holds the decisions where they are too many for the statement; ``None`` where they are in
            it.
    """

    scan: str
    dataset: str
    log: str
    counts: dict[str, int]
    decisions: tuple[SignedDecision, ...]
    finished: str
    version: str
    format: int = _FORMAT
    held: HeldDecisions | None = None


@dataclass(frozen=True)
class SignedReview:
    """What was signed.

    Attributes:
        evidence: what it says.
        path: the envelope.
        signatures: how many it holds now.
        replaced: how many it held before, about other decisions, that are gone.
    """

    evidence: ReviewEvidence
    path: Path
    signatures: int
    replaced: int


def evidence_of(head: ReviewHead, found: Mapping[str, Standing], log: str, now: datetime) -> ReviewEvidence:
    """Say what people decided.

    Args:
        head: about which scan.
        found: where each sample stands; those about which nobody's word holds are left out.
        log: SHA-256 of the file of decisions.
        now: the time, which is that of the newest decision where there is none.

    Raises:
        DataError: a name cannot be written as UTF-8, so that no statement can hold it.
    """
    decisions = tuple(_decision(one) for one in found.values() if one.choice)
    times = [datetime.fromisoformat(mark.at) for one in found.values() for mark in one.by_person.values()]
    return ReviewEvidence(
        scan=head.scan,
        dataset=head.dataset,
        log=log,
        counts=_counts(decisions),
        decisions=decisions,
        finished=to_text(max(times, default=now)),
        version=whitesquare.__version__,
    )


def _decision(one: Standing) -> SignedDecision:
    marks = tuple(SignedMark(mark.by, mark.role, mark.choice, mark.label) for mark in one.by_person.values())
    for text in (one.id, *(text for mark in marks for text in (mark.by, mark.role, mark.label))):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{text!r:.200} is not UTF-8, and no signed statement can hold it; rename the file, and scan again."
            ) from error
    return SignedDecision(one.id, one.content, one.choice, marks)


def _counts(decisions: tuple[SignedDecision, ...]) -> dict[str, int]:
    found = Counter(one.choice for one in decisions)
    return {name: found[name] for name in (*CHOICES, DISAGREED)}


def review_predicate(evidence: ReviewEvidence) -> dict[str, Any]:
    """Return what a statement about decisions says."""
    found = asdict(evidence)
    if evidence.held is None:
        del found["held"]
        return found
    return found | {"decisions": []}


def review_evidence(predicate: dict[str, Any], where: str, folder: Path) -> ReviewEvidence:
    """Read what :func:`review_predicate` wrote, and the file that holds the decisions where there is one.

    Args:
        predicate: of a statement whose signatures were checked.
        where: its name, for the errors.
        folder: in which it lies.

    Raises:
        NothingToDoError: it says that a file lies beside it, and none does.
        VerificationError: it was written by somebody else, or contradicts itself; or the file is another one.
    """
    found = build(ReviewEvidence, predicate, where=where, refuse=VerificationError)
    if found.format not in (_FORMAT, _BESIDE):
        raise VerificationError(f"{where} has the format {found.format}; expected {_FORMAT} or {_BESIDE}.")
    if (found.held is not None) != (found.format == _BESIDE) or (found.held is not None and found.decisions):
        raise VerificationError(f"{where} does not say clearly where its decisions are; sign them again.")
    if found.held is not None:
        decisions = read_held(folder, found.held)
        if len(decisions) != found.held.count:
            raise VerificationError(f"{where} states a number of decisions that {HELD} denies.")
        found = replace(found, decisions=decisions)
    if len({one.id for one in found.decisions}) < len(found.decisions):
        raise VerificationError(f"{where} decides about a sample twice.")
    for one in found.decisions:
        _check(one, found.finished, where)
    if found.counts != _counts(found.decisions):
        raise VerificationError(f"{where} states counts that its decisions deny.")
    return found


def _check(one: SignedDecision, finished: str, where: str) -> None:
    """Hold what is said of a sample against what each person said."""
    try:
        from_text(finished)
        said = [
            Mark(id=one.id, content=one.content, choice=mark.choice, by=mark.by, at=finished, label=mark.label)
            for mark in one.marks
        ]
    except (ValueError, DataError) as error:
        raise VerificationError(f"{where}: {error}") from error
    standing = Standing(one.id, one.content, {mark.by: mark for mark in said if mark.choice})
    if len(standing.by_person) < len(said) or not standing.choice or standing.choice != one.choice:
        raise VerificationError(f"{where} states a choice for {one.id!r:.80} that what people say denies.")


def sign_review(path: Path, evidence: ReviewEvidence, signer: Signer) -> SignedReview:
    """Sign decisions: add the signature to the envelope where that is about the same, else begin a new one.

    Args:
        path: the envelope.
        evidence: what is signed.
        signer: whoever answers for it.

    Raises:
        UsageError: the key has signed the same before, or there are more decisions than a statement can hold.
        VerificationError: what lies at the path is no envelope.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(path.parent):
        before = read_envelope(read_small(path), str(path)) if path.is_file() else Envelope(b"", ())
        evidence, beside = _fitted(evidence)
        payload = _payload(evidence, before)
        made = sign(payload, [signer])
        is_same = before.payload == payload
        if is_same and any(one.keyid == signer.keyid for one in before.signatures):
            raise UsageError(f"The key {signer.keyid[:16]} has signed these decisions before, see {path}.")
        kept = before.signatures if is_same else ()
        if beside:
            write_text(path.with_name(HELD), beside)
        write_text(path, encode_envelope(Envelope(payload, kept + made.signatures)))
        if not beside:
            path.with_name(HELD).unlink(missing_ok=True)  # of a statement that is gone
    return SignedReview(evidence, path, len(kept) + 1, 0 if is_same else len(before.signatures))


def _fitted(evidence: ReviewEvidence) -> tuple[ReviewEvidence, str]:
    """Take decisions that do not fit into a statement out into a file; return what it holds, or nothing.

    Raises:
        UsageError: they are too many for that, too.
    """
    if len(_statement(evidence)) <= _ROOM:
        return evidence, ""
    text = held_text(evidence.decisions)
    held = held_by(text, len(evidence.decisions))
    if held.bytes > MOST_HELD:
        raise UsageError(
            f"{held.count} decisions take {held.bytes} bytes, and no file of them has more than {MOST_HELD}; remove "
            "what is sure with `whitesquare cleanse`, scan again, and decide about the rest."
        )
    return replace(evidence, held=held, format=_BESIDE), text


def _payload(evidence: ReviewEvidence, before: Envelope) -> bytes:
    """Return what is signed: the very bytes of before where nobody had anything to decide, but for the time of it."""
    if before.payload and not evidence.decisions:
        subjects, kind, predicate = parse_statement(before.payload, "the statement that is there")
        if (
            kind == DECISIONS_TYPE
            and len(subjects) == 1
            and predicate
            == review_predicate(replace(evidence, finished=str(predicate.get("finished")))) | {"decisions": []}
        ):
            return before.payload
    return _statement(evidence)


def _statement(evidence: ReviewEvidence) -> bytes:
    return encode_statement([Subject(SCAN_REPORT, evidence.scan)], DECISIONS_TYPE, review_predicate(evidence))
