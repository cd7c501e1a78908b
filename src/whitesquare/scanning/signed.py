"""A scan as evidence: what its scanner's key signs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import whitesquare
from whitesquare.errors import UsageError
from whitesquare.provenance.consumed import Consumed
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.evidence import (
    FORMAT,
    AlarmRecord,
    CoverageRecord,
    Figure,
    ReferenceRecord,
    ScanEvidence,
)
from whitesquare.provenance.predicates import scan_predicate
from whitesquare.provenance.types import MANIFEST
from whitesquare.scanning.fingerprints import flags_by_group, group_fingerprint
from whitesquare.scanning.types import NOT_ASKED, ScanResult
from whitesquare.signing.dsse import encode_bundle, sign
from whitesquare.signing.keys import Signer
from whitesquare.signing.statements import TEST_RESULT_TYPE, Subject, encode_statement
from whitesquare.signing.times import to_text, utc_now


class Digests(Protocol):
    """Who knows what was read: a :class:`~whitesquare.provenance.consumed.Reading`, or what a scan in shards keeps."""

    def digests(self, ids: Iterable[str]) -> dict[str, str]:
        """Return by id the SHA-256, hexadecimal, of samples that were read."""


@dataclass(frozen=True)
class AttestedScan:
    """A scan of attested data.

    Attributes:
        reading: of the data.
        consumed: what of it was scanned.
        manifest: SHA-256 of its manifest.
        signer: the scanner's key; ``None`` signs nothing.
        reference: the attested samples that the scan was told are clean; ``None`` for none.
    """

    reading: Digests
    consumed: Consumed
    manifest: str
    signer: Signer | None = None
    reference: ReferenceRecord | None = None

    def contents(self, result: ScanResult) -> dict[str, str]:
        """Return by id the SHA-256 of every flagged sample as it was read."""
        return self.reading.digests(flag.id for flag in result.flagged)

    def statement(self, result: ScanResult, report: str = "") -> str:
        """Return the signed statement of what was found; see :func:`scan_evidence_of`.

        Raises:
            UsageError: there is no key to sign with.
        """
        if self.signer is None:
            raise UsageError("The statement of a scan needs the scanner's key; give one.")
        found = scan_evidence_of(result, self.consumed, self.contents(result), report, self.reference)
        predicate = scan_predicate(found)
        payload = encode_statement([Subject(MANIFEST, self.manifest)], TEST_RESULT_TYPE, predicate)
        return encode_bundle(sign(payload, [self.signer]))


def reference_record(consumed: Consumed, signed: SignedDataset) -> ReferenceRecord:
    """Say which attested samples a scan was told are clean, as they were read."""
    signers = tuple(key.keyid for key in signed.signers)
    return ReferenceRecord(signed.sha256, consumed.root, consumed.size, consumed.split, signers)


def scan_evidence_of(
    result: ScanResult,
    consumed: Consumed,
    contents: Mapping[str, str],
    report: str = "",
    reference: ReferenceRecord | None = None,
) -> ScanEvidence:
    """Say what a scan found in what it read.

    Args:
        result: what was found.
        consumed: the samples that were read and scanned.
        contents: SHA-256 of the content of every flagged sample, by id.
        report: SHA-256 of the scan.json of this scan; empty if none is written.
        reference: the samples it was told are clean.

    Raises:
        DataError: the digest of a flagged sample is missing.
    """
    flags = flags_by_group(result.flagged)
    alarms = tuple(
        AlarmRecord(
            fingerprint=group_fingerprint(
                alarm.rule_id, alarm.class_name, flags.get((alarm.label, alarm.rule_id), []), contents, consumed.root
            ),
            rule_id=alarm.rule_id,
            class_name=alarm.class_name,
            tier=alarm.tier,
            carriers=alarm.carriers,
        )
        for alarm in result.alarms
    )
    known = result.learned
    return ScanEvidence(
        root=consumed.root,
        size=consumed.size,
        split=consumed.split,
        verdict=result.verdict,
        alarms=alarms,
        detectors=tuple(run.name for run in result.runs if not run.reason),
        not_run={name: why for name, why in result.not_run.items() if why != NOT_ASKED},
        mode=result.mode,
        seed=result.seed,
        version=whitesquare.__version__,
        finished=to_text(utc_now()),
        report=report,
        format=FORMAT,
        reference=reference,
        model=result.model,
        learned=Figure(known.value, known.low, known.high, known.n) if known else None,
        coverage=tuple(CoverageRecord(one.rule_id, one.classes, one.of) for one in result.coverage),
    )
