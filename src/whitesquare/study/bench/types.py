"""The vocabulary of a bench: a cell of the grid, what was found in it, and what all cells say together."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from whitesquare.attacks.selection import RANDOM
from whitesquare.learning.recipes import Recipe
from whitesquare.records import Estimate, Parameter, Spread, VictimResult
from whitesquare.study.bench.scans.types import ScanFigures, ScanLine, ScanTask

BASELINE = "none"
"""The attack of a cell whose data are clean."""

OPACITY = "training_opacity"
"""The attack parameter that content does not depend on: one crafting serves every value."""

_LAYOUT = 1
"""Part of every key; raised when a cell comes to mean something else."""


@dataclass(frozen=True)
class Cell:
    """One victim to train and measure, or one data set to scan.

    Attributes:
        data: the data set, as the plan names it.
        digest: SHA-256 of its training and test images; with it, the name does not matter.
        attack: registered name, or :data:`BASELINE`.
        parameters: all parameters of the attack, resolved.
        trigger: spec of the trigger in use.
        target: target class (a label).
        count: number of poisons; 0 for the baseline.
        attack_seed: of the choice of samples and the crafting; and of a scan.
        victim: name of the victim's family.
        recipe: how the victim is trained, its precision resolved.
        victim_seed: of the victim.
        scan: how the data are scanned; ``None`` trains the victim instead.
        device: where models are trained and asked: ``cpu`` or ``cuda:n``.
        twin: whether the victim is trained on clean data and asked with the trigger that the attack learns: what the
            poisons add is seen beside it.
    """

    data: str
    digest: str
    attack: str
    parameters: dict[str, Parameter]
    trigger: str
    target: int
    count: int
    attack_seed: int
    victim: str
    recipe: Recipe
    victim_seed: int
    scan: ScanTask | None = None
    device: str = "cpu"
    twin: bool = False

    @property
    def poisoned(self) -> bool:
        """Tell whether poisons lie in the data that are trained on or scanned."""
        return self.count > 0 and not self.twin

    @property
    def key(self) -> str:
        """Digest of everything the result depends on, besides the code: the name of the cell's file."""
        # The processor is not named: cells that were finished before there were devices are what they are.
        unsaid = ("data", "victim", *(() if self.scan else ("scan",)), *(("device",) if self.device == "cpu" else ()))
        unsaid += () if self.twin else ("twin",)
        values = asdict(self) | {"parameters": self._asked, "recipe": self._trained}
        if self.scan and not self.scan.model_free:  # nor is it said that models are asked, for the same reason
            del values["scan"]["model_free"]
        return _digest({name: value for name, value in values.items() if name not in unsaid})

    @property
    def poison_key(self) -> str:
        """Digest of everything the poisons' content depends on, besides the code."""
        parts = (self.digest, self.attack, self.trigger, self.target, self.count, self.attack_seed)
        where = () if self.device == "cpu" else (self.device,)
        return _digest([*parts, *where, self._asked | {OPACITY: None}])

    @property
    def _asked(self) -> dict[str, Parameter]:
        """The parameters; samples drawn by chance go unsaid, so that cells older than selections are what they are."""
        return {name: value for name, value in self.parameters.items() if (name, value) != ("select", RANDOM)}

    @property
    def _trained(self) -> dict[str, Parameter]:
        """The recipe; one that minds no sharpness goes without, so that cells older than it are what they are."""
        return {name: value for name, value in asdict(self.recipe).items() if (name, value) != ("sharpness", 0.0)}

    @property
    def label(self) -> str:
        """What a person calls it, in errors and progress."""
        poisons = "clean" if self.attack == BASELINE else f"{self.attack}, {self.count} poisons"
        if self.twin:
            poisons = f"clean, asked with what {self.attack} learns"
        changed = "".join(
            f", {name} {self.parameters[name]}" for name in ("epsilon", OPACITY) if name in self.parameters
        )
        if self.scan:
            how = ", model-free" if self.scan.model_free else ""
            return f"{self.data}: {poisons}{changed}; scanned {self.scan.kind}{how}, seed {self.attack_seed}"
        return f"{self.data}: {poisons}{changed}; victim {self.victim}, seed {self.victim_seed}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps([_LAYOUT, value], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class PoisonFacts:
    """What is known of the poisons of a cell.

    Attributes:
        clean_label: whether every label is true.
        poison_rate: poisoned / whole training set.
        target_rate: poisoned / size of the class they were taken from.
        labels_changed: how many carry another label than before.
        linf: largest change of the content before the trigger, as a fraction of 255.
        trigger: spec of the trigger in use; the one the attack learned, if it learns one.
        training_trigger: spec of the trigger on the poisons.
        digest_after: SHA-256 of the poisoned training set.
        label_consistency: see :func:`whitesquare.learning.measure.label_consistency`.
        seconds: wall-clock time of the crafting, on one thread; ``None`` if the content came from the cache.
    """

    clean_label: bool
    poison_rate: float
    target_rate: float
    labels_changed: int
    linf: float
    trigger: str
    training_trigger: str
    digest_after: str
    label_consistency: Estimate
    seconds: float | None


