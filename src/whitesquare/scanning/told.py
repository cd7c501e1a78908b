"""What was found out about a trigger, in sentences for the report."""

import numpy as np

from whitesquare.scanning.content import NATURAL, ContentTest
from whitesquare.scanning.criteria import Criterion
from whitesquare.scanning.types import Transplant
from whitesquare.types import FloatArray

CLOSE_UP = (
    "Models that see whole images, averaged down, miss so small a mark: this was asked of models that were trained on "
    "its place at full size"
)
_STRENGTHS = {"as found": "as it was found", "full": "at full strength"}


def told_statistic(criterion: Criterion, statistics: FloatArray, label: int) -> str:
    """Say how far a class stands out, and from where on a class does.

    Args:
        criterion: by which.
        statistics: ``(K,)``, one per class.
        label: the class.
    """
    value = f"statistic {float(statistics[label]):.3g}"
    others = np.delete(statistics, label)
    others = others[np.isfinite(others)]
    if not len(others):
        return f"{value}; there is no other class to measure it by"
    middle = float(np.median(others))
    least = middle + criterion.above
    return f"{value}; the median of the other classes is {middle:.3g}, and the least that counts {least:.3g}"


def told_exclusive(statistics: FloatArray, label: int) -> str:
    """Say how much a class shows that hardly anybody else does, where others differ as much by nature."""
    others = np.delete(statistics, label)
    most = float(np.nanmax(others, initial=0.0))
    return f"statistic {float(statistics[label]):.3g}; other classes reach {most:.3g} by what is their own"


def told_proof(test: Transplant) -> str:
    """Say what a trigger does, and what its controls do."""
    rate, how = test.flip_rate, _STRENGTHS.get(test.strength, test.strength)
    return (
        f"Pasted on images of other classes ({how}), the reconstructed trigger turns "
        f"{100 * rate.value:.1f} % of them [{100 * rate.low:.1f}, {100 * rate.high:.1f}] to this class; "
        f"{test.controls} controls turn {100 * test.control_mean:.1f} % on average, "
        f"{100 * test.control_worst:.1f} % at most"
    )


def told_failure(test: Transplant) -> str:
    """Say that it does not do enough."""
    return (
        f"Not confirmed: pasted on images of other classes it turns {100 * test.flip_rate.value:.1f} % of them, "
        f"controls up to {100 * test.control_worst:.1f} %"
    )


def told_unproven(name: str, criterion: Criterion, statistic: str, test: Transplant | None) -> str:
    """Say of a class that a model is turned to it easily, and by nothing that was found in the data.

    Args:
        name: of the class.
        criterion: by which it stands out.
        statistic: how far, as :func:`told_statistic` says it.
        test: what the most moving candidate did; ``None`` if it did too little to be tested.
    """
    why = (
        f"turns {100 * test.flip_rate.value:.1f} % of other images, controls up to {100 * test.control_worst:.1f} %"
        if test
        else "turns too few other images to be tested"
    )
    return (
        f"Class {name}: {criterion.says} ({criterion.rule_id}, {statistic}), but what its samples show there "
        f"{why}: no alarm, since some classes are like that by nature."
    )


def told_strewn(test: ContentTest) -> str:
    """Say that carriers were picked without regard to what they show."""
    return (
        "The rest of the image does not tell who carries it (area under the curve "
        f"{test.auc:.2f} ± {test.error:.2f}, where it is {NATURAL:.2f} or more for what is natural): it was put there"
    )


def told_natural(name: str, criterion: Criterion, statistic: str, test: ContentTest | None) -> str:
    """Say of a class that what it shows is its own, as far as anybody can tell.

    Args:
        name: of the class.
        criterion: by which it stands out, though not surely.
        statistic: how far, as :func:`told_statistic` says it.
        test: what the rest of the images says of those that show it; ``None`` if all do.
    """
    who = (
        f"the rest of the image tells who shows them (area under the curve {test.auc:.2f}), as it is with a natural "
        "group of the class: no alarm"
        if test
        else "every image of it does: no alarm, since a class may be like that; a mark on a whole class looks the same"
    )
    return f"Class {name}: {criterion.says} ({criterion.rule_id}, {statistic}), but {who}."
