"""Reading a run folder: what is there, what its signatures are worth, and nothing of what that means.

Whatever is wrong with a file becomes a fact about it. Only a folder that is not there is an error.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from whitesquare.deciding.signed import DECISIONS_TYPE, ReviewEvidence, review_evidence
from whitesquare.errors import NothingToDoError, UsageError, VerificationError, WhitesquareError
from whitesquare.gating.flagged import read_flagged
from whitesquare.gating.types import FileState, Flagged, RunEvidence, SignedPart
from whitesquare.provenance.dataset import check_dataset
from whitesquare.provenance.evidence import (
    HELD,
    MEASURE,
    PROVENANCE,
    REVIEW,
    SCAN,
    SCAN_REPORT,
    MeasureEvidence,
    ScanEvidence,
    TrainEvidence,
)
from whitesquare.provenance.predicates import (
    measure_evidence,
    measure_predicate,
    scan_evidence,
    scan_predicate,
    train_evidence,
)
from whitesquare.provenance.types import BUNDLE, DATASET_TYPES, ENVELOPE, MANIFEST, DatasetPredicate
from whitesquare.records import CARD, VICTIM, WEIGHTS
from whitesquare.signing.dsse import read_envelope
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.signatures import ANY_ROLE
from whitesquare.signing.statements import (
    PROVENANCE_TYPE,
    TEST_RESULT_TYPE,
    Subject,
    check_statement,
    read_small,
)
from whitesquare.signing.times import from_text

T = TypeVar("T")

Reader = Callable[[dict[str, Any], str], T]
"""``read(predicate, where)`` returns what a statement says."""

OTHERS = (CARD, VICTIM, SCAN_REPORT)
"""Files that can belong to a release beside the weights, the statements read here, and the manifest."""


def collect(run: Path, trusted: Sequence[TrustedKey], now: datetime) -> RunEvidence:
    """Read the evidence of a run.

    Args:
        run: folder of a trained model.
        trusted: the keys whose signatures count, in whatever role.
        now: the time at which they must be valid.

    Raises:
        UsageError: there is no such folder.
    """
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}; give the folder that `whitesquare train` wrote.")
    dataset = _dataset(run, trusted, now)
    scan = _statement(run / SCAN, TEST_RESULT_TYPE, _scan, trusted, now)
    review = _review(run, trusted, now)
    flagged = read_flagged(run, dataset, scan, review) if review.said else Flagged()
    return RunEvidence(
        model=file_state(run / WEIGHTS),
        dataset=dataset,
        scan=scan,
        training=_statement(run / PROVENANCE, PROVENANCE_TYPE, _training, trusted, now),
        measure=_statement(run / MEASURE, TEST_RESULT_TYPE, _measure, trusted, now),
        files={name: file_state(run / name) for name in OTHERS},
        trusted=tuple(trusted),
        review=review,
        flagged=flagged,
    )


def file_state(path: Path) -> FileState:
    """Hash a file; what keeps it from being read becomes its problem."""
    try:
        if not path.exists() and not path.is_symlink():
            return FileState(path.name)
        if not path.is_file():
            return FileState(path.name, problem=f"{path.name} is no file.")
        with path.open("rb") as file:
            return FileState(path.name, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        return FileState(path.name, problem=f"{path.name} cannot be read: {error.strerror or error}.")


def _dataset(run: Path, trusted: Sequence[TrustedKey], now: datetime) -> SignedPart[DatasetPredicate]:
    """Read the signed data set: the envelope with all signatures, or the bundle with one where there is no other.

    Every file is read once, so that each digest is of the bytes that were checked. A bundle beside the envelope is
    verified like any other: its signature is its own.
    """
    path = run / ENVELOPE if os.path.lexists(run / ENVELOPE) else run / BUNDLE
    sha256 = ""
    try:
        data = read_small(path)
        sha256 = hashlib.sha256(data).hexdigest()
        signed = check_dataset(data, path, trusted, now, ANY_ROLE)
        if signed.manifest.name != MANIFEST:
            raise VerificationError(f"{path.name} is about {signed.manifest.name!r:.80}; expected {MANIFEST}.")
        files = {MANIFEST: signed.sha256, path.name: sha256}
        if path.name != BUNDLE and os.path.lexists(run / BUNDLE):
            beside = read_small(run / BUNDLE)
            other = check_statement(beside, BUNDLE, DATASET_TYPES, trusted, now)
            if read_envelope(beside, BUNDLE).payload != read_envelope(data, path.name).payload:
                raise VerificationError(
                    f"{BUNDLE} and {ENVELOPE} state different things; put both of one attest there."
                )
            known = {key.keyid for key in signed.signers}
            if strangers := [key.name for key in other.signers if key.keyid not in known]:
                raise VerificationError(
                    f"{BUNDLE} is signed by the key {strangers[0]!r}, which did not sign {ENVELOPE}; put both of one "
                    "attest there."
                )
            files[BUNDLE] = hashlib.sha256(beside).hexdigest()
        if signed.predicate.expires is not None:
            from_text(signed.predicate.expires)
    except (WhitesquareError, OSError, ValueError) as error:
        return _unusable(path, sha256, error)
    subjects = (Subject(MANIFEST, signed.sha256),)
    return SignedPart(path.name, signed.predicate, subjects, tuple(signed.signers), sha256, files=files)


def _statement(path: Path, kind: str, read: Reader[T], trusted: Sequence[TrustedKey], now: datetime) -> SignedPart[T]:
    """Read a statement from one reading of its file, so that the digest is of what was verified."""
    sha256 = ""
    try:
        data = read_small(path)
        sha256 = hashlib.sha256(data).hexdigest()
        found = check_statement(data, path.name, kind, trusted, now)
        said = read(found.predicate, path.name)
    except (WhitesquareError, OSError, ValueError) as error:
        return _unusable(path, sha256, error)
    return SignedPart(path.name, said, found.subjects, found.signers, sha256, files={path.name: sha256})


def _review(run: Path, trusted: Sequence[TrustedKey], now: datetime) -> SignedPart[ReviewEvidence]:
    """Read what people decided; where a file beside the statement holds that, it is one of the statement's files."""

    def read(predicate: dict[str, Any], where: str) -> ReviewEvidence:
        return review_evidence(predicate, where, run)

    found = _statement(run / REVIEW, DECISIONS_TYPE, read, trusted, now)
    held = found.said.held if found.said is not None else None
    return found if held is None else replace(found, files=found.files | {HELD: held.sha256})


