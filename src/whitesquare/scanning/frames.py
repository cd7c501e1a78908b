"""The scores of a scan as a DataFrame, for those who look at them in a notebook."""

from typing import TYPE_CHECKING

from whitesquare.errors import require_extra
from whitesquare.scanning.types import Scan

if TYPE_CHECKING:
    from pandas import DataFrame


def score_frame(scan: Scan) -> "DataFrame":
    """Return one row for each sample, in the order of the data set.

    Columns: ``id``, ``label``, ``class`` (its name), ``tier`` and ``rule_id`` (of a flagged sample, else missing),
    ``fused`` and ``p_value``, and the raw score of each detector that ran, float32, NaN where it gave none.

    Args:
        scan: what was found.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    require_extra("pandas", "pandas", "A DataFrame of scores")
    import pandas

    scores, flags = scan.scores, {flag.position: flag for flag in scan.result.flagged}
    names = {row.label: row.name for row in scan.result.classes}
    flagged = [flags.get(i) for i in range(len(scores.ids))]
    return pandas.DataFrame(
        {
            "id": list(scores.ids),
            "label": scores.labels,
            "class": [names.get(int(label)) for label in scores.labels],
            "tier": [flag and flag.tier for flag in flagged],
            "rule_id": [flag and flag.rule_id for flag in flagged],
            "fused": scores.fused,
            "p_value": scores.p_values,
            **scores.by_detector,
        }
    )