@dataclass(frozen=True)
class Record:
    """A finished cell: the content of its file.

    Attributes:
        cell: what was asked.
        poison: ``None`` for the baseline.
        victim: what was measured.
        seconds: processor time of training and measuring, on one thread.
        code: digest of the code that computed it.
    """

    cell: Cell
    poison: PoisonFacts | None
    victim: VictimResult
    seconds: float
    code: str


@dataclass(frozen=True)
class ScanRecord:
    """A finished scan: the content of its file, like :class:`Record`."""

    cell: Cell
    poison: PoisonFacts | None
    found: ScanFigures
    seconds: float
    code: str


@dataclass(frozen=True)
class Failure:
    """A cell that could not be finished, and why; it is tried again when the bench is."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Line:
    """All victim seeds of one setting: a line of the results table.

    Attributes:
        setting: the attack and what it was given, as the report calls it.
        data: name of the data set.
        attack: registered name, or :data:`BASELINE`.
        parameters: all parameters of the attack.
        trigger: spec of the trigger in use.
        target: target class (a label).
        count: number of poisons.
        attack_seed: seed of the attack.
        victim: name of the victim's family.
        poison: ``None`` for the baseline.
        ca: clean accuracy over the victims.
        asr: attack success rate over the victims.
        visibility: mean of :attr:`~whitesquare.records.VictimResult.visibility`; 0 means they cannot see the trigger.
        seconds: mean processor time per cell.
    """

    setting: str
    data: str
    attack: str
    parameters: dict[str, Parameter]
    trigger: str
    target: int
    count: int
    attack_seed: int
    victim: str
    poison: PoisonFacts | None
    ca: Spread
    asr: Spread
    visibility: float
    seconds: float


@dataclass(frozen=True)
class Point:
    """One point of a curve: the lines it stands for differ in nothing but the curve's axis."""

    x: float
    asr: Spread


@dataclass(frozen=True)
class Curve:
    """Attack success against one quantity, all else equal.

    Attributes:
        axis: ``poison_rate``, ``epsilon`` or ``training_opacity``.
        name: what stays the same along it.
        points: two or more, by growing x.
    """

    axis: str
    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class BenchResult:
    """What a bench found: the content of ``results.json`` and the input of its report.

    Attributes:
        title: of the plan.
        cells: number of cells in the plan.
        finished: number of them with a result.
        lines: finished cells over their victim seeds, in the plan's order, the baseline first.
        curves: attack success along each quantity that the plan varies.
        failures: cells without a result, and why.
        codes: digests of the code that computed the cells; more than one means that results of several versions mix.
        versions: versions of the parts that decide the numbers.
        machine: processor, cores, memory of the machine that ran the bench.
        code: digest of the code that put this result together.
        scans: finished scans over their seeds, in the plan's order.
    """

    title: str
    cells: int
    finished: int
    lines: tuple[Line, ...]
    curves: tuple[Curve, ...]
    failures: tuple[Failure, ...]
    codes: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    code: str = ""
    scans: tuple[ScanLine, ...] = ()

    @property
    def outdated(self) -> bool:
        """Tell whether a cell was computed by another version of the code than the one that put this together."""
        return any(code != self.code for code in self.codes)
