"""Write the JSON Schemas in docs/schemas/ from the dataclasses that read the files; with --check, fail if one is stale.

What a file holds beyond its dataclass, or otherwise (``scan.json``, the standards' own predicates), is told below.
"""

import json
import re
import sys
from dataclasses import is_dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal, NotRequired

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from whitesquare.auditing.types import Dossier, DossierPredicate
from whitesquare.deciding.signed import ReviewEvidence
from whitesquare.deciding.types import Mark, ReviewHead
from whitesquare.gating.settings import (
    DataPolicy,
    KeysPolicy,
    MeasurePolicy,
    ReleasePolicy,
    ReviewPolicy,
    ScanPolicy,
    TrainingPolicy,
)
from whitesquare.gating.settings import Waiver as WaiverRecord
from whitesquare.gating.vsa import EXTENSION, LEVELS, SLSA_VERSION
from whitesquare.provenance.evidence import (
    BUILD_TYPE,
    OWN_BUILD_TYPE,
    DrillEvidence,
    MeasureEvidence,
    RemovedEvidence,
    ScanEvidence,
)
from whitesquare.provenance.own_types import CodeRecord, Reads
from whitesquare.provenance.types import DatasetPredicate
from whitesquare.records import TIERS, Made, Measurement, Parameter
from whitesquare.scanning.files import FORMAT, VERDICTS
from whitesquare.scanning.found import Acceptance
from whitesquare.scanning.losses import RecordedTraining
from whitesquare.scanning.sharding import Sharding
from whitesquare.scanning.stored import StoredFingerprint
from whitesquare.scanning.types import Alarm, ClassRow, Coverage, DetectorRun, Flag, ScanResult, TriggerEstimate
from whitesquare.study.drill_types import DrillResult

FOLDER = Path(__file__).parent / "schemas"
Result = Literal["PASSED", "WARNED", "FAILED"]


class Share(TypedDict):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


AlarmEntry = TypedDict(
    "AlarmEntry",
    {
        "class": str,
        "label": int,
        "tier": Literal[TIERS[:2]],  # type: ignore[valid-type]
        "rule_id": str,
        "reasons": list[str],
        "p_value": float | None,
        "p_method": str,
        "carriers": int,
        "trigger": TriggerEstimate | None,
        "flip_rate": Share | None,
        "untouched_rate": float | None,
        "control_mean": float | None,
        "control_worst": float | None,
        "controls": int | None,
        "strength": str | None,
        "benign": list[str],
    },
)
FlagEntry = TypedDict(
    "FlagEntry",
    {
        "id": str,
        "label": int,
        "class": str | None,
        "tier": Literal[TIERS],  # type: ignore[valid-type]
        "rule_id": str,
        "fused": float | None,
        "p_value": float | None,
        "content": NotRequired[str],
        "scores": NotRequired[dict[str, float | None]],
    },
)


class ScanFile(TypedDict):
    """What one scan found, written by `whitesquare scan -o json=scan.json`; no finite number is null."""

    format: Literal[FORMAT]  # type: ignore[valid-type]
    verdict: Literal[VERDICTS]  # type: ignore[valid-type]
    reasons: list[str]
    source: str
    digest: str
    size: int
    mode: str
    model: str
    learned: Share | None
    calibration: str
    calibration_note: str
    reference_size: int
    alarms: list[AlarmEntry]
    not_run: dict[str, str]
    skipped: dict[str, str]
    warnings: list[str]
    classes: list[ClassRow]
    detectors: list[DetectorRun]
    seed: int
    seconds: dict[str, float]
    versions: dict[str, str]
    machine: dict[str, str]
    flagged: list[FlagEntry]
    fused_auroc: NotRequired[float]
    held_out: NotRequired[Share | None]
    features: NotRequired[str]
    trained: NotRequired[str]
    coverage: NotRequired[list[Coverage]]
    accepted: NotRequired[list[Acceptance]]
    fingerprints: NotRequired[list[StoredFingerprint]]
    losses: NotRequired[RecordedTraining]
    made: NotRequired[Made]
    thresholds: NotRequired[dict[str, float]]
    sharding: NotRequired[Sharding]


