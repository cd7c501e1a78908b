"""How a data set is scanned, what is measured of it, and what all seeds say together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScanTask:
    """How the data of a cell are scanned.

    Attributes:
        kind: what is made of the data first: see :mod:`whitesquare.study.bench.scans.sets`.
        detectors: names of the detectors to run.
        retrain: train victims after removing what was found.
        model_free: train and ask no model.
    """

    kind: str
    detectors: tuple[str, ...] = ()
    retrain: bool = False
    model_free: bool = False


@dataclass(frozen=True)
class ScanFigures:
    """What is measured of one scan, of which it was told nothing.

    Attributes:
        size: number of samples scanned.
        mode: of the scan.
        verdict: of the scan.
        figures: by name, see :mod:`whitesquare.study.bench.scans.figures`; ``None`` where there is nothing to measure.
        false: alarms of classes that are not poisoned, a sentence each.
        not_run: detectors that did not run, with the reason.
    """

    size: int
    mode: str
    verdict: str
    figures: dict[str, float | None]
    false: tuple[str, ...]
    not_run: dict[str, str]


@dataclass(frozen=True)
class OverSeeds:
    """Mean, worst (the lowest, or the highest where low is good) and number of what was measured; ``None`` of none."""

    mean: float | None
    worst: float | None
    n: int


@dataclass(frozen=True)
class ScanLine:
    """All seeds of one setting.

    Attributes:
        setting: the attack and what it was given, or what was made of clean data; and whether no model was asked.
        data: name of the data set.
        attack: registered name, or ``none``.
        target: target class (a label).
        count: number of poisons.
        poison_rate: poisoned / whole training set.
        seeds: which.
        figures: of :class:`ScanFigures`, over the seeds that have them.
        false: of :class:`ScanFigures`, each with its seed.
    """

    setting: str
    data: str
    attack: str
    target: int
    count: int
    poison_rate: float
    seeds: tuple[int, ...]
    figures: dict[str, OverSeeds]
    false: tuple[str, ...]
