"""What a gate is shown beside the manifest, each a statement of a vetted type (in-toto test-result, SLSA provenance).

Their own fields carry the outcome; ours are annotations, which other readers ignore.
"""

from dataclasses import dataclass, field

from whitesquare.provenance.own_types import CodeRecord, Reads
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST, Content

PROVENANCE = "provenance.sigstore.json"
SCAN = "scan.sigstore.json"
SCAN_REPORT = "scan.json"
MEASURE = "measure.sigstore.json"
REVIEW, HELD = "decisions.dsse.json", "decisions.signed.json"
DRILL_REPORT = "drill.json"
DRILL = "drill.sigstore.json"
REMOVED_REPORT, REMOVED = "removed.json", "removed.sigstore.json"
VSA = "vsa.sigstore.json"
"""Names of the evidence in the folder of a trained model, beside the manifest and its signature."""
DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED = "dossier.json", "dossier.html", "dossier.sigstore.json"
"""What an auditor is told of all that: for programs, for people, and the signed statement about both."""
EVIDENCE = (
    *(MANIFEST, BUNDLE, ENVELOPE, PROVENANCE, SCAN_REPORT, SCAN, REVIEW, HELD, MEASURE, VSA),
    *(DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED),
)
"""All of it."""

BUILD_TYPE = "https://whitesquare.dev/training/v1"
OWN_BUILD_TYPE = "https://whitesquare.dev/training/own/v1"
"""Of a training by `whitesquare train`, and of one by code of the user's own."""
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"
FORMAT, TOLD = 3, 2
"""Of the statements written now; and the first that says whether a scan had a reference and which model it was given,
and which classes a measurement knew. From format 3 on a scan says which of its rules could have raised an alarm."""


@dataclass(frozen=True)
class Figure:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


UNKNOWN = Figure(0.0, 0.0, 1.0, 0)
"""The share of no image: it can be anything."""


@dataclass(frozen=True)
class ReferenceRecord:
    """Samples that a scan was told are clean.

    Attributes:
        manifest: SHA-256 of the manifest that lists them, hexadecimal.
        root: root (hexadecimal) of the tree over those that were read.
        size: their number.
        split: name of the split they are.
        signers: ids of the keys that signed the manifest.
    """

    manifest: str
    root: str
    size: int
    split: str
    signers: tuple[str, ...]


@dataclass(frozen=True)
class AlarmRecord:
    """One alarm of a scan.

    Attributes:
        fingerprint: SHA-256, hexadecimal, over rule, class, root of what was scanned and digests of the samples.
        rule_id: the detector that raised it.
        class_name: the class that stands out.
        tier: ``confirmed`` or ``suspicious``.
        carriers: number of samples.
    """

    fingerprint: str
    rule_id: str
    class_name: str
    tier: str
    carriers: int


@dataclass(frozen=True)
class CoverageRecord:
    """In how many (``classes``) of the classes ``of`` that have samples a rule could have raised an alarm."""

    rule_id: str
    classes: int
    of: int


@dataclass(frozen=True)
class ScanEvidence:
    """What a scan found, and in what: the subject of its statement is the manifest.

    Attributes:
        root: root (hexadecimal) of the tree over the samples that the scan read; see ``SplitTree``.
        size: number of samples it read.
        split: name of the split they are.
        verdict: of the scan.
        alarms: all of them.
        detectors: names of those that ran.
        not_run: by name, why others did not that were asked to.
        mode: ``scan model``, ``given model`` or ``model-free``.
        seed: of the scan.
        version: of whitesquare.
        finished: UTC time.
        report: SHA-256 of the scan.json that was written with it; empty if none was.
        format: :data:`FORMAT` when it was written; what stands below is known from format 2 on.
        reference: samples it was told are clean; ``None`` for none.
        model: SHA-256 of the weights it was given; empty if it trained its own, or used none.
        learned: accuracy, the mean over classes, of the model it used on the samples it read; ``None`` without a model.
        coverage: of every rule that raises alarms; ``None`` before format 3, which did not say.
    """

    root: str
    size: int
    split: str
    verdict: str
    alarms: tuple[AlarmRecord, ...]
    detectors: tuple[str, ...]
    not_run: dict[str, str]
    mode: str
    seed: int
    version: str
    finished: str
    report: str
    format: int = 1
    reference: ReferenceRecord | None = None
    model: str = ""
    learned: Figure | None = None
    coverage: tuple[CoverageRecord, ...] | None = None


