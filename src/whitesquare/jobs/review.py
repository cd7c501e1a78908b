"""Deciding about what a scan found: read where it stands, add to it, and sign it."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.deciding.log import DecisionLog
from whitesquare.deciding.review import Review, read_review, reviewed_scan
from whitesquare.deciding.signed import SignedReview, evidence_of, sign_review
from whitesquare.deciding.types import Mark
from whitesquare.errors import DataError, NothingToDoError, UsageError, unknown_name
from whitesquare.provenance.evidence import REVIEW
from whitesquare.records import TIERS
from whitesquare.signing.keys import Signer
from whitesquare.signing.times import to_text, utc_now

if TYPE_CHECKING:  # NumPy, which a look at where decisions stand does not need
    from whitesquare.data.names import Data
    from whitesquare.types import ImageDataset


ALARMED = TIERS[:2]
"""Tiers of samples behind an alarm; ``review`` is the queue of those that only rank high."""


def review(scan: Path, decisions: Path | None = None) -> Review:
    """Read where the decisions about a scan stand; see :func:`whitesquare.deciding.review.read_review`.

    Args:
        scan: its ``scan.json``, or the folder in which that lies.
        decisions: the file of decisions; ``None`` is ``decisions.jsonl`` beside the scan, which need not be there yet.

    Raises:
        DataError: a file cannot be read, or the decisions are about another scan.
        NothingToDoError: there is no such file as ``decisions``.

    Example:
        >>> from pathlib import Path
        >>> import whitesquare as ws
        >>> found = ws.review(Path("scan.json"))
        >>> found.counts["remove"], len(found.open)
        (0, 62)
    """
    return read_review(scan, decisions)


def decide(
    scan: Path,
    ids: Sequence[str],
    choice: str,
    *,
    by: str,
    role: str = "",
    why: str = "",
    label: str = "",
    data: "Data | None" = None,
    decisions: Path | None = None,
) -> tuple[Mark, ...]:
    """Write down what a person decided about samples.

    Args:
        scan: its ``scan.json``, or the folder in which that lies.
        ids: of the samples.
        choice: one of :data:`whitesquare.deciding.types.CHOICES`; empty takes back what the person said before.
        by: who decides.
        role: as what.
        why: the reason.
        label: name of the class that the samples should have; only with ``relabel``.
        data: the data set that was scanned; ``None`` is the one that the scan names.
        decisions: the file; ``None`` is ``decisions.jsonl`` beside the scan, which is made if it is not there.

    Returns:
        What was written.

    Raises:
        UsageError: there is no such data set, sample or class.
        DataError: the file cannot be written, or is about another scan; or a value is none.
    """
    found = reviewed_scan(scan)
    dataset = scanned_data(found.head.source, data)
    from whitesquare.jobs.decided import content_of, nearest, positions_of

    place, when = positions_of(dataset), to_text(utc_now())
    for id in ids:
        if id not in place:
            raise UsageError(f"There is no sample {id!r:.200} in the data set{nearest(id, place)}; check the id.")
    if label and label not in dataset.classes:
        raise unknown_name("class", label, dataset.classes)
    marks = tuple(
        Mark(
            id=id,
            content=content_of(dataset, place[id]),
            choice=choice,
            by=by,
            role=role,
            at=when,
            why=why,
            label=label,
        )
        for id in ids
    )
    DecisionLog(found.log_path(decisions), found.head).append(marks)
    return marks


def sign_decisions(
    scan: Path,
    signer: Signer,
    *,
    data: "Data | None" = None,
    decisions: Path | None = None,
    to: Path | None = None,
) -> SignedReview:
    """Sign what people decided about a scan, so that a gate can ask for it.

    Every sample that was decided on is read and held against what people looked at.

    Args:
        scan: its ``scan.json``, or the folder in which that lies.
        signer: whoever answers for the decisions; a second one adds a signature.
        data: the data set that was scanned; ``None`` is the one that the scan names.
        decisions: the file; ``None`` is ``decisions.jsonl`` beside the scan.
        to: the envelope to write; ``None`` is ``decisions.dsse.json`` beside the scan, where the gate reads it.

    Raises:
        UsageError: there are no data, or the key has signed the same before.
        DataError: a sample is not what people looked at, or a file cannot be read.
        NothingToDoError: nobody has decided anything, and there are samples behind an alarm.
    """
    found = read_review(scan, decisions)
    if not found.decided and any(one.tier in ALARMED for one in found.open):
        raise NothingToDoError(f"Nobody has decided anything in {found.log}, so there is nothing to sign.")
    from whitesquare.jobs.decided import check_decided

    check_decided(scanned_data(found.scan.head.source, data), found.decided.values(), str(found.log))
    data_read = found.log.read_bytes()[: found.size] if found.size else b""  # somebody may be adding to it
    evidence = evidence_of(found.scan.head, found.decided, sha256(data_read).hexdigest(), utc_now())
    return sign_review(to or found.scan.path.with_name(REVIEW), evidence, signer)


def scanned_data(source: str, data: "Data | None" = None) -> "ImageDataset":
    """Open the data set that was scanned.

    Args:
        source: what the scan calls it.
        data: what is given instead; ``None`` for nothing.

    Raises:
        UsageError: it is not there.
        DataError: it cannot be read.
    """
    from whitesquare.data import open_dataset

    try:
        return open_dataset(source if data is None else data)
    except (UsageError, DataError) as error:
        if data is not None:
            raise
        raise UsageError(
            f"The scan is of the data set {source!r:.200}, which cannot be opened from here ({error}); say where it "
            "is, with --data or data=."
        ) from error
