"""The vocabulary of the gate: what a run folder shows, what a rule is, and what follows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from whitesquare.deciding.signed import ReviewEvidence
from whitesquare.gating.settings import Policy, Waiver
from whitesquare.provenance.evidence import REVIEW, MeasureEvidence, ScanEvidence, TrainEvidence
from whitesquare.provenance.types import DatasetPredicate
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.statements import Subject

T_co = TypeVar("T_co", covariant=True)

PASSED, FAILED, MISSING, WAIVED = "PASSED", "FAILED", "MISSING", "WAIVED"

Digests = dict[str, str]
"""SHA-256, hexadecimal, by the name of a file."""


@dataclass(frozen=True)
class SignedPart(Generic[T_co]):
    """One signed piece of evidence: what it says and who signed it, or why it says nothing.

    Attributes:
        file: its name.
        said: what it says; ``None`` if it is missing or cannot be trusted.
        subjects: what it says that of.
        signers: whose signatures were checked.
        sha256: of the file, hexadecimal; empty if there is none.
        problem: why it cannot be used; empty if it can.
        missing: whether that is because there is no such file.
        files: of every file that was checked for it, the digest of the bytes that were.
    """

    file: str
    said: T_co | None = None
    subjects: tuple[Subject, ...] = ()
    signers: tuple[TrustedKey, ...] = ()
    sha256: str = ""
    problem: str = ""
    missing: bool = False
    files: Digests = field(default_factory=dict)

    @property
    def value(self) -> T_co:
        """What it says.

        Raises:
            ValueError: it says nothing.
        """
        if self.said is None:
            raise ValueError(f"{self.file}: {self.problem}")
        return self.said


@dataclass(frozen=True)
class FileState:
    """A file that is no statement: its digest (hexadecimal), or why there is none; both empty if there is no file."""

    name: str
    sha256: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Flagged:
    """What decisions are held against: the samples that the scan flagged, as its ``scan.json`` names them.

    Attributes:
        scan: SHA-256 of the ``scan.json`` in which they stand, hexadecimal.
        dataset: digest of the data set that it names.
        tiers: tier of each flagged sample, by id.
        classes: name of the class of each, by id, as far as the ``scan.json`` names its classes.
        contents: SHA-256 of the content of samples that were flagged or decided, by id, as the signed manifest has it.
        problem: why they cannot be known; empty if they can.
        missing: whether that is because there is no ``scan.json``.
    """

    scan: str = ""
    dataset: str = ""
    tiers: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    missing: bool = False


NO_REVIEW: SignedPart[ReviewEvidence] = SignedPart(REVIEW, problem=f"There is no file {REVIEW}.", missing=True)
"""That nobody signed a decision."""


@dataclass(frozen=True)
class RunEvidence:
    """All that a run folder shows, without judgement.

    Attributes:
        model: the file of weights, always hashed anew.
        dataset: what is signed about the data set; its subject is the manifest.
        scan: its subject is the manifest.
        training: its subject is the model.
        measure: its subject is the model.
        files: the other files that belong to a release, by name.
        trusted: the keys whose signatures counted.
        review: what people decided; its subject is the ``scan.json``.
        flagged: what that is held against.
    """

    model: FileState
    dataset: SignedPart[DatasetPredicate]
    scan: SignedPart[ScanEvidence]
    training: SignedPart[TrainEvidence]
    measure: SignedPart[MeasureEvidence]
    files: dict[str, FileState]
    trusted: tuple[TrustedKey, ...] = ()
    review: SignedPart[ReviewEvidence] = NO_REVIEW
    flagged: Flagged = field(default_factory=Flagged)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        reason: one sentence.
        content: what makes it the same fault another time: digests, names and numbers, never a path; in one that can
            be waived, the digest of the data or the model it is of, so that it is the fault of no other.
        waivable: whether anybody may take the responsibility for it.
    """

    reason: str
    content: tuple[str, ...]
    waivable: bool = False


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule saw: no fault means that it passed, and vouches for the files that it covers."""

    found: str
    expected: str
    faults: tuple[Fault, ...] = ()
    missing: bool = False
    covers: Digests = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One thing that is checked.

    Attributes:
        id: short and stable.
        section: of the policy; empty for what is always checked.
        title: what holds when it passes.
        step: what to do when it does not.
        needs: parts of the evidence without which there is nothing to check.
        check: a pure function.
        applies: whether the policy asks for it, beside having the section.
    """

    id: str
    section: str
    title: str
    step: str
    needs: tuple[str, ...]
    check: Callable[[Policy, RunEvidence, datetime], RuleOutcome]
    applies: Callable[[Policy], bool] = lambda policy: True


@dataclass(frozen=True)
class Waived:
    """A fault that a waiver covers."""

    reason: str
    waiver: Waiver


@dataclass(frozen=True)
class Unwaived:
    """A fault that no waiver covers; with ``waivable``, one that names the fingerprint could."""

    reason: str
    fingerprint: str
    waivable: bool


@dataclass(frozen=True)
class RuleResult:
    """What became of a rule.

    Attributes:
        rule: its id.
        title: what holds when it passes.
        status: :data:`PASSED`, :data:`FAILED`, :data:`MISSING` or :data:`WAIVED`.
        reason: why it did not pass, in one text; empty if it did.
        found: what was found.
        expected: what the policy asks for.
        step: what to do next; empty if nothing.
        faults: all that stands against it.
        waived: faults that waivers cover.
        because: the rule whose failure left this one nothing to check; empty if it was checked.
        covers: the files that it vouches for; none unless it passed or is waived.
    """

    rule: str
    title: str
    status: str
    reason: str
    found: str
    expected: str
    step: str
    faults: tuple[Unwaived, ...] = ()
    waived: tuple[Waived, ...] = ()
    because: str = ""
    covers: Digests = field(default_factory=dict)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Fingerprints of the faults; of those that are waived, if none stands."""
        return tuple(one.fingerprint for one in self.faults) or tuple(one.waiver.fingerprint for one in self.waived)


@dataclass(frozen=True)
class Verdict:
    """What follows.

    Attributes:
        result: :data:`PASSED` or :data:`FAILED`.
        rules: every rule of the policy.
        model: SHA-256 of the weights; empty if there are none, or the policy says nothing about them.
        manifest: SHA-256 of the manifest; empty if none can be trusted.
        policy: SHA-256 of the policy file.
        policy_name: its name.
        decided: UTC time.
        unused: waivers that cover nothing.
        notes: what was wrong with waivers.
        unasked: sections that the policy does not have, so that nothing is known of what they would ask.
        left_out: files of the run that no rule vouches for, so that no release holds them.
    """

    result: str
    rules: tuple[RuleResult, ...]
    model: str
    manifest: str
    policy: str
    policy_name: str
    decided: str
    unused: tuple[Waiver, ...] = ()
    notes: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def files(self) -> Digests:
        """Every file that a rule vouches for, with the digest of the bytes that it read."""
        return {name: sha256 for rule in self.rules for name, sha256 in rule.covers.items()}

    @property
    def failed(self) -> tuple[RuleResult, ...]:
        """The rules that did not pass."""
        return tuple(rule for rule in self.rules if rule.status in (FAILED, MISSING))

    @property
    def only_missing(self) -> bool:
        """Whether all that stands in the way is evidence that is not there."""
        return bool(self.failed) and all(rule.status == MISSING for rule in self.failed)
