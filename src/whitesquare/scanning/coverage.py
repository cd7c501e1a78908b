"""Which rules could have raised an alarm in these data, and which could not, however poisoned they were."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from whitesquare.detectors.types import Evidence, Suspicion
from whitesquare.errors import unknown_name
from whitesquare.scanning.content import FEWEST, can_tell
from whitesquare.scanning.criteria import CRITERIA, Criterion, stands_out
from whitesquare.scanning.types import Coverage, DetectorRun
from whitesquare.types import IntArray


def coverage(
    evidence: Evidence, suspicions: Mapping[str, Suspicion], runs: Sequence[DetectorRun], *, asked: bool
) -> tuple[Coverage, ...]:
    """Say for every rule that raises alarms in how many classes it could have raised one.

    Args:
        evidence: what was scanned.
        suspicions: by rule id, of the detectors that ran.
        runs: of all detectors.
        asked: whether there was a model to be asked; without one nothing is proven.
    """
    reasons = {run.rule_id: run.reason for run in runs}
    return tuple(_of(criterion, evidence, suspicions, reasons, asked=asked) for criterion in CRITERIA)


def _of(
    criterion: Criterion,
    evidence: Evidence,
    suspicions: Mapping[str, Suspicion],
    reasons: Mapping[str, str],
    *,
    asked: bool,
) -> Coverage:
    sizes = np.bincount(evidence.labels, minlength=len(evidence.classes))
    there = [int(label) for label in np.flatnonzero(sizes)]
    suspicion = suspicions.get(criterion.rule_id)
    able: list[int] = []
    if suspicion is None:
        why = reasons.get(criterion.rule_id) or "its detector did not run"
    elif len(there) < criterion.classes:
        why = f"it compares {criterion.classes} classes or more, and these are {len(there)}"
    else:
        able = [label for label in there if reachable(criterion, suspicion, sizes, label, asked=asked)]
        why = "" if len(able) == len(there) else _why_not(criterion, sizes[there])
    return Coverage(criterion.rule_id, len(able), len(there), why)


def reachable(criterion: Criterion, suspicion: Suspicion, sizes: IntArray, label: int, *, asked: bool) -> bool:
    """Tell whether any poison in a class could have made it stand out, by the sizes of the classes and the others.

    A proof by a model does not ask how much a class stands out, only for a hint.
    """
    if sizes[label] < criterion.samples or not np.isfinite(suspicion.class_stats[label]):
        return False
    if criterion.ceiling is None:
        return True
    most = criterion.ceiling(sizes, label, None)
    if asked:
        return most >= criterion.hint
    poisoned = suspicion.class_stats.copy()
    poisoned[label] = most
    others = int(sizes.sum() - sizes[label])
    told = most >= criterion.hint and others >= FEWEST and can_tell(int(sizes[label]), int(np.count_nonzero(sizes)))
    return told or stands_out(criterion, poisoned, sizes, label)


def _why_not(criterion: Criterion, sizes: IntArray) -> str:
    """Say why a rule could not speak of every class that has samples."""
    if criterion.ceiling is not None:
        return "with so few samples its bound is out of reach"
    if (sizes < criterion.samples).any():
        return f"it needs larger classes: {criterion.samples} samples or more"
    return "its detector says nothing of the others"


def chosen_rules(asked: str) -> tuple[str, ...]:
    """Return the rules that a text names, separated by commas; ``all`` means each of them.

    Raises:
        UsageError: there is no such rule.
    """
    known = [criterion.rule_id for criterion in CRITERIA]
    # Rules are written in capitals, and nothing else is meant by small letters.
    names = [name.upper() if name.upper() in known else name for one in asked.split(",") if (name := one.strip())]
    for name in names:
        if name not in (*known, "all"):
            raise unknown_name("rule", name, [*known, "all"])
    return tuple(known if "all" in names else names)


def lacking(found: Iterable[Coverage], required: Iterable[str]) -> tuple[Coverage, ...]:
    """Return the coverage of the required rules that could not have spoken of every class."""
    return tuple(one for one in found if one.rule_id in set(required) and one.classes < one.of)
