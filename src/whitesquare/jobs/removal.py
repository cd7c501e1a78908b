"""Answering for what was removed: the statement that a key signs about it, and whether data are what was kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import whitesquare
from whitesquare.errors import DataError
from whitesquare.provenance.evidence import REMOVED, REMOVED_REPORT, REMOVED_TYPE, KeptSplit, RemovedEvidence
from whitesquare.provenance.listing import Listing, make_manifest
from whitesquare.provenance.predicates import removed_evidence
from whitesquare.provenance.types import Content
from whitesquare.records import Progress, silent
from whitesquare.signing.keys import Signer, TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures
from whitesquare.signing.statements import Subject, read_statement, write_statement
from whitesquare.signing.times import to_text, utc_now


@dataclass(frozen=True)
class RemovalCheck:
    """What holding data against a statement about removed samples found.

    Attributes:
        said: what is signed.
        signers: the trusted keys that signed it.
        problems: what is not as it says, a sentence each; empty: the data are what was kept.
    """

    said: RemovedEvidence
    signers: tuple[TrustedKey, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is as it says."""
        return not self.problems


def sign_removal(
    folder: Path,
    copy: str,
    signer: Signer,
    *,
    dataset: str,
    scan: str,
    decisions: str,
    removed: int,
    on_progress: Progress = silent,
) -> RemovedEvidence:
    """Sign what was removed, and what is kept: ``removed.sigstore.json`` beside the ``removed.json``.

    Args:
        folder: in which the ``removed.json`` lies.
        copy: what opens the copy.
        signer: whoever answers for it.
        dataset: digest of the data set of before.
        scan: SHA-256 of the ``scan.json``.
        decisions: SHA-256 of the file of decisions; empty for none.
        removed: number of samples.
        on_progress: told how many files of the copy are hashed.
    """
    found = _listed(copy, None, on_progress)
    said = RemovedEvidence(
        dataset=dataset,
        scan=scan,
        decisions=decisions,
        removed=removed,
        kept=_kept_splits(found),
        version=whitesquare.__version__,
        finished=to_text(utc_now()),
        content=found.content,
    )
    subject = Subject(REMOVED_REPORT, sha256((folder / REMOVED_REPORT).read_bytes()).hexdigest())
    write_statement(folder / REMOVED, [subject], REMOVED_TYPE, asdict(said), signer)
    return said


def _listed(source: str, content: Content | None = None, on_progress: Progress = silent) -> Listing:
    """List the samples of a data set as its manifest would have them, read as it was when it was signed."""
    with TemporaryDirectory(prefix="whitesquare-") as name:
        return make_manifest(source, Path(name) / "manifest.parquet", expected=content, on_progress=on_progress)


def _kept_splits(found: Listing) -> dict[str, KeptSplit]:
    return {name: KeptSplit(one.size, one.root) for name, one in found.splits.items()}


def check_removal(
    source: str,
    statement: Path,
    trusted: Sequence[TrustedKey],
    now: datetime,
    on_progress: Progress = silent,
    *,
    asked: Signatures = BY_DEFAULT,
) -> RemovalCheck:
    """Hold data against the statement about what was removed from those of before.

    Args:
        source: the data set.
        statement: the signed statement; its ``removed.json`` lies beside it.
        trusted: the keys that may have signed it.
        now: the time at which they must be valid.
        on_progress: told how many files are hashed.
        asked: how many keys of which roles must have signed.

    Raises:
        NothingToDoError: there is no such statement.
        VerificationError: it cannot be trusted.
        DataError: the ``removed.json`` cannot be read.
    """
    found = read_statement(statement, REMOVED_TYPE, trusted, now)
    asked.check(found.signers, str(statement))
    said = removed_evidence(found.predicate, statement.name)
    report, problems = statement.with_name(REMOVED_REPORT), []
    try:
        digest = sha256(report.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{report}, which {statement.name} is about, cannot be read: {error.strerror}.") from error
    if [one.sha256 for one in found.subjects] != [digest]:
        problems.append(f"{REMOVED_REPORT} is not the one that was signed: it is {digest[:12]}.")
    here = _kept_splits(_listed(source, said.content, on_progress))
    for name in sorted({*said.kept, *here}):
        kept, now_ = said.kept.get(name), here.get(name)
        if kept != now_:
            problems.append(
                f"The split {name!r:.60} is not what was kept: {_of(now_)} here, and {_of(kept)} were signed."
            )
    return RemovalCheck(said, found.signers, tuple(problems))


def _of(split: KeptSplit | None) -> str:
    return "none" if split is None else f"{split.size} samples with the root {split.root[:12]}"
