"""The runs of a drill as rows: one attack at one rate, over all its runs."""

from collections import Counter
from collections.abc import Sequence

from whitesquare.learning.estimates import share
from whitesquare.records import Estimate
from whitesquare.study.drill_types import DrillRow, DrillRun


def row_of(attack: str, rate: float, runs: Sequence[DrillRun]) -> DrillRow:
    """Sum up the runs of one attack at one rate; at least one."""
    poisons = sum(run.poisons for run in runs)
    return DrillRow(
        attack=attack,
        rate=rate,
        poisons=runs[0].poisons,
        right_class=sum(run.right_class for run in runs),
        tiers=dict(Counter(run.tier for run in runs)),
        caught=sum(run.caught for run in runs),
        recall=share("recall", sum(run.flagged for run in runs), poisons),
        recall_worst=min(run.recall for run in runs),
        recall_with_review=share("recall_with_review", sum(run.reviewed for run in runs), poisons),
        false_flags=sum(run.false_flags for run in runs) / len(runs),
        attack_success=_pooled("attack_success", [run.attack_success for run in runs]),
        accuracy=_pooled("accuracy", [run.accuracy for run in runs]),
        runs=tuple(runs),
    )


def _pooled(name: str, found: Sequence[Estimate | None]) -> Estimate | None:
    measured = [one for one in found if one is not None]
    hits = sum(round(one.value * one.n) for one in measured)
    return share(name, hits, sum(one.n for one in measured)) if measured else None
