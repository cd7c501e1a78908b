"""What a gate is shown beside the manifest: a scan's result, a training's provenance, a model's measurement.

Each is a statement of a vetted type (in-toto test-result v0.1, SLSA provenance v1) signed by whoever did the work.
Their own fields carry the outcome; ours are annotations, which other readers ignore.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from whitesquare.errors import DataError, VerificationError
from whitesquare.jsonio import build
from whitesquare.provenance.own_types import CodeRecord, Reads
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST

T = TypeVar("T")

PROVENANCE = "provenance.sigstore.json"
SCAN = "scan.sigstore.json"
SCAN_REPORT = "scan.json"
MEASURE = "measure.sigstore.json"
VSA = "vsa.sigstore.json"
"""Names of the evidence in the folder of a trained model, beside the manifest and its signature."""
EVIDENCE = (MANIFEST, BUNDLE, ENVELOPE, PROVENANCE, SCAN_REPORT, SCAN, MEASURE, VSA)
"""All of it."""

BUILD_TYPE = "https://whitesquare.dev/training/v1"
OWN_BUILD_TYPE = "https://whitesquare.dev/training/own/v1"
"""Of a training by `whitesquare train`, and of one by code of the user's own."""
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"
FORMAT = 2
"""Of the statements written now. Format 1 does not say whether a scan had a reference or which model it was given, nor
which classes a measurement knew."""
_SINCE_2 = ("format", "reference", "model", "learned", "classes")


@dataclass(frozen=True)
class Figure:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


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


@dataclass(frozen=True)
class TriggerFigure:
    """Attack success rate under one trigger."""

    trigger: str
    target: int
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
    """

    ca: Figure
    asr: tuple[TriggerFigure, ...]
    test_root: str
    version: str
    finished: str
    format: int = 1
    classes: tuple[str, ...] = ()


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


def scan_predicate(evidence: ScanEvidence) -> dict[str, Any]:
    """Return a test-result predicate.

    FAILED with a confirmed alarm or where nothing was decided, WARNED with any other alarm, a detector missing or a
    verdict other than that nothing was found, else PASSED.
    """
    tiers = {alarm.tier for alarm in evidence.alarms}
    undecided = evidence.verdict == "not decided"
    warned = bool(tiers or evidence.not_run or evidence.verdict != "nothing found")
    alarmed = {alarm.rule_id for alarm in evidence.alarms} | ({"model"} if undecided else set())
    return {
        "result": FAILED if undecided or "confirmed" in tiers else WARNED if warned else PASSED,
        "configuration": [{"name": "whitesquare scan", "annotations": _annotated(evidence)}],
        "passedTests": list(evidence.detectors),
        "warnedTests": sorted(evidence.not_run),
        "failedTests": sorted(alarmed),
    }


def scan_evidence(predicate: dict[str, Any], where: str) -> ScanEvidence:
    """Read what :func:`scan_predicate` wrote.

    Raises:
        VerificationError: it was written by somebody else.
    """
    return _annotations(ScanEvidence, predicate, where)


def measure_predicate(evidence: MeasureEvidence) -> dict[str, Any]:
    """Return a test-result predicate; a measurement passes no judgement, so it is PASSED when it was made."""
    return {
        "result": PASSED,
        "configuration": [{"name": "whitesquare measure", "annotations": _annotated(evidence)}],
        "passedTests": ["measured"],
        "warnedTests": [],
        "failedTests": [],
    }


def measure_evidence(predicate: dict[str, Any], where: str) -> MeasureEvidence:
    """Read what :func:`measure_predicate` wrote.

    Raises:
        VerificationError: it was written by somebody else.
    """
    return _annotations(MeasureEvidence, predicate, where)


def train_predicate(evidence: TrainEvidence, manifest_name: str) -> dict[str, Any]:
    """Return an SLSA provenance v1 predicate: the manifest is what the build depends on."""
    annotations = {"root": evidence.root, "size": evidence.size, "split": evidence.split}
    internal = {"code": evidence.code, "decoder": evidence.decoder, "versions": evidence.versions}
    if evidence.build == OWN_BUILD_TYPE:
        said = asdict(evidence)
        internal |= {"source": said["source"], "reads": said["reads"]}
    return {
        "buildDefinition": {
            "buildType": evidence.build,
            "externalParameters": {"recipe": evidence.recipe, "seed": evidence.seed},
            "internalParameters": internal,
            "resolvedDependencies": [
                {"name": manifest_name, "digest": {"sha256": evidence.manifest}, "annotations": annotations}
            ],
        },
        "runDetails": {
            "builder": {"id": evidence.build},
            "metadata": {"startedOn": evidence.started, "finishedOn": evidence.finished},
        },
    }


def train_evidence(predicate: dict[str, Any], where: str) -> TrainEvidence:
    """Read what :func:`train_predicate` wrote.

    Raises:
        VerificationError: it was written by somebody else.
    """
    try:
        definition, details = predicate["buildDefinition"], predicate["runDetails"]
        if definition["buildType"] not in (BUILD_TYPE, OWN_BUILD_TYPE):
            raise ValueError(f"the build type is {definition['buildType']!r:.80}")
        (data,) = definition["resolvedDependencies"]
        found = {
            **definition["externalParameters"],
            **definition["internalParameters"],
            **data["annotations"],
            "manifest": data["digest"]["sha256"],
            "started": details["metadata"]["startedOn"],
            "finished": details["metadata"]["finishedOn"],
            "build": definition["buildType"],
        }
        if (definition["buildType"] == OWN_BUILD_TYPE) != (found.get("source") is not None):
            raise ValueError("its build type does not fit the code it names")
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(f"{where} is no provenance of a training that whitesquare watched: {error}.") from error
    return _built(TrainEvidence, found, where)


def _annotated(evidence: ScanEvidence | MeasureEvidence) -> dict[str, Any]:
    """Write evidence as its format had it."""
    found = asdict(evidence)
    return found if evidence.format >= FORMAT else {name: said for name, said in found.items() if name not in _SINCE_2}


def _annotations(kind: type[T], predicate: dict[str, Any], where: str) -> T:
    try:
        (configuration,) = predicate["configuration"]
        found = configuration["annotations"]
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(f"{where} is no test result of whitesquare: {error}.") from error
    return _built(kind, found, where)


def _built(kind: type[T], found: Any, where: str) -> T:
    try:
        return build(kind, found, where=where)
    except DataError as error:
        raise VerificationError(str(error)) from error
