"""A scan, with what is needed to speak for it: its files, its statement, its fingerprints."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.report.scan.page import render_scan
from whitesquare.report.scan.sarif import stored_sarif
from whitesquare.scanning.album import album_path, write_album
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.fingerprints import Group, fingerprints
from whitesquare.scanning.frames import score_frame
from whitesquare.scanning.signed import AttestedScan
from whitesquare.scanning.types import Alarm, Scan
from whitesquare.types import ImageDataset

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Scanned:
    """A scan, with what is needed to speak for it.

    Attributes:
        scan: what was found.
        dataset: what was scanned, its images decoded.
        known: SHA-256 of the content of flagged samples, by id, where a scan in shards has it already.
        attested: the attested data it was read of; ``None`` for data that nobody answers for.
    """

    scan: Scan
    dataset: ImageDataset
    known: Mapping[str, str] = field(default_factory=dict)
    attested: AttestedScan | None = None

    @property
    def verdict(self) -> str:
        """The strongest tier of an alarm, or why there is none; see :mod:`whitesquare.scanning.types`."""
        return self.scan.result.verdict

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The classes that stand out, the strongest first."""
        return self.scan.result.alarms

    def __repr__(self) -> str:
        """Say in a line what was found, where nothing else is made of it."""
        found = self.scan.result
        alarms = ", ".join(f"{one.class_name!r} ({one.tier})" for one in self.alarms)
        about = f"{len(self.dataset.labels):,} samples in {len(self.dataset.classes)} classes of {found.source}"
        told = f"alarms: {alarms or 'none'}, flagged: {len(found.flagged):,}"
        return f"<{type(self).__name__}: {self.verdict}, {about}, {told}>"

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own: its names are those of the data."""
        page = escape(render_scan(self.scan))
        return f'<iframe title="Scan" srcdoc="{page}" width="100%" height="640" sandbox=""></iframe>'

    def json(self) -> str:
        """Return the findings and the scores as ``scan.json``, which :func:`whitesquare.cleanse` reads."""
        contents = self.contents()
        return scan_json(self.scan.result, self.scan.scores, self._fingerprints(contents), contents)

    def write_pictures(self, scan_file: Path) -> None:
        """Write beside a ``scan.json`` of this scan what ``whitesquare review`` shows of its alarms, if there are any.

        Args:
            scan_file: where :meth:`json` was written.
        """
        if self.scan.sheets or self.scan.examples:
            digest = hashlib.sha256(scan_file.read_bytes()).hexdigest()
            write_album(album_path(scan_file), self.scan, digest)

    def to_frame(self) -> "DataFrame":
        """Return every score of every sample as a DataFrame; see :func:`whitesquare.scanning.frames.score_frame`.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return score_frame(self.scan)

    def sarif(self) -> str:
        """Return the findings as SARIF, each sample with the digest of its content."""
        return stored_sarif(self.scan.result, self.fingerprints())

    def contents(self) -> dict[str, str]:
        """Return by id the SHA-256 of the content of every flagged sample."""
        result = self.scan.result
        if self.attested is not None:
            return self.attested.contents(result)
        if self.known:
            return dict(self.known)
        return {flag.id: hashlib.sha256(self.dataset.content(flag.position)).hexdigest() for flag in result.flagged}

    def fingerprints(self) -> dict[Group, str]:
        """Return what each finding is known by."""
        return self._fingerprints(self.contents())

    def _fingerprints(self, contents: dict[str, str]) -> dict[Group, str]:
        root = self.attested.consumed.root if self.attested is not None else ""
        return fingerprints(self.scan.result, contents, root)

    def statement(self, *, with_report: bool = False) -> str | None:
        """Return the signed statement of what was found; ``None`` for data that nobody answers for.

        Args:
            with_report: whether it speaks of the scan.json of this scan, which lies beside it then.

        Raises:
            UsageError: there is no key to sign with.
        """
        if self.attested is None:
            return None
        report = hashlib.sha256(self.json().encode()).hexdigest() if with_report else ""
        return self.attested.statement(self.scan.result, report)
