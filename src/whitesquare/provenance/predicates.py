"""Writing the evidence that a gate is shown as in-toto predicates, and reading it back."""

from dataclasses import asdict
from typing import Any, TypeVar

from whitesquare._base.schema import build
from whitesquare.errors import VerificationError, malformed
from whitesquare.provenance.evidence import (
    BUILD_TYPE,
    FAILED,
    FORMAT,
    OWN_BUILD_TYPE,
    PASSED,
    WARNED,
    DrillEvidence,
    MeasureEvidence,
    RemovedEvidence,
    ScanEvidence,
    TrainEvidence,
)

T = TypeVar("T")

_SINCE = dict.fromkeys(("format", "reference", "model", "learned", "classes", "sources", "untargeted"), 2)
_SINCE["coverage"] = 3


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


def drill_predicate(evidence: DrillEvidence) -> dict[str, Any]:
    """Return a test-result predicate; a drill passes no judgement, so it is PASSED when it was made."""
    return {
        "result": PASSED,
        "configuration": [{"name": "whitesquare drill", "annotations": asdict(evidence)}],
        "passedTests": ["rehearsed"],
        "warnedTests": [],
        "failedTests": [],
    }


def drill_evidence(predicate: dict[str, Any], where: str) -> DrillEvidence:
    """Read what :func:`drill_predicate` wrote.

    Raises:
        VerificationError: it was written by somebody else.
    """
    return _annotations(DrillEvidence, predicate, where)


def removed_evidence(predicate: dict[str, Any], where: str) -> RemovedEvidence:
    """Read what a statement about removed samples says: the fields of :class:`RemovedEvidence`.

    Raises:
        VerificationError: it was written by somebody else, or in another form.
    """
    found = build(RemovedEvidence, predicate, where=where, refuse=VerificationError)
    if found.format != 1:
        raise VerificationError(f"{where} has the format {found.format}; expected 1.")
    return found


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
        if (count := len(definition["resolvedDependencies"])) != 1:
            raise ValueError(f"it depends on {count} things, expected the manifest alone")
        data = definition["resolvedDependencies"][0]
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
        raise VerificationError(
            f"{where} is no provenance of a training that whitesquare watched: {malformed(error)}."
        ) from error
    return build(TrainEvidence, found, where=where, refuse=VerificationError)


def _annotated(evidence: ScanEvidence | MeasureEvidence) -> dict[str, Any]:
    """Write evidence as its format had it."""
    return {name: said for name, said in asdict(evidence).items() if _SINCE.get(name, 1) <= evidence.format}


def _annotations(kind: type[T], predicate: dict[str, Any], where: str) -> T:
    try:
        configurations = predicate["configuration"]
        if len(configurations) != 1:
            raise ValueError(f"it has {len(configurations)} configurations, expected one")
        found = configurations[0]["annotations"]
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(f"{where} is no test result of whitesquare: {malformed(error)}.") from error
    evidence = build(kind, found, where=where, refuse=VerificationError)
    written = getattr(evidence, "format", FORMAT)
    if not 1 <= written <= FORMAT:
        raise VerificationError(
            f"{where} has the format {written}, and this version knows 1 to {FORMAT}, so that it may say more than is "
            "heeded here; read it with the version that wrote it, or a later one."
        )
    return evidence
