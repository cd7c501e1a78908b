"""When a class stands out: one criterion per detector that speaks of classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from whitesquare.detectors.contrast import ceiling
from whitesquare.detectors.patch_contrast import PatchContrast
from whitesquare.detectors.types import BoolArray, Evidence, Suspicion
from whitesquare.types import FloatArray, IntArray

ALPHA = 0.01
"""Probability with which a clean data set is to raise an alarm of one of the kinds: proven, or by statistic."""
_HEAVIEST = 8
"""Degrees of freedom at most: how heavy the tails of class statistics are cannot be read off a hundred classes."""
_ONE_CLASS = 0.01
_EXCLUSIVE = 0.8
"""Of the most that so many carriers can have: clean sets with noise reach 0.6, plants 0.83 and more."""
_LEAST_SPREAD, _ALIKE = 0.01, 0.1
_SMALLER = 0.5
"""Of the size of a class: in one that is smaller, as many carriers are more than twice the share."""
_ENOUGH = 3
"""Other classes by whose spread one can be measured."""


@dataclass(frozen=True)
class Criterion:
    """When a class stands out by a detector's class statistic, and when a hint is worth a test.

    What is usual depends on the data, so a class is measured by the others. It stands out where its statistic lies so
    far beyond theirs that, were it one more of them, this would happen in one of a hundred data sets, all classes and
    criteria counted. It also stands out, less surely, if statistic plus excess (over their median) are at least
    ``alarm``, a bound found on digits, and one class of a hundred would lie as far out (one other that may be poisoned,
    too, left out). What it shows in detail is asked about besides: see :mod:`whitesquare.scanning.content`.

    Attributes:
        rule_id: the detector.
        hint: hints below this strength are not followed up.
        above: what the statistic must exceed the median of the others by, to be worth a word.
        alarm: see above.
        says: what it means, for the report.
        classes: with fewer classes it says nothing: two classes always differ in something.
        samples: nor for a smaller class, whose directions of variance are chance.
        ceiling: the most that the statistic can be, by the sizes of the classes, the class, and how many of it are
            carriers (``None``: all); no bound where it is ``None``.
        asks_model: it is read off a model, not off the data. To some classes any model is turned easily: by itself it
            raises no alarm unless its trigger is proven.
    """

    rule_id: str
    hint: float
    above: float
    alarm: float
    says: str
    classes: int = 2
    samples: int = 20
    ceiling: Callable[[IntArray, int, int | None], float] | None = None
    asks_model: bool = False


def _of_sampled(sizes: IntArray, label: int, carriers: int | None) -> float:
    """Return the ceiling of the patch rule, which counts some of each class."""
    counted = np.minimum(sizes, PatchContrast.sample)
    return ceiling(counted, label, carriers and round(carriers * counted[label] / sizes[label]))


FAINT_RULES = ("MF01", "GR01")
"""The detectors whose hints are of faint patterns over the whole image."""
BY_RANK = ("GR01", "NR01", "RC01")
"""The detectors whose highest ranks are the carriers where no trigger can be rebuilt, the most telling first."""
FAINT_SHARE, RANKED_SHARE = 1e-4, 1e-3
"""Of the samples of other classes, those that may score as high as a carrier of a faint pattern, or of a residual."""
CRITERIA = (
    Criterion(
        "PX01", 3.0, 2.0, 10.0, "pixels recur at one place in this class and nearly nowhere else", ceiling=ceiling
    ),
    Criterion("PC01", 1.0, 1.0, 7.0, "a patch recurs, at various places, in this class only", ceiling=_of_sampled),
    Criterion("NR01", 0.05, 0.35, 0.75, "images of this class have a grain that other classes do not have", 4, 1000),
    Criterion("RC01", 4.0, 1.5, 11.0, "images of this class share a pattern beneath their content", 4, 1000),
    Criterion(
        "MF01", 0.0, 8.0, np.inf, "some images of this class share a faint pattern, and the others do not", 4, 100
    ),
    Criterion("GR01", 4.0, 5.0, 30.0, "some images of this class have a grain that the others do not have", 4, 100),
    Criterion(
        "TI01",
        2.0,
        3.0,
        8.0,
        "far fewer pixels than for other classes send every image to this class",
        classes=4,
        asks_model=True,
    ),
)


def loud_criteria(
    evidence: Evidence, suspicions: dict[str, Suspicion], label: int, one_class: float = _ONE_CLASS
) -> list[tuple[Criterion, float]]:
    """Return the criteria by which a class stands out, with its statistics; see :func:`stands_out`."""
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    classes, members = np.count_nonzero(sizes), sizes[label]
    able = [c for c in CRITERIA if classes >= c.classes and members >= c.samples and c.rule_id in suspicions]
    values = [(c, suspicions[c.rule_id].class_stats) for c in able]
    return [(c, float(found[label])) for c, found in values if stands_out(c, found, sizes, label, one_class)]


def stands_out(
    criterion: Criterion, statistics: FloatArray, sizes: IntArray, label: int, one_class: float = _ONE_CLASS
) -> bool:
    """Tell whether a class lies beyond the others by a statistic, and by enough to be worth a word.

    Args:
        criterion: which.
        statistics: ``(K,)``, one per class.
        sizes: ``(K,)`` samples of each class.
        label: the class.
        one_class: share of classes that may lie as far out, where the bound found on digits is reached.
    """
    excess, others = _excess(statistics, label)
    if not excess >= criterion.above:
        return False
    return stands_out_surely(criterion, statistics, sizes, label) or (
        float(statistics[label]) + excess >= criterion.alarm
        and (others < _ENOUGH or class_p(statistics, label, without=1) <= one_class)
    )


def stands_out_surely(criterion: Criterion, statistics: FloatArray, sizes: IntArray, label: int) -> bool:
    """Tell whether a class lies beyond the others as far as in one of a hundred data sets; see :class:`Criterion`."""
    excess, others = _excess(statistics, label)
    p_value = class_p(comparable(criterion, statistics, sizes, label), label)
    return excess >= criterion.above and p_value * (others + 1) * len(CRITERIA) <= ALPHA


def is_exclusive(criterion: Criterion, statistic: float, sizes: IntArray, label: int, carriers: int) -> bool:
    """Tell whether hardly anybody else shows what so many of a class show: noise gives usual things to anybody."""
    return criterion.ceiling is not None and statistic >= _EXCLUSIVE * criterion.ceiling(sizes, label, carriers)


def _excess(statistics: FloatArray, label: int) -> tuple[float, int]:
    """Return by how much a class exceeds the median of the others, and how many those are."""
    others = np.delete(statistics, label)
    others = others[np.isfinite(others)]
    return float(statistics[label]) - (float(np.median(others)) if len(others) else 0.0), len(others)


def beyond_others(scores: FloatArray, own: BoolArray, rare: float) -> IntArray:
    """Return the positions of those of a class ``own`` ``(N,)`` that score above all but that share of the others.

    Nobody, where no other was scored.
    """
    if not np.isfinite(scores[~own]).any():
        return np.empty(0, np.int64)
    beyond: IntArray = np.flatnonzero(own & (scores > np.nanquantile(scores[~own], 1 - rare)))
    return beyond


def comparable(criterion: Criterion, statistics: FloatArray, sizes: IntArray, label: int) -> FloatArray:
    """Return the statistics by which a class is measured: of what a number of samples carry, none of a smaller class.

    A detail that fifteen of a hundred and twenty samples share is usual, and one that fifteen of twenty share is not.
    """
    if criterion.ceiling is None:
        return statistics
    return np.where(sizes < _SMALLER * sizes[label], np.nan, statistics)


def alarm_p(criterion: Criterion, statistics: FloatArray, sizes: IntArray, label: int) -> float:
    """Return the tail of a class that stands out: among classes of its size, or, where these are too few, among all."""
    alike = comparable(criterion, statistics, sizes, label)
    if np.isfinite(np.delete(alike, label)).sum() >= _ENOUGH:
        return class_p(alike, label)
    return class_p(statistics, label, without=1)


def class_p(statistics: FloatArray, label: int, without: int = 0) -> float:
    """Return the tail of a class among the others, by Student's t for one more observation; 1 for fewer than three.

    Args:
        statistics: ``(K,)``, one per class.
        label: the class.
        without: how many of the others, the largest, are left out.
    """
    others = np.delete(statistics, label)
    others = np.sort(others[np.isfinite(others)])
    others = others[: len(others) - without]
    if len(others) < _ENOUGH:
        return 1.0
    # A few classes may be alike by chance: they are taken to differ by a tenth of what they are, at least.
    least = max(_LEAST_SPREAD, _ALIKE * abs(float(others.mean())))
    spread = max(float(others.std(ddof=1)), least) * np.sqrt(1 + 1 / len(others))
    far = (float(statistics[label]) - others.mean()) / spread
    return float(stats.t.sf(far, min(len(others) - 1, _HEAVIEST)))
