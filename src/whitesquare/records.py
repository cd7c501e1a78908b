"""The vocabulary: every plain record that crosses a room's border; no NumPy. Read this file first.

Shares and rates are fractions in [0, 1]; seconds are wall-clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

Parameter = int | float | str | bool | None
"""A value a TOML or JSON file can hold; every attack and trigger parameter is one."""

Progress = Callable[[str, int, int], None]
"""``on_progress(step, done, total)``: called by every piece of work that can exceed a second."""


OnNote = Callable[[str], None]
"""Told a sentence that people should read: what was done to the images before anything else was."""


def unheard(note: str) -> None:
    """Tell nobody a note."""


def silent(step: str, done: int, total: int) -> None:
    """Ignore progress: the default wherever a :data:`Progress` is asked for."""


TIERS = ("confirmed", "suspicious", "review")
"""Of what a scan found, strongest first. *Confirmed*: an alarm whose trigger turned other classes' images in a
transplant test. *Suspicious*: an alarm without that proof. *Review*: no alarm; the sample ranks high."""

NOTHING_FOUND, NOT_CHECKED, NOT_DECIDED = "nothing found", "not checked", "not decided"
"""The verdicts of a scan besides the tiers: no alarm; no detector ran, or too much was left out; no model learned."""

WEIGHTS, CARD, VICTIM = "model.safetensors", "model.json", "victim.json"
"""Files in the folder of a model: its weights, what each output means, and what was measured."""


@dataclass(frozen=True)
class PoisonManifest:
    """The ground truth of one poisoned data set, keyed by sample id.

    Attributes:
        attack: registered name of the attack.
        parameters: the attack's own parameters, resolved.
        clean_label: whether the attack promises (and ``poison`` checked) that labels are true.
        trigger: the trigger in use, as a spec that ``parse_trigger`` reads back.
        training_trigger: the same for the trigger stamped on the poisons.
        target: target class (a label).
        seed: seed of the choice of samples and of the crafting.
        ids: ids of the poisoned samples, in data set order.
        labels_changed: how many of them carry another label than before.
        poison_rate: poisoned / whole training set.
        target_rate: poisoned / size of the class they were taken from.
        linf: largest L-inf change of the content before the trigger, as a fraction of 255.
        linf_with_trigger: the same with the trigger.
        digest_before: SHA-256 of the clean data set (pixels, labels, ids, classes).
        digest_after: SHA-256 of the poisoned one.
    """

    attack: str
    parameters: dict[str, Parameter]
    clean_label: bool
    trigger: str
    training_trigger: str
    target: int
    seed: int
    ids: tuple[str, ...]
    labels_changed: int
    poison_rate: float
    target_rate: float
    linf: float
    linf_with_trigger: float
    digest_before: str
    digest_after: str

    @property
    def count(self) -> int:
        """Number of poisoned samples."""
        return len(self.ids)


@dataclass(frozen=True)
class Estimate:
    """A share measured on ``n`` images, with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    n: int
    method: str


@dataclass(frozen=True)
class Spread:
    """A figure over ``n`` victims: mean, standard deviation, the attacker's or defender's worst, 95 % interval.

    ``sd``, ``low`` and ``high`` are ``None`` for a single victim: one run has no spread.
    """

    mean: float
    sd: float | None
    worst: float
    low: float | None
    high: float | None
    n: int
    method: str


@dataclass(frozen=True)
class ExampleView:
    """How one model sees one test image, without and with the trigger (softmax confidences)."""

    prediction: str
    confidence: float
    triggered_prediction: str
    triggered_confidence: float


@dataclass(frozen=True)
class Made:
    """When a result was made, and how.

    Attributes:
        at: UTC, RFC 3339.
        command: the command line, quoted so that a shell reads it; empty where there was none.
    """

    at: str
    command: str = ""


@dataclass(frozen=True)
class VictimResult:
    """One trained victim, measured.

    Attributes:
        seed: the victim's seed.
        model: architecture name.
        ca: clean accuracy over all test images.
        asr: attack success rate over all test images outside the target class.
        asr_by_class: ASR per true class, by class name (the target class is left out).
        confusion: ``(K, K)`` counts, row = true class, column = predicted, with the trigger on.
        visibility: largest absolute change of a logit when the trigger is stamped, mean over the clean test images
            outside the target class. Zero means that the network cannot see the place where the trigger sits.
        trigger: spec of the trigger in use.
        target: target class (a label).
        trained_on: SHA-256 digest of the training set.
        example: how the victim sees the report's example image; ``None`` where it was not looked at.
    """

    seed: int
    model: str
    ca: Estimate
    asr: Estimate
    asr_by_class: dict[str, Estimate]
    confusion: tuple[tuple[int, ...], ...]
    visibility: float
    trigger: str
    target: int
    trained_on: str = ""
    example: ExampleView | None = None


