"""What a dossier needs of the files that no statement holds: each is read strictly, and no more of it than that.

The verbs that write them lie below this room; their files are read here by their published schemas.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from whitesquare._base.schema import build
from whitesquare._base.strictjson import parse_named
from whitesquare.errors import DataError, WhitesquareError
from whitesquare.records import NOT_CHECKED, NOT_DECIDED, Estimate

T = TypeVar("T")

REMOVED_FORMAT = "whitesquare removed 1"
MOST_BYTES = 2**30
"""A larger file is refused unread: it is none of ours."""


@dataclass(frozen=True)
class ShareRead:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class DetectorRead:
    """What became of a detector; ``reason`` is empty if it ran."""

    name: str
    rule_id: str
    reason: str = ""


@dataclass(frozen=True)
class CoverageRead:
    """In how many of the classes a rule could have raised an alarm, and why not in all."""

    rule_id: str
    classes: int
    of: int
    why: str


@dataclass(frozen=True)
class AlarmRead:
    """An alarm; ``label`` is the class, whose name the rows of classes have."""

    label: int
    tier: str
    rule_id: str
    reasons: tuple[str, ...]
    carriers: int
    p_value: float | None = None
    flip_rate: ShareRead | None = None


@dataclass(frozen=True)
class FlagRead:
    """The tier of one flagged sample."""

    tier: str


@dataclass(frozen=True)
class ClassRead:
    """A class: label, name, size."""

    label: int
    name: str
    size: int


@dataclass(frozen=True)
class ScanRead:
    """Of ``scan.json``."""

    source: str
    digest: str
    size: int
    verdict: str
    mode: str
    seed: int
    reasons: tuple[str, ...]
    alarms: tuple[AlarmRead, ...]
    flagged: tuple[FlagRead, ...]
    classes: tuple[ClassRead, ...]
    detectors: tuple[DetectorRead, ...]
    skipped: dict[str, str]
    warnings: tuple[str, ...]
    versions: dict[str, str]
    calibration_note: str
    reference_size: int = 0
    trained: str = ""
    learned: ShareRead | None = None
    coverage: tuple[CoverageRead, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)

    def class_name(self, label: int) -> str:
        """Return the name of a class."""
        return next((one.name for one in self.classes if one.label == label), str(label))


@dataclass(frozen=True)
class DrillRunRead:
    """Of one run of a drill, its seed."""

    seed: int


@dataclass(frozen=True)
class DrillRowRead:
    """Of one attack at one rate."""

    attack: str
    rate: float
    poisons: int
    right_class: int
    recall: Estimate
    attack_success: Estimate | None
    runs: tuple[DrillRunRead, ...]


@dataclass(frozen=True)
class DrillFailureRead:
    """A run that could not be made."""

    attack: str
    rate: float
    seed: int
    reason: str


@dataclass(frozen=True)
class CleanRunRead:
    """Of one scan of a clean resample: its verdict, and its alarms, which are counted anew here."""

    verdict: str
    alarmed: tuple[str, ...]
    confirmed: int


@dataclass(frozen=True)
class CleanRead:
    """The scans of clean resamples."""

    share: float
    left_out: int
    runs: tuple[CleanRunRead, ...]

    @property
    def decided(self) -> tuple[CleanRunRead, ...]:
        """Those that came to a verdict."""
        return tuple(run for run in self.runs if run.verdict not in (NOT_DECIDED, NOT_CHECKED))


@dataclass(frozen=True)
class DrillRead:
    """Of ``drill.json``."""

    source: str
    digest: str
    size: int
    target_name: str
    rows: tuple[DrillRowRead, ...]
    failures: tuple[DrillFailureRead, ...]
    notices: tuple[str, ...]
    seed: int
    versions: dict[str, str]
    clean: CleanRead | None = None


@dataclass(frozen=True)
class RemovedCounts:
    """Numbers of samples."""

    before: int
    removed: int
    kept: int


@dataclass(frozen=True)
class RemovedClass:
    """Of one class: how many were removed of how many."""

    removed: int
    before: int


@dataclass(frozen=True)
class RelabelledRead:
    """Of a sample that was written with another class: its id."""

    id: str


@dataclass(frozen=True)
class RemovedBy:
    """Of the decisions by which samples were removed: the SHA-256 of their file."""

    sha256: str


@dataclass(frozen=True)
class RemovedRead:
    """Of ``removed.json``."""

    format: str
    source: str
    source_digest: str
    scan_digest: str
    tier: str | None
    counts: RemovedCounts
    by_class: dict[str, RemovedClass]
    relabelled: tuple[RelabelledRead, ...] = ()
    decisions: RemovedBy | None = None

    def __post_init__(self) -> None:
        """Refuse another form."""
        if self.format != REMOVED_FORMAT:
            raise DataError(f"its format is {self.format!r:.60}; expected {REMOVED_FORMAT!r}.")


@dataclass(frozen=True)
class VictimRead:
    """Of ``victim.json``: what one model does on test images."""

    model: str
    ca: Estimate
    asr: Estimate
    trigger: str
    target: int


@dataclass(frozen=True)
class ReadFile(Generic[T]):
    """One file, or why it says nothing.

    Attributes:
        name: path below the run folder.
        said: what it says; ``None`` if it is missing or damaged.
        sha256: of its bytes, hexadecimal; empty if it is missing.
        bytes: their number.
        problem: what is wrong with it; empty if nothing is, or there is no such file.
    """

    name: str
    said: T | None = None
    sha256: str = ""
    bytes: int = 0
    problem: str = ""


def read_file(run: Path, name: str, kind: type[T]) -> ReadFile[T]:
    """Read a JSON file of a run; what is wrong with it becomes a fact about it."""
    path, sha256, size = run / name, "", 0
    try:
        if not path.is_file():
            return ReadFile(name, problem=f"{name} is no file." if path.exists() or path.is_symlink() else "")
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{name} has more than {MOST_BYTES} bytes, as no file of whitesquare has.")
        data = path.read_bytes()
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        said = build(kind, _parsed(data, name), where=f"{name} is damaged, or another program's", others=True)
    except (WhitesquareError, OSError) as error:
        problem = f"{name} cannot be read: {error.strerror}." if isinstance(error, OSError) else str(error)
        return ReadFile(name, sha256=sha256, bytes=size, problem=problem)
    return ReadFile(name, said, sha256, size)


def _parsed(data: bytes, name: str) -> Any:
    """Parse JSON; half surrogate pairs, of which names of files can be made, become question marks."""
    try:
        return parse_named(data).shown
    except ValueError as error:
        raise DataError(f"{name} is damaged: {error!s:.200}.") from error
