"""What people decided, read for an auditor: where each sample stands, by whose word, and about which scan."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from whitesquare._base.schema import build
from whitesquare.auditing.reads import MOST_BYTES, ReadFile
from whitesquare.deciding.held import HeldDecisions
from whitesquare.deciding.log import DECISIONS, DecisionLog, standings
from whitesquare.deciding.signed import DECISIONS_TYPE, ReviewEvidence, review_evidence
from whitesquare.deciding.types import CHOICES, DISAGREED, ReviewHead
from whitesquare.errors import DataError, VerificationError, WhitesquareError
from whitesquare.gating.collect import file_state
from whitesquare.provenance.evidence import HELD, REVIEW
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.statements import check_statement, read_small

_CHUNK = 65_536


@dataclass(frozen=True)
class DecisionCounts:
    """What the decisions amount to.

    Attributes:
        head: what they are about.
        counts: number of samples by choice; those that nobody decided on are not counted.
        people: by name, role and number of samples that this person's word stands on.
        first: earliest and latest time that a mark names, as people's clocks had it.
        marks: number of marks.
        reasons: how many of them give a reason.
    """

    head: ReviewHead
    counts: dict[str, int]
    people: dict[str, tuple[str, int]]
    first: tuple[str, str]
    marks: int
    reasons: int


@dataclass(frozen=True)
class DecidedRead:
    """The file of decisions, and the statement that signs it.

    Attributes:
        log: the file; its ``said`` is what its marks amount to.
        signed: the statement; ``None`` if it is missing or cannot be trusted.
        envelope: its file; the problem says why it cannot be trusted.
        held: the file that holds the decisions where they were too many for the statement.
        vouched: by name, who signed it; the log is vouched for while it is the one that was signed.
    """

    log: ReadFile[DecisionCounts]
    signed: ReviewEvidence | None
    envelope: ReadFile[ReviewEvidence]
    held: ReadFile[HeldDecisions]
    vouched: dict[str, tuple[TrustedKey, ...]] = field(default_factory=dict)


def read_decided(run: Path, places: Sequence[str], trusted: Sequence[TrustedKey], now: datetime) -> DecidedRead:
    """Read the decisions of a run.

    Args:
        run: its folder.
        places: folders below it, each empty or ending in a slash, where they may lie; the first that has them counts.
        trusted: the keys that may sign.
        now: the time at which they must be valid.
    """
    place = next((one for one in places if (run / f"{one}{DECISIONS}").exists()), places[0])
    log = _read_log(run, f"{place}{DECISIONS}")
    envelope, signers = _read_envelope(run, f"{place}{REVIEW}", trusted, now)
    signed = envelope.said
    held = _held(run, f"{place}{HELD}", signed)
    vouched = {envelope.name: signers} if signed is not None else {}
    if held.said is not None:
        vouched[held.name] = signers
    if signed is not None and signed.log == log.sha256:
        vouched[log.name] = signers
    return DecidedRead(log, signed, envelope, held, vouched)


def _held(run: Path, name: str, signed: ReviewEvidence | None) -> ReadFile[HeldDecisions]:
    """Tell of the file beside the statement: it was read with that, or is nobody's."""
    if signed is not None and signed.held is not None:
        return ReadFile(name, signed.held, signed.held.sha256, signed.held.bytes)
    state = file_state(run / name)
    problem = "" if not state.sha256 else f"{name} belongs to no statement here whose signature can be trusted."
    return ReadFile(name, sha256=state.sha256, problem=state.problem or problem)


def _read_envelope(
    run: Path, name: str, trusted: Sequence[TrustedKey], now: datetime
) -> tuple[ReadFile[ReviewEvidence], tuple[TrustedKey, ...]]:
    path, sha256, size = run / name, "", 0
    if not path.exists():
        return ReadFile(name), ()
    try:
        data = read_small(path)
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        found = check_statement(data, name, DECISIONS_TYPE, trusted, now)
        said = review_evidence(found.predicate, name, path.parent)
        if said.scan not in [one.sha256 for one in found.subjects]:
            raise VerificationError(f"{name} is about another scan than the one that it names.")
    except (WhitesquareError, OSError) as error:
        return ReadFile(name, sha256=sha256, bytes=size, problem=str(error).replace(str(path), name)), ()
    return ReadFile(name, said, sha256, size), found.signers


def _read_log(run: Path, name: str) -> ReadFile[DecisionCounts]:
    path, sha256, size = run / name, "", 0
    if not path.exists():
        return ReadFile(name)
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise DataError(f"{name} is no file, or has more than {MOST_BYTES} bytes.")
        data = path.read_bytes()
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        head = _head(data, name)
        marks, _ = DecisionLog(path, head).read()
        standing = standings(marks).values()
        if path.read_bytes() != data:
            raise DataError(f"{name} was written to while it was read; make the dossier again.")
    except (WhitesquareError, OSError) as error:
        return ReadFile(name, sha256=sha256, bytes=size, problem=str(error).replace(str(path), name))
    counts = Counter(one.choice for one in standing if one.choice)
    people: dict[str, tuple[str, int]] = {}
    for one in standing:
        for by, mark in one.by_person.items():
            people[_text(by)] = (_text(mark.role), people.get(_text(by), ("", 0))[1] + 1)
    times = sorted(mark.at for mark in marks) or [""]
    by_choice = {choice: counts[choice] for choice in (*CHOICES, DISAGREED) if counts[choice]}
    said = DecisionCounts(
        head,
        by_choice,
        dict(sorted(people.items())),
        (times[0], times[-1]),
        len(marks),
        sum(bool(mark.why) for mark in marks),
    )
    return ReadFile(name, said, sha256, size)


def _head(data: bytes, name: str) -> ReviewHead:
    """Read the first line, which says what is decided about."""
    first, newline, _ = data[:_CHUNK].partition(b"\n")
    where = f"{name} is no file of decisions"
    if not newline:
        raise DataError(f"{where}: its first line is not whole.")
    try:
        found = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: {error!s:.200}.") from error
    return build(ReviewHead, found, where=where)


def _text(name: str) -> str:
    """Replace half a surrogate pair, which no file of text can hold."""
    return name.encode("utf-8", "replace").decode()
