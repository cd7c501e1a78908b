"""What a scan finds: the content of ``scan.json`` and ``scores.parquet``, and the input of every rendering."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whitesquare.records import NOT_CHECKED as NOT_CHECKED
from whitesquare.records import NOT_DECIDED as NOT_DECIDED
from whitesquare.records import NOTHING_FOUND as NOTHING_FOUND
from whitesquare.records import TIERS, Estimate, Made
from whitesquare.scanning.contacts import ContactSheet, PastedExamples
from whitesquare.scanning.found import Acceptance
from whitesquare.scanning.losses import RecordedTraining
from whitesquare.scanning.sharding import Sharding
from whitesquare.types import FloatArray, IntArray

NOT_ASKED = "not asked for (slow; --detectors all runs it)"
"""Why a detector did not run that nobody asked to."""
MOST_LEFT_OUT = 0.01
"""Share of a class that may be left out unread: one poison in a hundred samples is enough for some attacks."""


@dataclass(frozen=True)
class TriggerEstimate:
    """A trigger as reconstructed from the suspects of one class.

    Attributes:
        kind: ``patch`` (few pixels in one place), ``field`` (over the image), or ``roaming`` (no fixed place; then
            ``bbox`` is where it was seen first).
        mask: ``(H, W)`` rows of 0..1: how much of the pixel below is replaced.
        pattern: ``(C, H, W)``, values 0..255; zero where the mask is zero.
        bbox: top, left, bottom, right; half-open; of the mask.
    """

    kind: str
    mask: tuple[tuple[float, ...], ...]
    pattern: tuple[tuple[tuple[float, ...], ...], ...]
    bbox: tuple[int, int, int, int]


@dataclass(frozen=True)
class Transplant:
    """The causal test: a trigger pasted on images of other classes, against controls pasted in the same way.

    Attributes:
        flip_rate: share of images of other classes that turn to the alarmed class with the trigger on.
        untouched_rate: share that the model assigns to it without anything pasted.
        control_mean: mean flip rate of the controls.
        control_worst: their highest.
        controls: number of controls.
        p_value: exact Monte-Carlo p-value, adjusted for the number of candidates tried.
        strength: ``as found``, or ``full``: opacity and contrast driven to the end of the range, as an attacker who
            trained with a dim trigger would use it.
    """

    flip_rate: Estimate
    untouched_rate: float
    control_mean: float
    control_worst: float
    controls: int
    p_value: float
    strength: str


@dataclass(frozen=True)
class Alarm:
    """One class that stands out.

    Attributes:
        label: the class (a label).
        class_name: its name.
        tier: ``confirmed`` or ``suspicious``.
        rule_id: the detector that raised it.
        reasons: one sentence each, strongest first.
        p_value: of the transplant test where one was made, else of the class statistic.
        p_method: what that p-value is, and whether it is exact or approximate.
        carriers: number of samples flagged in this class.
        trigger: ``None`` where nothing could be localised.
        transplant: ``None`` where no trigger could be pasted (no model, or no trigger).
        benign: what else it could be (watermark, border, duplicates, ...), most likely first.
    """

    label: int
    class_name: str
    tier: str
    rule_id: str
    reasons: tuple[str, ...]
    p_value: float
    p_method: str
    carriers: int
    trigger: TriggerEstimate | None
    transplant: Transplant | None
    benign: tuple[str, ...]


@dataclass(frozen=True)
class Flag:
    """One sample to look at.

    Attributes:
        id: sample id.
        position: position in the scanned data set.
        label: its label.
        tier: one of :data:`TIERS`.
        rule_id: the detector that speaks most against it.
        fused: fused score.
        p_value: conformal or cross-class p-value; ``None`` where only a ranking is possible.
    """

    id: str
    position: int
    label: int
    tier: str
    rule_id: str
    fused: float
    p_value: float | None


@dataclass(frozen=True)
class DetectorRun:
    """What became of one detector; ``reason`` says why it did not run, and is empty if it did."""

    name: str
    rule_id: str
    family: str
    seconds: float
    reason: str = ""
    crashed: bool = False


@dataclass(frozen=True)
class ClassRow:
    """One class: its size, its flags by tier, a statistic per detector (``None``: not computed), what was left out."""

    label: int
    name: str
    size: int
    confirmed: int
    suspicious: int
    review: int
    statistics: dict[str, float | None] = field(default_factory=dict)
    left_out: int = 0

    @property
    def thinned(self) -> bool:
        """Whether more of it was left out than may be."""
        return self.left_out > MOST_LEFT_OUT * (self.size + self.left_out)


@dataclass(frozen=True)
class Coverage:
    """In how many classes one rule could have raised an alarm, had they been poisoned.

    Attributes:
        rule_id: the rule.
        classes: number of classes in which it could.
        of: number of classes that have samples.
        why: why not in all of them; empty if in all.
    """

    rule_id: str
    classes: int
    of: int
    why: str


@dataclass(frozen=True)
class ScanResult:
    """Everything one scan found.

    Attributes:
        source: name or path of the data set.
        digest: its SHA-256 digest.
        size: number of samples scanned.
        mode: ``model-free``, ``scan model`` (trained by the scan) or ``given model``.
        calibration: ``conformal``, ``approximate`` (cross-class null) or ``ranking only``.
        calibration_note: one sentence: what the p-values mean here, and what they cannot.
        reference_size: number of trusted samples; 0 without a reference.
        reasons: why the verdict is what it is, one sentence each.
        alarms: strongest first.
        flagged: strongest tier first, within a tier by fused score.
        classes: one row per class.
        runs: one entry per detector, also of those that did not run.
        skipped: files left out by ``--on-error skip``, with the reason.
        warnings: what the reader must know, e.g. a reference that overlaps the data.
        seed: of everything random.
        fused_auroc: only where the truth was given.
        seconds: wall-clock time per step.
        versions: versions of the parts that decide the numbers.
        machine: processor, cores, memory.
        model: SHA-256 of the weights that were given; empty if none were.
        learned: accuracy of the model on the scanned samples, the mean over classes; ``None`` without a model.
        undecided: why there is no verdict, one sentence; empty if there is one.
        held_out: the same accuracy, of a model of the same kind that was trained on some of the samples, on others;
            ``None`` where no other can be trained.
        features: what the features of the model are; empty without a model.
        trained: the network that the scan trained, and how, in words; empty where it trained none.
        coverage: one entry per rule that raises alarms.
        losses: the training of the user's own whose losses were scanned, too; ``None`` where none were given.
        accepted: the alarms that a baseline knows.
        made: when, and by which command; ``None`` where nobody said so.
        thresholds: by name, the bounds by which classes were alarmed, proven, and samples put into the queue; empty in
            files of older versions.
        sharding: who looked at what, of a scan in shards; ``None`` of one that held all samples.
    """

    source: str
    digest: str
    size: int
    mode: str
    calibration: str
    calibration_note: str
    reference_size: int
    reasons: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    flagged: tuple[Flag, ...]
    classes: tuple[ClassRow, ...]
    runs: tuple[DetectorRun, ...]
    skipped: dict[str, str]
    warnings: tuple[str, ...]
    seed: int
    fused_auroc: float | None
    seconds: dict[str, float]
    versions: dict[str, str]
    machine: dict[str, str]
    model: str = ""
    learned: Estimate | None = None
    undecided: str = ""
    held_out: Estimate | None = None
    features: str = ""
    trained: str = ""
    coverage: tuple[Coverage, ...] = ()
    losses: RecordedTraining | None = None
    accepted: tuple[Acceptance, ...] = ()
    made: Made | None = None
    thresholds: dict[str, float] = field(default_factory=dict)
    sharding: Sharding | None = None

    @property
    def new_alarms(self) -> tuple[Alarm, ...]:
        """Alarms that nobody has accepted, strongest first."""
        known = {(one.label, one.rule_id, one.tier) for one in self.accepted}
        return tuple(alarm for alarm in self.alarms if (alarm.label, alarm.rule_id, alarm.tier) not in known)

    @property
    def alarm_tiers(self) -> tuple[str, ...]:
        """Tiers that occur among the alarms, strongest first."""
        return tuple(tier for tier in TIERS if any(alarm.tier == tier for alarm in self.alarms))

    @property
    def verdict(self) -> str:
        """The strongest tier among the alarms, ``nothing found``, or ``not checked`` if that would say too much.

        Ranks are never a finding. A scan that could not have found anything, or read too little of a class, has found
        out nothing; one whose model has learned nothing is ``not decided``, alarms or not.
        """
        if self.undecided:
            return NOT_DECIDED
        if self.alarms:
            return self.alarm_tiers[0]
        idle = self.mute or all(run.reason for run in self.runs)
        return NOT_CHECKED if idle or any(row.thinned for row in self.classes) else NOTHING_FOUND

    @property
    def mute(self) -> bool:
        """Whether no rule could have raised an alarm, however poisoned the data were."""
        return bool(self.coverage) and not any(one.classes for one in self.coverage)

    @property
    def not_run(self) -> dict[str, str]:
        """Detectors that did not run, with the reason."""
        return {run.name: run.reason for run in self.runs if run.reason}


@dataclass(frozen=True)
class ScanScores:
    """Every score of every sample: the columns of ``scores.parquet``.

    Attributes:
        ids: sample ids ``(N,)``.
        labels: class names are in the result; these are labels ``(N,)``.
        fused: ``(N,)`` float32, higher is more suspicious.
        p_values: ``(N,)`` float32, NaN where only a ranking is possible.
        by_detector: ``(N,)`` float32 per detector that ran, raw scores, NaN where not scored.
    """

    ids: Sequence[str]
    labels: IntArray
    fused: FloatArray
    p_values: FloatArray
    by_detector: dict[str, FloatArray]


@dataclass(frozen=True)
class Scan:
    """A result with its scores and pictures; ``examples`` is empty where no model was asked."""

    result: ScanResult
    scores: ScanScores
    sheets: tuple[ContactSheet, ...]
    examples: tuple[PastedExamples, ...] = ()
