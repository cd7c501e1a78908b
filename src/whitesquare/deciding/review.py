"""A scan and what people decided about it so far: what is settled, what is open, and where they disagree."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from whitesquare.deciding.findings import Finding, ScanFile, ScanFindings, read_scan_file
from whitesquare.deciding.log import DECISIONS, DecisionLog, standings
from whitesquare.deciding.types import CHOICES, DISAGREED, UNSURE, Mark, ReviewHead, Standing
from whitesquare.errors import DataError, NothingToDoError

SCAN_FILE = "scan.json"
"""What the file of a scan is called where only its folder is named."""


@dataclass(frozen=True)
class ReviewedScan:
    """A scan that people decide about.

    Attributes:
        path: its ``scan.json``.
        findings: what it found.
        head: what decisions about it are bound to.
    """

    path: Path
    findings: ScanFindings
    head: ReviewHead

    def log_path(self, named: Path | None = None) -> Path:
        """Return the file of decisions: the one that is named, else the one beside the scan."""
        return named or self.path.with_name(DECISIONS)


@dataclass(frozen=True)
class Review:
    """Where the decisions about a scan stand.

    Attributes:
        scan: what is decided about.
        log: the file of decisions; there may be none yet.
        marks: all of them, in the order of the file.
        size: bytes of the file in which they stand.
    """

    scan: ReviewedScan
    log: Path
    marks: tuple[Mark, ...]
    size: int = 0

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """Where each sample stands that anybody marked, by id.

        Raises:
            DataError: marks of one sample are about different contents.
        """
        return standings(self.marks)

    @cached_property
    def decided(self) -> dict[str, Standing]:
        """Those of :attr:`standings` about which somebody's word still holds."""
        return {id: standing for id, standing in self.standings.items() if standing.choice}

    @property
    def open(self) -> tuple[Finding, ...]:
        """Flagged samples about which nobody has decided, the strongest first."""
        return tuple(one for one in self.scan.findings.flagged if one.id not in self.decided)

    @property
    def disagreed(self) -> tuple[Standing, ...]:
        """Samples about which people say different things."""
        return tuple(one for one in self.decided.values() if one.choice == DISAGREED)

    @property
    def unsure(self) -> tuple[Standing, ...]:
        """Samples about which all who spoke are unsure."""
        return tuple(one for one in self.decided.values() if one.choice == UNSURE)

    @property
    def counts(self) -> dict[str, int]:
        """Number of samples by choice, ``disagreed`` and ``open`` at the end."""
        found = Counter(one.choice for one in self.decided.values())
        return {name: found[name] for name in (*CHOICES, DISAGREED)} | {"open": len(self.open)}

    @property
    def people(self) -> dict[str, int]:
        """Number of samples about which each person's word holds, by name."""
        return dict(Counter(name for one in self.decided.values() for name in one.by_person))


def reviewed_scan(scan: Path) -> ReviewedScan:
    """Read a scan to decide about.

    Args:
        scan: its ``scan.json``, or the folder in which that lies.

    Raises:
        DataError: it cannot be read, or is no scan.
    """
    return open_scan(scan)[0]


def open_scan(scan: Path) -> tuple[ReviewedScan, ScanFile]:
    """Read a scan to decide about, and give all that its file holds: for who needs more of it, see there.

    Raises:
        DataError: as :func:`reviewed_scan`.
    """
    path = scan / SCAN_FILE if scan.is_dir() else scan
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no plain file; give the scan.json of a scan.")
    file = read_scan_file(path)
    try:
        head = ReviewHead(scan=file.sha256, dataset=file.findings.digest, source=file.findings.source)
    except DataError as error:
        raise DataError(f"{path} was changed: {error}") from error
    return ReviewedScan(path, file.findings, head), file


def read_review(scan: Path, decisions: Path | None = None) -> Review:
    """Read what people decided about a scan; nothing is written, and no data are needed.

    Args:
        scan: its ``scan.json``, or the folder in which that lies.
        decisions: the file of decisions; ``None`` is ``decisions.jsonl`` beside the scan, which need not be there yet.

    Raises:
        DataError: a file cannot be read, was damaged, or the decisions are about another scan.
        NothingToDoError: there is no such file as ``decisions``.
    """
    found = reviewed_scan(scan)
    path = found.log_path(decisions)
    if not path.exists():
        if decisions is not None:
            raise NothingToDoError(f"There is no file {path}; decide with `whitesquare review {found.path}` first.")
        return Review(found, path, ())
    marks, size = DecisionLog(path, found.head).read()
    return Review(found, path, tuple(marks), size)