def _unusable(path: Path, sha256: str, error: Exception) -> SignedPart[Any]:
    # The folder is the reader's own, and its path has no place in a report that others see.
    problem = str(error).replace(str(path), path.name).replace(f"{path.parent}/", "")
    missing = isinstance(error, NothingToDoError)
    return SignedPart(path.name, sha256=sha256, problem=problem or type(error).__name__, missing=missing)


def _scan(predicate: dict[str, Any], where: str) -> ScanEvidence:
    scan = scan_evidence(predicate, where)
    _same(predicate, scan_predicate(scan), where)
    from_text(scan.finished)
    return scan


def _measure(predicate: dict[str, Any], where: str) -> MeasureEvidence:
    measure = measure_evidence(predicate, where)
    _same(predicate, measure_predicate(measure), where)
    from_text(measure.finished)
    return measure


def _training(predicate: dict[str, Any], where: str) -> TrainEvidence:
    training = train_evidence(predicate, where)
    from_text(training.started)
    from_text(training.finished)
    return training


def _same(predicate: dict[str, Any], ours: dict[str, Any], where: str) -> None:
    """Refuse a statement whose outcome, which every reader sees, is not the one its details lead to."""
    if predicate != json.loads(json.dumps(ours)):
        raise VerificationError(f"{where} states an outcome ({predicate.get('result')!r:.40}) that its details deny.")
