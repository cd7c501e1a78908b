"""Take out of a data set what a scan found in it, and write down what was removed and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare._base.files import write_text
from whitesquare._base.folders import check_output, output_folder
from whitesquare.data import dataset_digest, held, open_dataset, readable_part
from whitesquare.data.apart import check_apart
from whitesquare.data.cache_size import usual_size
from whitesquare.data.names import Data, named
from whitesquare.data.specs import moved
from whitesquare.deciding.findings import Finding, ScanFile, ScanFindings, read_scan_file
from whitesquare.deciding.review import Review, read_review
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.jobs.copied import names_beside, part_without, plan_copy
from whitesquare.jobs.decided import RelabelledSample, decided_changes, decided_record, told_of
from whitesquare.jobs.removal import sign_removal
from whitesquare.provenance.evidence import REMOVED as STATEMENT
from whitesquare.provenance.evidence import REMOVED_REPORT
from whitesquare.records import TIERS, Progress, silent
from whitesquare.scanning.files import to_json
from whitesquare.signing.keys import Signer
from whitesquare.types import ImageDataset, IntArray

REMOVED = REMOVED_REPORT
FORMAT = "whitesquare removed 1"
"""Value of ``format`` in ``removed.json``."""


@dataclass(frozen=True)
class Cleansing:
    """What :func:`cleanse` did.

    Attributes:
        before: number of samples the scan spoke of.
        removed: what was taken out, strongest first.
        by_class: class name to number of samples removed and number before, for classes that lost any.
        skipped: files the scan could not read, which the copy does not hold either, with the reason.
        copy: what opens the copy: the folder, or a table in it.
        relabelled: what has another class in the copy, as people decided.
        kept_open: samples that stay although people are unsure or disagree about them, as was asked.
        undecided: flagged samples that stay because nobody decided about them.
        beside: what lies in the folder of the data set and not in the copy, such as a split for validation.
    """

    before: int
    removed: tuple[Finding, ...]
    by_class: dict[str, tuple[int, int]]
    skipped: dict[str, str]
    copy: str
    relabelled: tuple[RelabelledSample, ...] = ()
    kept_open: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def cleanse(
    source: Data,
    scan: Path,
    folder: Path,
    *,
    tier: str | None = None,
    top: int | None = None,
    fmt: str | None = None,
    decisions: Path | None = None,
    keep_open: bool = False,
    size: int | None = None,
    fit: str | None = None,
    signer: Signer | None = None,
    on_progress: Progress = silent,
) -> Cleansing:
    """Write a data set without the samples that a scan flagged, or as people decided about them; whole or not at all.

    Class folders stay class folders: the files that are kept are copied byte by byte, under their own names. A list
    keeps its other rows as they are, and Parquet files their schema, shards and metadata. The test split, if there is
    one, is written as it is.

    Args:
        source: the data set that was scanned, as it was given then.
        scan: the ``scan.json`` of that scan.
        folder: where; see :func:`whitesquare._base.folders.check_output`.
        tier: remove this tier and stronger ones; ``None`` is ``confirmed``, or every tier where ``top`` is given.
        top: remove that many at most, in the order of the scan: strongest tier first, then by fused score.
        decisions: what people decided about the scan, see :mod:`whitesquare.jobs.review`: then nothing else counts.
            What is to be removed is not in the copy, and what is to be relabelled has the class that people gave it.
        keep_open: keep samples about which people are unsure or disagree, instead of refusing to go on.
        fmt: one of :data:`whitesquare.data.FORMATS`; ``None`` is the form of the source, and npz for an object.
        size: both sides that image files were brought to for the scan; what is copied are the files as they are.
        fit: how; likewise.
        signer: signs what was removed and what is kept, in ``removed.sigstore.json``; ``None`` leaves it unsigned.
        on_progress: told how far each step is.

    Raises:
        UsageError: the output folder cannot be used, ``top`` is below 1 or given beside decisions, people are unsure or
            disagree, what would be written are images of another size than those of the files, or the form cannot say
            that a sample has another class.
        DataError: the scan is damaged or speaks of another data set, a decided sample is not what people looked at, or
            a class would lose its last sample.
        NothingToDoError: no sample qualifies.

    Example:
        >>> from pathlib import Path
        >>> import whitesquare as ws
        >>> from whitesquare.scanning.settings import ScanSettings
        >>> found = ws.scan("photos/", ScanSettings(model_free=True))
        >>> _ = Path("scan.json").write_text(found.json())
        >>> ws.cleanse("photos/", Path("scan.json"), Path("cleaned"), tier="suspicious").by_class
        {'0': (40, 58)}
    """
    check_output(folder)
    check_apart(source, folder)
    _check_choice(tier, top, decisions, keep_open=keep_open)
    review, found = _read(scan, decisions)
    findings = found.findings
    opened = open_dataset(source, size=size, fit=fit)
    decided = None if review is None else decided_changes(opened, review, keep_open=keep_open)
    dataset, skipped = _scanned(opened, named(source), findings, scan, on_progress)
    removed = _chosen(findings, tier, top) if decided is None else decided.removed
    changed = {} if decided is None else decided.labels
    positions = _positions(dataset, removed, changed, scan)
    kept = part_without(dataset, positions)
    plan = plan_copy(source, opened, kept, changed, fmt=fmt, size=size, fit=fit)
    by_class = _by_class(dataset, positions)
    record: dict[str, Any] = {
        "format": FORMAT,
        "source": named(source),
        "source_digest": findings.digest,
        "scan": str(scan),
        "scan_digest": found.sha256,
        "tier": tier,
        "top": top,
        "counts": {"before": len(dataset.labels), "removed": len(removed), "kept": len(kept.labels)},
        "by_class": {name: {"removed": gone, "before": had} for name, (gone, had) in by_class.items()},
        "skipped": skipped,
        "removed": [_entry(one, dataset.classes) | told_of(decided, one.id) for one in removed],
    }
    with output_folder(folder, "cleansed", [*plan.entries, REMOVED, STATEMENT]) as part:
        ids = plan.write(part, on_progress)
        log, relabelled = "", () if decided is None else decided.relabelled_in(ids)
        if decided is not None:
            record |= decided_record(decided, relabelled)
            log = str(record["decisions"]["sha256"])
        write_text(part / REMOVED, to_json(record))
        if signer is not None:
            sign_removal(
                part,
                _copied(source, part, again=bool(plan.again)),
                signer,
                dataset=findings.digest,
                scan=found.sha256,
                decisions=log,
                removed=len(removed),
                on_progress=on_progress,
            )
    copy = _copied(source, folder, again=bool(plan.again))
    done = Cleansing(
        len(dataset.labels), removed, by_class, skipped, copy, relabelled, beside=names_beside(source, plan)
    )
    return done if decided is None else replace(done, kept_open=decided.kept_open, undecided=decided.undecided)


def _read(scan: Path, decisions: Path | None) -> tuple[Review | None, ScanFile]:
    review = None if decisions is None else read_review(scan, decisions)
    found = read_scan_file(scan)
    if review is not None and review.scan.head.scan != found.sha256:
        raise DataError(f"{scan} was changed while it was read, and the decisions are not about it; cleanse again.")
    return review, found


def _copied(source: Data, folder: Path, *, again: bool) -> str:
    """Return what opens a copy that was written into a folder."""
    return moved(source, folder) if again and isinstance(source, str | Path) else str(folder)


def _check_choice(tier: str | None, top: int | None, decisions: Path | None, *, keep_open: bool) -> None:
    """Refuse to ask for what cannot be meant together."""
    if top is not None and top < 1:
        raise UsageError(f"The number of samples to remove must be 1 or more; got {top}.")
    if decisions is not None and (tier is not None or top is not None):
        raise UsageError(
            "With decisions only what people decided counts, and neither --tier nor --top; leave them out, or leave "
            "out --decisions."
        )
    if keep_open and decisions is None:
        raise UsageError("--keep-open says what becomes of samples without a decision; add --decisions FILE.")


def _scanned(
    opened: ImageDataset, name: str, findings: ScanFindings, scan: Path, on_progress: Progress
) -> tuple[ImageDataset, dict[str, str]]:
    """Read the data set as the scan saw it.

    Raises:
        DataError: it is not the one the scan saw.
    """
    if findings.skipped:
        dataset, skipped = readable_part(opened, name, on_progress, cache=usual_size())
    else:
        dataset, skipped = held(opened, on_progress, cache=usual_size()), {}
    if (digest := dataset_digest(dataset, on_progress)) != findings.digest:
        raise DataError(
            f"{scan} speaks of the data set {findings.source!r} with the digest {findings.digest[:12]} and "
            f"{name} has {digest[:12]}: it is another one, or was changed since, or was scanned with another --size "
            "or --fit; give the same, or scan it again."
        )
    return dataset, skipped


def _chosen(findings: ScanFindings, tier: str | None, top: int | None) -> tuple[Finding, ...]:
    weakest = tier or (TIERS[0] if top is None else TIERS[-1])
    allowed = TIERS[: TIERS.index(weakest) + 1]
    ordered = sorted(
        findings.flagged, key=lambda one: (TIERS.index(one.tier), -(one.fused if one.fused is not None else -np.inf))
    )
    chosen = tuple(one for one in ordered if one.tier in allowed)[:top]
    if chosen:
        return chosen
    counts = Counter(one.tier for one in findings.flagged)
    if not counts:
        raise NothingToDoError(f"Nothing to remove: the scan flags no sample (verdict: {findings.verdict}).")
    there = ", ".join(f"{counts[name]} {name}" for name in TIERS if counts[name])
    strongest = next(name for name in TIERS if counts[name])
    raise NothingToDoError(
        f"Nothing to remove: the scan flags no sample as {weakest}{' or stronger' * (weakest != TIERS[0])}, only "
        f"{there}; look at them first, then remove them with --tier {strongest}, or the first K with --top K."
    )


def _positions(dataset: ImageDataset, removed: Sequence[Finding], changed: Mapping[str, int], scan: Path) -> IntArray:
    """Find the samples to remove, and check that what remains can still be trained on."""
    place = {name: i for i, name in enumerate(dataset.ids)}
    for one in removed:
        at = place.get(one.id)
        if at is None or dataset.labels[at] != one.label:
            what = (
                "which the data set does not hold"
                if at is None
                else f"with the label {one.label}, which is not its own"
            )
            raise DataError(f"{scan} flags the sample {one.id!r}, {what}: the file was changed; scan again.")
    positions = np.array(sorted(place[one.id] for one in removed), np.int64)
    before = np.bincount(dataset.labels, minlength=len(dataset.classes))
    if lost := [name for name in changed if name not in place]:
        raise DataError(f"The sample {lost[0]!r:.200} is to get another class and was not scanned; take that back.")
    after = dataset.labels.copy()
    after[[place[name] for name in changed]] = list(changed.values())
    left = np.bincount(np.delete(after, positions), minlength=len(dataset.classes))
    if len(empty := np.flatnonzero((before > 0) & (left == 0))):
        raise DataError(
            f"Every sample of the class {dataset.classes[empty[0]]!r} ({before[empty[0]]}) would be removed, and the "
            "copy would lack the class; remove fewer with --top, a stronger --tier or other decisions, or collect the "
            "class anew."
        )
    return positions


def _by_class(dataset: ImageDataset, positions: IntArray) -> dict[str, tuple[int, int]]:
    before = np.bincount(dataset.labels, minlength=len(dataset.classes))
    gone = np.bincount(dataset.labels[positions], minlength=len(dataset.classes))
    return {name: (int(gone[i]), int(before[i])) for i, name in enumerate(dataset.classes) if gone[i]}


def _entry(one: Finding, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "id": one.id,
        "label": one.label,
        "class": classes[one.label],
        "tier": one.tier,
        "rule_id": one.rule_id,
        "fused": one.fused,
    }
