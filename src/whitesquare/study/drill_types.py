"""What a drill finds: the content of ``drill.json``, and the input of its table and its page."""

from dataclasses import dataclass

from whitesquare.records import Estimate, Made

CAUGHT, OF_TEN = 0.9, 0.9
"""A run counts as caught if that share of its poisons is flagged, and a rate if that share of its runs is."""
CLEAN_SHARE = 0.8
"""Share of each class that a clean resample holds: nearly all, so that a scan is as able as on the whole."""
ENOUGH_RUNS = 10
"""Runs from which "nine times in ten" can be told; of fewer it is said whether all of them were caught."""


@dataclass(frozen=True)
class DrillRun:
    """One poisoned copy, scanned.

    Attributes:
        seed: of the choice of samples, the crafting, the scan and the victim.
        poisons: number of poisoned samples.
        trigger: spec of the trigger in use.
        alarmed: names of the classes with an alarm, strongest first.
        right_class: whether the target class is among them.
        tier: of the target class's alarm; ``none`` without one.
        flagged: poisons flagged by an alarm (confirmed or suspicious).
        reviewed: poisons flagged by an alarm or in the review queue.
        false_flags: clean samples flagged by an alarm.
        false_reviews: clean samples in the review queue.
        attack_success: of a victim trained on the copy; ``None`` without a test split.
        accuracy: clean accuracy of the same victim.
        seconds: wall-clock.
    """

    seed: int
    poisons: int
    trigger: str
    alarmed: tuple[str, ...]
    right_class: bool
    tier: str
    flagged: int
    reviewed: int
    false_flags: int
    false_reviews: int
    attack_success: Estimate | None
    accuracy: Estimate | None
    seconds: float

    @property
    def recall(self) -> float:
        """Share of the poisons that an alarm flags: what the scan finds at its own threshold."""
        return self.flagged / self.poisons

    @property
    def caught(self) -> bool:
        """Whether nearly all poisons were flagged."""
        return self.recall >= CAUGHT


@dataclass(frozen=True)
class DrillRow:
    """One attack at one rate, over all its runs.

    Attributes:
        attack: its name.
        rate: as asked for: poisons / whole training set.
        poisons: in each run.
        right_class: number of runs with an alarm for the target class.
        tiers: how many runs gave the target class which tier; ``none`` is no alarm.
        caught: number of runs in which at least :data:`CAUGHT` of the poisons are flagged.
        recall: share of the poisons of all runs that an alarm flags.
        recall_worst: of the worst run.
        recall_with_review: the same, with the review queue.
        false_flags: clean samples flagged by an alarm, mean over runs.
        attack_success: of the victims, pooled over runs; ``None`` without a test split.
        accuracy: the same for their clean accuracy: a victim that learned nothing proves no attack harmless.
        runs: the runs themselves.
    """

    attack: str
    rate: float
    poisons: int
    right_class: int
    tiers: dict[str, int]
    caught: int
    recall: Estimate
    recall_worst: float
    recall_with_review: Estimate
    false_flags: float
    attack_success: Estimate | None
    accuracy: Estimate | None
    runs: tuple[DrillRun, ...]

    @property
    def nine_in_ten(self) -> bool:
        """Whether nine of ten runs were caught."""
        return self.caught >= OF_TEN * len(self.runs)


@dataclass(frozen=True)
class Smallest:
    """What a security engineer takes to their team: the smallest rate of an attack that is caught nine times in ten.

    Attributes:
        attack: its name.
        rate: the smallest tested rate from which on every tested one is caught; ``None`` if the largest is not.
        runs: number of runs at each rate that it rests on.
        sentence: the same in words.
    """

    attack: str
    rate: float | None
    runs: int
    sentence: str


@dataclass(frozen=True)
class DrillFailure:
    """A run that could not be made on this data, and why; ``rate`` is as asked for."""

    attack: str
    rate: float
    seed: int
    reason: str


@dataclass(frozen=True)
class BaseLine:
    """The scan of the data as it is.

    Attributes:
        verdict: of the scan.
        alarmed: names of the classes with an alarm.
        flagged: samples flagged by an alarm.
        reviewed: samples in the review queue.
        sentence: what that means for the drill.
    """

    verdict: str
    alarmed: tuple[str, ...]
    flagged: int
    reviewed: int
    sentence: str


@dataclass(frozen=True)
class CleanRun:
    """One scan of a clean resample.

    Attributes:
        seed: of the choice of samples and of the scan.
        size: number of samples.
        verdict: of the scan.
        alarmed: names of the classes with an alarm, strongest first.
        confirmed: how many of them were confirmed.
        flagged: samples flagged by an alarm.
        seconds: wall-clock.
    """

    seed: int
    size: int
    verdict: str
    alarmed: tuple[str, ...]
    confirmed: int
    flagged: int
    seconds: float


@dataclass(frozen=True)
class CleanControls:
    """How often the scan cries wolf: scans of clean resamples of the data.

    A resample is a random share of each class, drawn anew without replacement: copies of a sample, which drawing with
    replacement makes, are what some detectors look for. What an alarm flagged in the data as they are is left out of
    all of them first, for nobody knows yet whether it is clean. Given the data, the draws are independent, so the
    bound is exact for this: the chance that a scan of such a resample raises an alarm. It says nothing of other data.

    Attributes:
        share: of each class that is drawn.
        left_out: samples that were left out first.
        runs: the scans.
        undecided: how many of them came to no verdict; they count as neither quiet nor alarmed.
        alarmed: share of the others with an alarm, with the interval of Clopper and Pearson; ``None`` without one.
        confirmed: the same for a confirmed alarm.
        alarmed_at_most: one-sided 95 % upper bound of ``alarmed``: none of 60 gives 4.9 %.
        confirmed_at_most: the same of ``confirmed``.
        sentence: the same in words.
    """

    share: float
    left_out: int
    runs: tuple[CleanRun, ...]
    undecided: int
    alarmed: Estimate | None
    confirmed: Estimate | None
    alarmed_at_most: float
    confirmed_at_most: float
    sentence: str


@dataclass(frozen=True)
class DrillResult:
    """Everything one drill found.

    Attributes:
        source: name or path of the data set.
        digest: its SHA-256 digest.
        size: number of samples.
        target: target class (a label).
        target_name: its name.
        base_line: the scan of the data as it is.
        rows: by attack and rate, in the order asked for.
        smallest: one per attack with a row.
        failures: runs that could not be made.
        notices: what weakens the numbers, for example that there is no test split.
        seed: of the first run; the others count up from it.
        seconds: wall-clock, in all.
        versions: versions of the parts that decide the numbers.
        machine: processor, cores, memory.
        conclusion: one sentence to say aloud; empty without a row.
        made: when, and by which command; ``None`` where nobody said so.
        clean: how often scans of clean resamples raised an alarm; ``None`` where that was not asked for.
    """

    source: str
    digest: str
    size: int
    target: int
    target_name: str
    base_line: BaseLine
    rows: tuple[DrillRow, ...]
    smallest: tuple[Smallest, ...]
    failures: tuple[DrillFailure, ...]
    notices: tuple[str, ...]
    seed: int
    seconds: float
    versions: dict[str, str]
    machine: dict[str, str]
    conclusion: str = ""
    made: Made | None = None
    clean: CleanControls | None = None
