"""Scanning as a user asks for it: the data are opened, hashed while they are read, scanned, and spoken for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.data import held, open_dataset, readable_part
from whitesquare.data.names import named
from whitesquare.data.sized import beside
from whitesquare.detectors.registry import DETECTORS
from whitesquare.errors import UsageError
from whitesquare.provenance.attested import Attested
from whitesquare.provenance.consumed import Reading
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.records import PoisonManifest, Progress, silent
from whitesquare.report.scan.sarif import scan_sarif
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import DEFAULT, ScanSettings
from whitesquare.scanning.signed import AttestedScan, reference_record
from whitesquare.scanning.types import Scan
from whitesquare.signing.keys import Signer
from whitesquare.types import ImageDataset

if TYPE_CHECKING:  # a model-free scan works without PyTorch
    from whitesquare.learning.given import Given

BY_DEFAULT = ScanSettings()


@dataclass(frozen=True)
class Scanned:
    """A scan, with what is needed to speak for it.

    Attributes:
        scan: what was found.
        dataset: what was scanned, its images decoded.
        attested: the attested data it was read of; ``None`` for data that nobody answers for.
    """

    scan: Scan
    dataset: ImageDataset
    attested: AttestedScan | None = None

    def json(self) -> str:
        """Return the findings and the scores as ``scan.json``, which :func:`whitesquare.cleanse` reads."""
        return scan_json(self.scan.result, self.scan.scores)

    def sarif(self) -> str:
        """Return the findings as SARIF, each sample with the digest of its content."""
        result = self.scan.result
        if self.attested is not None:
            return scan_sarif(result, self.attested.contents(result), self.attested.consumed.root)
        contents = {flag.id: self.dataset.content(flag.position) for flag in result.flagged}
        return scan_sarif(result, {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})

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


@dataclass(frozen=True)
class _Read:
    dataset: ImageDataset
    reading: Reading | None
    skipped: dict[str, str]
    left_out: tuple[int, ...] = ()


def scan(
    data: str | Path | ImageDataset,
    settings: ScanSettings = BY_DEFAULT,
    *,
    model: "Given | None" = None,
    reference: str | Path | ImageDataset | None = None,
    truth: PoisonManifest | None = None,
    skip_unreadable: bool = False,
    size: int | None = None,
    fit: str | None = None,
    attested: Attested | None = None,
    reference_attested: Attested | None = None,
    signer: Signer | None = None,
    on_progress: Progress = silent,
) -> Scanned:
    """Scan a training set for poison.

    Args:
        data: the training set, or its name or path; see :func:`whitesquare.data.open_dataset`.
        settings: how.
        model: a model trained on it: its path, a model of ours, a network, or any classifier; ``None`` trains the
            scan's own.
        reference: samples said to be clean: p-values are computed against them, and they decide nothing else.
        truth: ground truth; only used to measure the ranking, never to find anything.
        skip_unreadable: leave files out that cannot be read, and name them, instead of stopping.
        size: both sides that image files are brought to; see :func:`whitesquare.data.open_dataset`.
        fit: how; likewise.
        attested: stop at the first sample that is not this one.
        reference_attested: the same for the reference.
        signer: signs what was found; needs ``attested``.
        on_progress: told how far each step is.

    Raises:
        UsageError: a model or a reference that does not fit, a signer without attested data, or attested data with a
            reference that nobody answers for.
        DataError: an image that cannot be read.
        VerificationError: a sample is not the attested one.
        NothingToDoError: no images, or images of one class only.
    """
    if signer is not None and attested is None:
        raise UsageError("The statement of a scan says which attested data was scanned; give the attestation as well.")
    if attested is not None and reference is not None and reference_attested is None:
        raise UsageError("The data are attested and the reference is not; give its attestation, or leave it out.")
    opened = _opened(data, attested, size, fit)
    read = _read(opened, named(data), attested, skip_unreadable, on_progress)
    skipped, trusted, record = dict(read.skipped), None, None
    if reference is not None:
        clean = beside(_opened(reference, reference_attested, size, fit), opened)
        other = _read(clean, named(reference), reference_attested, skip_unreadable, on_progress)
        trusted = other.dataset
        skipped |= {f"reference/{name}": reason for name, reason in other.skipped.items()}
        if reference_attested is not None and other.reading is not None:
            record = reference_record(other.reading.consumed(trusted.ids), reference_attested.signed)
    work = None
    if attested is not None and read.reading is not None:
        consumed = read.reading.consumed(read.dataset.ids)
        work = AttestedScan(read.reading, consumed, attested.signed.sha256, signer, record)
    found = run_scan(
        read.dataset,
        settings,
        source=named(data),
        model=model,
        reference=trusted,
        truth=truth,
        skipped=skipped,
        left_out=read.left_out,
        on_progress=on_progress,
    )
    return Scanned(found, read.dataset, work)


def chosen_detectors(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the detectors that are meant by their names, ``default`` and ``all``, each once.

    Raises:
        UsageError: none is.
    """
    groups = {"default": DEFAULT, "all": tuple(DETECTORS)}
    if not asked:
        raise UsageError("--detectors names none; write default, all, or names separated by commas.")
    return tuple(dict.fromkeys(name for item in asked for name in groups.get(item, (item,))))


def _opened(
    source: str | Path | ImageDataset, attested: Attested | None, size: int | None, fit: str | None
) -> ImageDataset:
    if attested is not None and isinstance(source, str | Path):
        expect_sizes(str(source), attested.signed)
    return open_dataset(source, size=size, fit=fit)


def _read(
    dataset: ImageDataset, name: str, attested: Attested | None, skip_unreadable: bool, on_progress: Progress
) -> _Read:
    """Read the training split with its images decoded, hashed on the way if attested."""
    reading = Reading(dataset, "train", attested.signed) if attested is not None else None
    dataset = reading.dataset if reading is not None else dataset
    if skip_unreadable:
        part, skipped = readable_part(dataset, name, on_progress)
        left_out = np.bincount(dataset.labels, minlength=len(part.classes)) - np.bincount(
            part.labels, minlength=len(part.classes)
        )
        return _Read(part, reading, skipped, tuple(left_out.tolist()))
    return _Read(held(dataset, on_progress), reading, {})