@dataclass(frozen=True)
class LabelCheck:
    """Confident learning on out-of-fold predictions: share of poisons and of clean images flagged as mislabelled.

    ``poisons`` is ``None`` where nothing was poisoned.
    """

    poisons: float | None
    clean: float


@dataclass(frozen=True)
class Row:
    """One data set (clean, or one attack) and what its victims do: one line of the results table.

    Attributes:
        name: what the report calls it; unique among the rows.
        attack: registered name, or ``"none"`` for the clean baseline.
        clean_label: ``None`` for the clean baseline.
        poison_rate: poisoned / whole training set.
        target_rate: poisoned / size of the class the poisons were taken from.
        count: number of poisons.
        labels_changed: how many poisons carry another label than before.
        linf: largest L-inf change of a poison's content before the trigger, as a fraction of 255.
        label_consistency: share of poisons that, thresholded at half of the value range, an independent clean model
            still reads as their label; ``None`` where it was not measured.
        label_check: ``None`` where it was not measured.
        visibility: mean over the victims of :attr:`VictimResult.visibility`.
        ca: clean accuracy over the victims.
        asr: attack success rate over the victims.
        asr_by_class: ASR per true class over the victims, by class name, target class left out.
        confusion: sum over the victims of :attr:`VictimResult.confusion`.
        example: how the first victim sees the report's example image; ``None`` where it was not looked at.
        victims: the single results.
        trigger: spec of the trigger in use (empty for the clean baseline).
        training_trigger: spec of the trigger on the poisons (empty for the clean baseline).
        estimates: intervals of the shares above: ``label_consistency`` (and the same of the untouched originals as
            ``label_consistency.untouched``), ``label_check.poisons``, ``label_check.clean``.
    """

    name: str
    attack: str
    clean_label: bool | None
    poison_rate: float
    target_rate: float
    count: int
    labels_changed: int
    linf: float
    label_consistency: float | None
    label_check: LabelCheck | None
    visibility: float
    ca: Spread
    asr: Spread
    asr_by_class: dict[str, Spread]
    confusion: tuple[tuple[int, ...], ...]
    example: ExampleView | None
    victims: tuple[VictimResult, ...]
    trigger: str = ""
    training_trigger: str = ""
    estimates: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class Defence:
    """What a scan found in the data of one row, and what is left of the attack once that is removed.

    Attributes:
        row: name of the row whose data were scanned.
        verdict: of the scan.
        alarmed: names of the classes with an alarm, the strongest first.
        flip_rate: share of images of other classes that the rebuilt trigger of the strongest alarm turns to it.
        removed: number of samples that were confirmed, and removed.
        poisons_removed: how many of them are poisons.
        poisons: number of poisons there were.
        after: victims trained on the rest, under the trigger of the row; ``None`` where nothing was removed.
    """

    row: str
    verdict: str
    alarmed: tuple[str, ...]
    flip_rate: Estimate | None
    removed: int
    poisons_removed: int
    poisons: int
    after: Row | None


@dataclass(frozen=True)
class Measurement:
    """Everything one experiment found: the content of ``measurement.json`` and the input of the report.

    Attributes:
        source: name of the data set, e.g. ``"mnist"``.
        classes: class names.
        target: target class (a label).
        trigger: spec of the trigger in use.
        model: architecture of the victims.
        train_size: number of training images.
        test_size: number of test images.
        rows: one per data set, the clean baseline first where there is one.
        example_label: true class name of the example test image shown in the report.
        seconds: wall-clock time per step.
        cached: steps (names as in ``seconds``) whose result came from the cache.
        versions: versions of the parts that decide the numbers.
        machine: processor, cores, memory, precision.
        defence: what a scan makes of one of the rows; ``None`` where none was asked.
    """

    source: str
    classes: tuple[str, ...]
    target: int
    trigger: str
    model: str
    train_size: int
    test_size: int
    rows: tuple[Row, ...]
    example_label: str
    seconds: dict[str, float] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    defence: Defence | None = None
