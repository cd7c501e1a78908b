"""Reading a run folder for an auditor: every file once, whose word it is, and whether it belongs to the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from whitesquare.auditing.decided import DecidedRead, read_decided
from whitesquare.auditing.parts import about, aside, read_part
from whitesquare.auditing.reads import DrillRead, ReadFile, RemovedRead, ScanRead, VictimRead, read_file
from whitesquare.auditing.types import EvidenceFile, KeyRecord
from whitesquare.errors import NothingToDoError, UsageError, WhitesquareError
from whitesquare.gating.collect import collect, file_state
from whitesquare.gating.types import RunEvidence, SignedPart
from whitesquare.gating.vsa import Summary, read_vsa
from whitesquare.provenance.evidence import (
    DRILL,
    MEASURE,
    PROVENANCE,
    REMOVED,
    REMOVED_REPORT,
    REMOVED_TYPE,
    SCAN_REPORT,
    VSA,
    DrillEvidence,
    RemovedEvidence,
)
from whitesquare.provenance.predicates import drill_evidence, removed_evidence
from whitesquare.provenance.types import MANIFEST
from whitesquare.records import CARD, VICTIM, WEIGHTS
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.statements import TEST_RESULT_TYPE, Subject

T = TypeVar("T")

DRILLS = ("drill/drill.json", "drill.json")
"""Where a drill of these data may lie; the first that is there counts."""
BEFORE = "before"
"""The folder with scan and measurement of the state before something was removed."""


@dataclass(frozen=True)
class AuditEvidence:
    """All that an auditor can be shown of a run.

    Attributes:
        signed: what the gate reads.
        verdict: the gate's; its subjects are what it is about.
        scan: the report of the scan.
        drill: what a drill of the data found.
        drill_signed: the statement about that.
        removed: what was taken out of the data.
        removed_signed: the statement about that.
        victim: what the model does on test images.
        scan_before: the scan that ``removed`` rests on, if it is not ``scan``.
        victim_before: what a model does that was trained before that.
        decided: what people decided.
        files: everything that is there, by name.
    """

    signed: RunEvidence
    verdict: SignedPart[Summary]
    scan: ReadFile[ScanRead]
    drill: ReadFile[DrillRead]
    drill_signed: SignedPart[DrillEvidence]
    removed: ReadFile[RemovedRead]
    removed_signed: SignedPart[RemovedEvidence]
    victim: ReadFile[VictimRead]
    scan_before: ReadFile[ScanRead]
    victim_before: ReadFile[VictimRead]
    decided: DecidedRead
    files: dict[str, EvidenceFile]

    @property
    def manifest(self) -> str:
        """SHA-256 of the signed manifest; empty if none can be trusted."""
        return self.signed.dataset.subjects[0].sha256 if self.signed.dataset.said is not None else ""


def gather(run: Path, trusted: Sequence[TrustedKey], now: datetime) -> AuditEvidence:
    """Read the evidence of a run.

    Args:
        run: folder of a trained model, or of a scan, with whatever evidence there is.
        trusted: the keys whose signatures count, in whatever role; without any, nothing signed is shown.
        now: the time at which they must be valid.

    Raises:
        UsageError: there is no such folder.
        NothingToDoError: nothing in it is evidence.
    """
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}; give the folder that `whitesquare train` or `scan` wrote to.")
    signed = bound(collect(run, trusted, now))
    verdict = _about_this(_verdict(run, trusted, now), signed)
    drill = read_file(run, next((name for name in DRILLS if (run / name).exists()), DRILLS[0]), DrillRead)
    removed = read_file(run, REMOVED_REPORT, RemovedRead)
    found = AuditEvidence(
        signed=signed,
        verdict=verdict,
        scan=read_file(run, SCAN_REPORT, ScanRead),
        drill=drill,
        drill_signed=_drill(run, drill, trusted, now),
        removed=removed,
        removed_signed=_removed(run, removed, trusted, now),
        victim=read_file(run, VICTIM, VictimRead),
        scan_before=read_file(run, f"{BEFORE}/{SCAN_REPORT}", ScanRead),
        victim_before=read_file(run, f"{BEFORE}/{VICTIM}", VictimRead),
        decided=read_decided(run, ("", f"{BEFORE}/"), trusted, now),
        files={},
    )
    files = _files(run, found)
    if not files:
        raise NothingToDoError(
            f"{run} holds no evidence: no model, no signed data set, no scan.json; give the folder of a trained model, "
            "to which `whitesquare scan -o json=RUN/scan.json` and the other verbs wrote."
        )
    return replace(found, files=files)


def bound(found: RunEvidence) -> RunEvidence:
    """Set aside the statements that are about another data set or model than the one here."""
    model, dataset = found.model.sha256, found.dataset
    manifest = dataset.subjects[0].sha256 if dataset.said is not None else ""
    training = found.training
    if training.said is not None and manifest and training.said.manifest != manifest:
        training = aside(training, "the model was trained on another data set than the signed one here")
    return replace(
        found,
        scan=about(found.scan, MANIFEST, manifest),
        training=about(training, WEIGHTS, model),
        measure=about(found.measure, WEIGHTS, model),
    )


def _verdict(run: Path, trusted: Sequence[TrustedKey], now: datetime) -> SignedPart[Summary]:
    state = file_state(run / VSA)
    try:
        said = read_vsa(run / VSA, trusted, now)
    except (WhitesquareError, OSError, ValueError) as error:
        missing = isinstance(error, NothingToDoError)
        problem = str(error).replace(str(run / VSA), VSA)
        return SignedPart(VSA, sha256=state.sha256, problem=problem, missing=missing)
    return SignedPart(
        VSA, said, (Subject(said.subject, said.sha256),), said.signers, state.sha256, files={VSA: state.sha256}
    )


def _drill(
    run: Path, drill: ReadFile[DrillRead], trusted: Sequence[TrustedKey], now: datetime
) -> SignedPart[DrillEvidence]:
    """Read the statement that lies beside a drill, and hold it against what that says."""
    name = str(PurePosixPath(drill.name).with_name(DRILL))
    part = read_part(run, name, TEST_RESULT_TYPE, drill_evidence, trusted, now)
    said, told = part.said, drill.said
    if said is not None and told is not None and (said.digest, said.size) != (told.digest, told.size):
        return aside(part, f"it and {drill.name} are about different data")
    return about(part, drill.name, drill.sha256)


def _removed(
    run: Path, removed: ReadFile[RemovedRead], trusted: Sequence[TrustedKey], now: datetime
) -> SignedPart[RemovedEvidence]:
    """Read the statement that lies beside a ``removed.json``, and hold it against what that says."""
    part = read_part(run, REMOVED, REMOVED_TYPE, removed_evidence, trusted, now)
    if (said := part.said) is not None and (told := removed.said) is not None:
        decisions = told.decisions.sha256 if told.decisions else ""
        ours = (told.source_digest, told.scan_digest, decisions, told.counts.removed)
        if (said.dataset, said.scan, said.decisions, said.removed) != ours:
            return aside(part, f"it and {removed.name} say different things")
    return about(part, removed.name, removed.sha256)


def _about_this(part: SignedPart[Summary], signed: RunEvidence) -> SignedPart[Summary]:
    """Hold a verdict against the files here: it is worth nothing about others."""
    if part.said is None:
        return part
    here = {WEIGHTS: signed.model.sha256, **{name: state.sha256 for name, state in signed.files.items()}}
    for one in (signed.dataset, signed.scan, signed.training, signed.measure, signed.review):
        here |= {one.file: one.sha256} | one.files
    here[MANIFEST] = signed.dataset.files.get(MANIFEST, "")
    wanted = {**part.said.files, part.said.subject: part.said.sha256}
    other = sorted(name for name, sha256 in wanted.items() if here.get(name) != sha256)
    if not other:
        return part
    return aside(part, f"it is about another {other[0]} than the one here")


def _files(run: Path, found: AuditEvidence) -> dict[str, EvidenceFile]:
    """List every file that was read, with who vouches for it."""
    digests, problems = _digests(found)
    keys = _vouched(found, digests)
    return {
        name: EvidenceFile(
            name,
            sha256,
            (run / name).stat().st_size if (run / name).is_file() else 0,
            tuple(KeyRecord(key.name, key.keyid, key.role) for key in keys.get(name, ())),
            problems.get(name, ""),
        )
        for name, sha256 in sorted(digests.items())
    }


def _parts(found: AuditEvidence) -> tuple[SignedPart[Any], ...]:
    """Return the statements that are about files of the run, but that about decisions."""
    signed = found.signed
    gated = (signed.dataset, signed.scan, signed.training, signed.measure)
    return (*gated, found.verdict, found.drill_signed, found.removed_signed)


def _digests(found: AuditEvidence) -> tuple[dict[str, str], dict[str, str]]:
    """Return by name the digest of every file that is there, and what is wrong with it."""
    signed = found.signed
    reads: tuple[ReadFile[Any], ...] = (
        found.scan,
        found.drill,
        found.removed,
        found.victim,
        found.scan_before,
        found.victim_before,
    )
    states = (signed.model, signed.files[CARD])
    digests: dict[str, str] = {}
    problems: dict[str, str] = {}
    for state in states:
        if state.sha256 or state.problem:
            digests[state.name], problems[state.name] = state.sha256, state.problem
    for read in (*reads, found.decided.log, found.decided.envelope, found.decided.held):
        if read.sha256 or read.problem:
            digests[read.name], problems[read.name] = read.sha256, read.problem
    for part in _parts(found):
        digests |= {name: sha256 for name, sha256 in part.files.items() if sha256}
        if part.sha256 or (part.problem and not part.missing):
            digests[part.file], problems[part.file] = part.sha256, part.problem
    return digests, problems


def _vouched(found: AuditEvidence, digests: dict[str, str]) -> dict[str, tuple[TrustedKey, ...]]:
    """Return by name who vouches for the bytes of a file: whoever signed them, or a statement that names them."""
    signed, keys = found.signed, dict[str, tuple[TrustedKey, ...]]()
    for part in _parts(found):
        if part.said is None:
            continue
        keys |= dict.fromkeys(part.files, part.signers)
        named = {one.name: one.sha256 for one in part.subjects if part.file in (PROVENANCE, MEASURE)}
        keys |= {
            name: part.signers for name, sha256 in named.items() if digests.get(name) == sha256 and name not in keys
        }
    scan = signed.scan
    if scan.said is not None and scan.said.report and scan.said.report == found.scan.sha256:
        keys[SCAN_REPORT] = scan.signers
    if found.drill_signed.said is not None and found.drill.sha256:
        keys[found.drill.name] = found.drill_signed.signers
    if (said := found.removed_signed.said) is not None:
        rests = {found.removed.name: found.removed.sha256, found.scan_before.name: said.scan}
        for name, sha256 in rests.items():
            if sha256 and digests.get(name) == sha256:
                keys[name] = found.removed_signed.signers
    return keys | found.decided.vouched