class PolicyFile(TypedDict, total=False):
    """policy.toml, as a reader of TOML returns it; `whitesquare gate --init` writes a first one."""

    data: DataPolicy
    scan: ScanPolicy
    review: ReviewPolicy
    training: TrainingPolicy
    measure: MeasurePolicy
    release: ReleasePolicy
    keys: KeysPolicy
    waiver: list[WaiverRecord]


class ScanConfiguration(TypedDict):
    """What was done, and what it found."""

    name: Literal["whitesquare scan"]
    annotations: ScanEvidence


class ScanStatement(TypedDict):
    """Predicate of a signed scan: in-toto test-result v0.1, whose subject is the manifest."""

    result: Result
    configuration: tuple[ScanConfiguration]
    passedTests: list[str]
    warnedTests: list[str]
    failedTests: list[str]


class MeasureConfiguration(TypedDict):
    """What was done, and what it found."""

    name: Literal["whitesquare measure"]
    annotations: MeasureEvidence


class MeasureStatement(TypedDict):
    """Predicate of a signed measurement: in-toto test-result v0.1, whose subject is the model."""

    result: Literal["PASSED"]
    configuration: tuple[MeasureConfiguration]
    passedTests: list[str]
    warnedTests: list[str]
    failedTests: list[str]


class DrillConfiguration(TypedDict):
    """What was drilled."""

    name: Literal["whitesquare drill"]
    annotations: DrillEvidence


class DrillStatement(TypedDict):
    """Predicate of a signed drill: in-toto test-result v0.1, whose subject is the drill.json."""

    result: Literal["PASSED"]
    configuration: tuple[DrillConfiguration]
    passedTests: list[str]
    warnedTests: list[str]
    failedTests: list[str]


class Sha256(TypedDict):
    """A digest, hexadecimal."""

    sha256: str


class Consumed(TypedDict):
    """Root and number of the samples that were read, and of which split they are."""

    root: str
    size: int
    split: str


class ManifestDependency(TypedDict):
    """The manifest that the training obeyed, and what it read of it."""

    name: str
    digest: Sha256
    annotations: Consumed


class ExternalParameters(TypedDict):
    """Every parameter of the training, and its seed."""

    recipe: dict[str, Parameter]
    seed: int


class InternalParameters(TypedDict):
    """The code that trained; `source` and `reads` where it is the user's own."""

    code: str
    decoder: str
    versions: dict[str, str]
    source: NotRequired[CodeRecord]
    reads: NotRequired[dict[str, Reads]]


class BuildDefinition(TypedDict):
    """What the model was made of."""

    buildType: Literal[BUILD_TYPE, OWN_BUILD_TYPE]  # type: ignore[valid-type]
    externalParameters: ExternalParameters
    internalParameters: InternalParameters
    resolvedDependencies: tuple[ManifestDependency]


class Builder(TypedDict):
    """Which kind of training it was."""

    id: Literal[BUILD_TYPE, OWN_BUILD_TYPE]  # type: ignore[valid-type]


class Metadata(TypedDict):
    """UTC times."""

    startedOn: str
    finishedOn: str


class RunDetails(TypedDict):
    """Who trained, and when."""

    builder: Builder
    metadata: Metadata


class TrainingStatement(TypedDict):
    """Predicate of a signed training: SLSA provenance v1, whose subject is the model."""

    buildDefinition: BuildDefinition
    runDetails: RunDetails


class Verifier(TypedDict):
    """The gate, and its version."""

    id: str
    version: dict[str, str]


class Resource(TypedDict):
    """A file, by name and digest."""

    uri: str
    digest: Sha256


class Extension(TypedDict):
    """What a release needs besides."""

    files: dict[str, str]
    trust: str
    expires: NotRequired[str]
    rules: dict[str, str]
    waivers: list[str]


