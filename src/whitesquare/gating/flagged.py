"""What people had to decide about: the samples that a scan flagged, and what they are in the signed manifest."""

import hashlib
from pathlib import Path

from whitesquare.deciding.findings import parse_scan
from whitesquare.deciding.signed import ReviewEvidence
from whitesquare.errors import VerificationError, WhitesquareError
from whitesquare.gating.types import Flagged, SignedPart
from whitesquare.provenance.evidence import SCAN_REPORT, ScanEvidence
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.types import MANIFEST, DatasetPredicate

MOST_BYTES = 2**28
"""A larger scan.json is refused unread."""


def read_flagged(
    run: Path,
    dataset: SignedPart[DatasetPredicate],
    scan: SignedPart[ScanEvidence],
    review: SignedPart[ReviewEvidence],
) -> Flagged:
    """Read which samples a scan flagged, from the bytes whose digest is returned, and their digests in the manifest.

    Args:
        run: the run folder.
        dataset: what is signed about the data set; without it nothing is known of contents.
        scan: names the split.
        review: names samples besides those that are flagged.
    """
    path = run / SCAN_REPORT
    try:
        if path.exists() and not path.is_file():
            raise VerificationError(f"{SCAN_REPORT} is no file.")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise VerificationError(f"{SCAN_REPORT} has {size} bytes, and no scan has more than {MOST_BYTES}.")
        data = path.read_bytes()
        file = parse_scan(data, SCAN_REPORT)
        findings = file.findings
        tiers = {one.id: one.tier for one in findings.flagged}
        names = {one.label: one.name for one in findings.classes}
        classes = {one.id: names[one.label] for one in findings.flagged if one.label in names}
        decided = [one.id for one in review.said.decisions] if review.said else []
        contents = _contents(run / MANIFEST, dataset, scan, {*tiers, *decided})
    except FileNotFoundError:
        return Flagged(
            problem=f"There is no {SCAN_REPORT}, which names the samples that had to be decided.", missing=True
        )
    except (WhitesquareError, OSError) as error:
        return Flagged(problem=str(error).replace(f"{run}/", ""))
    return Flagged(file.sha256, findings.digest, tiers, classes, contents)


def _contents(
    manifest: Path, dataset: SignedPart[DatasetPredicate], scan: SignedPart[ScanEvidence], ids: set[str]
) -> dict[str, str]:
    """Return by id the digest of samples in the signed manifest."""
    if dataset.said is None or scan.said is None:
        return {}
    found = {item.id: item.sha256.hex() for item in read_items(manifest, scan.said.split) if item.id in ids}
    with manifest.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != dataset.subjects[0].sha256:
        raise VerificationError(f"{MANIFEST} was exchanged while it was read; let nobody write to the run folder.")
    return found
