"""The vocabulary: every dataclass and Protocol that crosses a module border. Read this file first.

Images are ``uint8`` arrays of shape ``(N, C, H, W)`` with values 0..255 everywhere outside a model, so whatever is
poisoned is a valid 8-bit picture. Shares and rates are fractions in [0, 1]; seconds are wall-clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Index = slice | IntArray
"""Positions in a data set: a slice or an integer array."""

Parameter = int | float | str | bool | None
"""A value a TOML or JSON file can hold; every attack and trigger parameter is one."""

Progress = Callable[[str, int, int], None]
"""``on_progress(step, done, total)``: called by every piece of work that can exceed a second."""


def silent(step: str, done: int, total: int) -> None:
    """Ignore progress: the default wherever a :data:`Progress` is asked for."""


@runtime_checkable
class ImageDataset(Protocol):
    """Labelled images of one size, addressed by position and known by stable ids."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is a position in this tuple."""

    @property
    def ids(self) -> Sequence[str]:
        """Unique, stable sample ids: ``train/00042``, or the file's path below the data set's root."""

    @property
    def labels(self) -> IntArray:
        """Labels ``(N,)``, known without decoding an image."""

    def images(self, index: Index) -> UInt8Array:
        """Decode the images at ``index`` as ``(B, C, H, W)`` uint8; the caller must not write into them."""

    def content(self, i: int) -> bytes:
        """Return the bytes that provenance hashes: the file's own where there is a file, else the pixels."""


class Trigger(Protocol):
    """A pure function on image batches: same shape and dtype out, no randomness, its argument untouched."""

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the trigger on a copy of ``images``."""


@dataclass(frozen=True)
class CraftContext:
    """What an attacker may use while crafting.

    Attributes:
        dataset: the clean training set (surrogates are trained on it).
        index: positions of the samples to poison, sorted.
        target: the class the backdoor answers with.
        seed: all of the attack's randomness comes from it.
        on_progress: told how far the crafting is.
    """

    dataset: ImageDataset
    index: IntArray
    target: int
    seed: int
    on_progress: Progress = silent


class Attack(Protocol):
    """A poisoning attack: a frozen dataclass whose fields are its parameters.

    The author writes ``craft``; :func:`whitesquare.attacks.poison` chooses the samples, stamps ``training_trigger``
    on what ``craft`` returns, sets the labels (only if ``clean_label`` is false) and checks every promise.
    """

    name: ClassVar[str]
    clean_label: ClassVar[bool]
    """True: samples come from the target class and keep their labels. False: from the others, relabelled."""

    @property
    def trigger(self) -> Trigger:
        """What is stamped on an image when the backdoor is used."""

    @property
    def training_trigger(self) -> Trigger:
        """What is stamped on the poisons, after the perturbation."""

    @property
    def epsilon(self) -> float:
        """Budget: largest L-inf change of the content before the trigger, as a fraction of 255, in [0, 1)."""

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the perturbed content ``(B, C, H, W)`` of the chosen ``images``, without the trigger.

        It must not depend on ``training_trigger``: the same content may be stamped in several strengths.
        """


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


@dataclass(frozen=True)
class Gallery:
    """The pictures of the report, beside a :class:`Measurement`.

    Attributes:
        example: one clean test image ``(C, H, W)`` outside the target class.
        triggered: the same image with the trigger on.
        originals: by row name, ``(M, C, H, W)`` images before poisoning.
        poisons: by row name, the same images after poisoning.
        poison_ids: by row name, their sample ids.
    """

    example: UInt8Array
    triggered: UInt8Array
    originals: dict[str, UInt8Array]
    poisons: dict[str, UInt8Array]
    poison_ids: dict[str, tuple[str, ...]]