@dataclass(frozen=True)
class TriggerFigure:
    """Attack success rate under one trigger."""

    trigger: str
    target: int
    asr: Figure


@dataclass(frozen=True)
class SourceFigure:
    """What a trigger does to the images of the one class that it turns to a target most.

    Attributes:
        trigger: that was on them.
        target: class (a label) that the model then answers.
        source: class (a label) of the images.
        asr: share of them, of those that are not answered as the target without the trigger; :data:`UNKNOWN` where
            there is none.
    """

    trigger: str
    target: int
    source: int
    asr: Figure


@dataclass(frozen=True)
class UntargetedFigure:
    """Share of the rightly answered images that a trigger makes the model answer wrongly, whatever it then answers."""

    trigger: str
    asr: Figure


@dataclass(frozen=True)
class MeasureEvidence:
    """What a model does on test images: the subjects of its statement are the file of weights and the card beside it.

    Attributes:
        ca: clean accuracy.
        asr: success rate of every trigger that was tried, for every target class.
        test_root: root (hexadecimal) of the tree over the test split that was read.
        version: of whitesquare.
        finished: UTC time.
        format: :data:`FORMAT` when it was written; what stands below is known from format 2 on.
        classes: class names of the model, in the order of its outputs.
        sources: for every trigger and target, the class whose images turn most; empty in the first of format 2.
        untargeted: for every trigger; empty in the first of format 2.
    """

    ca: Figure
    asr: tuple[TriggerFigure, ...]
    test_root: str
    version: str
    finished: str
    format: int = 1
    classes: tuple[str, ...] = ()
    sources: tuple[SourceFigure, ...] = ()
    untargeted: tuple[UntargetedFigure, ...] = ()


@dataclass(frozen=True)
class DrillEvidence:
    """What a drill was made on: the subject of its statement is its ``drill.json``, which says what it found.

    Attributes:
        digest: digest of the data set that was drilled, as a scan of it names it.
        size: number of its samples.
        seed: of the first run.
        version: of whitesquare.
        finished: UTC time.
    """

    digest: str
    size: int
    seed: int
    version: str
    finished: str


@dataclass(frozen=True)
class KeptSplit:
    """What was kept of one split: number of samples, and the root over them as a manifest of the copy has it."""

    size: int
    root: str


@dataclass(frozen=True)
class RemovedEvidence:
    """What was taken out of a data set: the subject of its statement is the ``removed.json``, which names each sample.

    Attributes:
        dataset: digest of the data set that it was taken out of, as the scan names it.
        scan: SHA-256 of the ``scan.json`` by which it was, hexadecimal.
        decisions: SHA-256 of the file of decisions; empty where no people decided, but the tiers of the scan.
        removed: number of samples.
        kept: by name, the splits of the copy that was written.
        version: of whitesquare.
        finished: UTC time.
        format: of the statement.
        content: what was hashed of the copy; ``None`` where that was not written down.
    """

    dataset: str
    scan: str
    decisions: str
    removed: int
    kept: dict[str, KeptSplit]
    version: str
    finished: str
    format: int = 1
    content: Content | None = None


REMOVED_TYPE = "https://whitesquare.dev/attestations/removed/v1"
"""Predicate type of the statement about what was removed."""


@dataclass(frozen=True)
class TrainEvidence:
    """How a model came to be: the subjects of its statement are the file of weights and the card beside it.

    Attributes:
        manifest: SHA-256 of the manifest that the training was told to obey.
        root: root (hexadecimal) of the tree over the samples it really read.
        size: their number.
        split: name of the split they are.
        recipe: every parameter of the training.
        seed: of the training.
        code: SHA-256 over the source files of whitesquare, or over the user's own as ``own_code`` has it.
        decoder: what turned files into pixels, with its version.
        versions: of the parts that decide the numbers.
        started: UTC time.
        finished: UTC time.
        build: which kind of training: :data:`BUILD_TYPE` or :data:`OWN_BUILD_TYPE`.
        source: the user's own code; ``None`` for whitesquare's.
        reads: by split, how often the samples were read where the user's own code did it.
    """

    manifest: str
    root: str
    size: int
    split: str
    recipe: dict[str, int | float | str | bool | None]
    seed: int
    code: str
    decoder: str
    versions: dict[str, str]
    started: str
    finished: str
    build: str = BUILD_TYPE
    source: CodeRecord | None = None
    reads: dict[str, Reads] = field(default_factory=dict)