VerdictStatement = TypedDict(
    "VerdictStatement",
    {
        "verifier": Verifier,
        "timeVerified": str,
        "resourceUri": str,
        "policy": Resource,
        "inputAttestations": list[Resource],
        "verificationResult": Literal["PASSED", "FAILED"],
        "verifiedLevels": list[Literal[*LEVELS.values(), "FAILED"]],  # type: ignore[valid-type]
        "slsaVersion": Literal[SLSA_VERSION],  # type: ignore[valid-type]
        EXTENSION: Extension,
    },
)
VerdictStatement.__doc__ = "Predicate of a signed verdict: SLSA verification summary v1, whose subject is the model."

DecisionsLine = ReviewHead | Mark
"""A line of decisions.jsonl: the first is about which scan, every other one a decision."""

SCHEMAS: dict[str, Any] = {
    "measurement": Measurement,
    "scan": ScanFile,
    "drill": DrillResult,
    "dossier": Dossier,
    "policy": PolicyFile,
    "dataset-predicate": DatasetPredicate,
    "scan-predicate": ScanStatement,
    "decisions": DecisionsLine,
    "review-predicate": ReviewEvidence,
    "removed-predicate": RemovedEvidence,
    "measure-predicate": MeasureStatement,
    "drill-predicate": DrillStatement,
    "training-predicate": TrainingStatement,
    "verdict-predicate": VerdictStatement,
    "dossier-predicate": DossierPredicate,
}
DESCRIBED: dict[str, type] = {"ScanFile": ScanResult, "AlarmEntry": Alarm, "FlagEntry": Flag}
"""By name, where the fields of what is no dataclass are described."""


class Closed(GenerateJsonSchema):
    """Objects have the fields that are named, described as in the source, and no others."""

    def dataclass_schema(self, schema: Any) -> Any:
        """Close a dataclass."""
        return closed(super().dataclass_schema(schema), schema["cls"])

    def typed_dict_schema(self, schema: Any) -> Any:
        """Close a dictionary of known fields."""
        return closed(super().typed_dict_schema(schema), schema["cls"])


def closed(found: dict[str, Any], cls: type) -> dict[str, Any]:
    """Forbid other fields, and describe the known ones."""
    told = plain((cls.__doc__ if not is_dataclass(cls) else getdoc(cls)) or "")
    described = attributes(told) | attributes(getdoc(DESCRIBED.get(cls.__name__, object)) or "")
    for name, field in found.get("properties", {}).items():
        field.pop("title", None)
        if name in described:
            field["description"] = described[name]
    summary = " ".join(told.split("\n\n")[0].split())
    return found | ({"description": summary} if summary else {}) | {"additionalProperties": False}


def attributes(docstring: str) -> dict[str, str]:
    """Return what a docstring says of each attribute."""
    section = docstring.partition("Attributes:\n")[2].partition("\n\n")[0]
    parts = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {name: " ".join(plain(text).split()) for name, text in parts}


def plain(text: str) -> str:
    """Take the marks of Sphinx out of a text, and say ``null`` as JSON does."""
    return re.sub(r":\w+:`~?\.?(?:[\w.]+\.)?(\w+)`", r"`\1`", text).replace("``", "`").replace("`None`", "`null`")


def written(name: str) -> str:
    """Return the text of a schema."""
    found = TypeAdapter(SCHEMAS[name]).json_schema(schema_generator=Closed)
    return json.dumps({"$schema": Closed.schema_dialect, **found, "title": name}, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in SCHEMAS:
        place = FOLDER / f"{name}.schema.json"
        if "--check" not in sys.argv:
            FOLDER.mkdir(exist_ok=True)
            place.write_text(written(name), encoding="utf-8")
        elif not place.is_file() or place.read_text(encoding="utf-8") != written(name):
            sys.exit(f"{place} is stale; run python docs/make_schemas.py")
