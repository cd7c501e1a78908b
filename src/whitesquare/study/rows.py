"""One line of the results table, put together from the ground truth and the measured victims."""

from collections.abc import Sequence

import numpy as np

from whitesquare.errors import DataError, NothingToDoError
from whitesquare.learning.estimates import over_victims
from whitesquare.records import Estimate, LabelCheck, PoisonManifest, Row, VictimResult


def make_row(
    name: str,
    manifest: PoisonManifest | None,
    victims: Sequence[VictimResult],
    *,
    label_consistency: Estimate | None = None,
    untouched: Estimate | None = None,
    flagged_poisons: Estimate | None = None,
    flagged_clean: Estimate | None = None,
) -> Row:
    """Summarise the victims of one data set.

    Args:
        name: what the report calls the row.
        manifest: ground truth of the poisoned data set; ``None`` for clean data.
        victims: one result per victim seed, all measured with the same trigger and target.
        label_consistency: see :func:`whitesquare.learning.measure.label_consistency`, if it was measured.
        untouched: the same of the originals.
        flagged_poisons: share of poisons the label check flags, if it was run.
        flagged_clean: share of clean images it flags, if it was run.

    Raises:
        NothingToDoError: no victim.
        DataError: the victims were not measured the same way.
    """
    if not victims:
        raise NothingToDoError(f"The row {name!r} has no measured victim; train and measure at least one.")
    if len({(victim.trigger, victim.target, tuple(victim.asr_by_class)) for victim in victims}) > 1:
        raise DataError(
            f"The victims of {name!r} were measured with different triggers or targets; measure them again."
        )
    estimates = {
        "label_consistency": label_consistency,
        "label_consistency.untouched": untouched,
        "label_check.poisons": flagged_poisons,
        "label_check.clean": flagged_clean,
    }
    check = None
    if flagged_clean is not None:
        check = LabelCheck(flagged_poisons.value if flagged_poisons else None, flagged_clean.value)
    return Row(
        name=name,
        attack=name if manifest else "none",
        clean_label=manifest.clean_label if manifest else None,
        poison_rate=manifest.poison_rate if manifest else 0.0,
        target_rate=manifest.target_rate if manifest else 0.0,
        count=manifest.count if manifest else 0,
        labels_changed=manifest.labels_changed if manifest else 0,
        linf=manifest.linf if manifest else 0.0,
        label_consistency=label_consistency.value if label_consistency else None,
        label_check=check,
        visibility=float(np.mean([victim.visibility for victim in victims])),
        ca=over_victims([victim.ca.value for victim in victims]),
        asr=over_victims([victim.asr.value for victim in victims]),
        asr_by_class={
            label: over_victims([victim.asr_by_class[label].value for victim in victims])
            for label in victims[0].asr_by_class
        },
        confusion=tuple(map(tuple, np.sum([victim.confusion for victim in victims], axis=0).tolist())),
        example=victims[0].example,
        victims=tuple(victims),
        trigger=manifest.trigger if manifest else "",
        training_trigger=manifest.training_trigger if manifest else "",
        estimates={key: value for key, value in estimates.items() if value is not None},
    )
