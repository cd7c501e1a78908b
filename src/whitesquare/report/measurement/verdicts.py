"""What the numbers say, before any words: the rules behind the headline and the conclusion.

The marks are conventions, printed in the report beside what they decide:

- an attack *works* from an attack success rate (ASR) of 90 % on;
- it *does not work* while its ASR stays within 10 points of the clean model's (or up to 10 % without one);
- clean accuracy (CA) is *kept* while it is at most 0.5 point below the clean model's;
- the label check is *silent* while it flags at most 5 points more of the poisons than of the clean images, and
  *lights up* from 25 points on.
"""

from dataclasses import dataclass
from enum import Enum

from whitesquare.errors import DataError, NothingToDoError
from whitesquare.records import LabelCheck, Measurement, Row
from whitesquare.report.common.formats import number

ASR_WORKS = 0.90
ASR_NOISE = 0.10
CA_KEPT = 0.005
CHECK_SILENT = 0.05
CHECK_LIT = 0.25
BLIND = 1e-6

_ROUNDING = 1e-9


class Effect(Enum):
    """What the trigger does to the victims of one row; the value is the word in the results table."""

    BASELINE = "baseline"
    WORKS = "works"
    PARTLY = "works in part"
    FAILS = "does not work"
    UNSEEN = "trigger not seen"
    UNKNOWN = "not measured"


class Accuracy(Enum):
    """What poisoning did to clean accuracy."""

    KEPT = "kept"
    LOST = "lost"
    UNKNOWN = "not compared"


class Labels(Enum):
    """What a check of the labels made of the poisons."""

    SILENT = "silent"
    RAISED = "raised"
    LIT = "lights up"
    UNKNOWN = "not measured"


@dataclass(frozen=True)
class Judgement:
    """The three questions asked of every row: does it work, what does it cost, do labels show it?"""

    effect: Effect
    accuracy: Accuracy
    labels: Labels


def check(measurement: Measurement) -> None:
    """Refuse a measurement that cannot be reported.

    Raises:
        NothingToDoError: if there is no row.
        DataError: if the target is not a class, a row name is used twice, or a confusion matrix is not K x K.
    """
    if not measurement.rows:
        raise NothingToDoError("The measurement has no rows, so there is nothing to report; run a measurement first.")
    size = len(measurement.classes)
    if not 0 <= measurement.target < size:
        raise DataError(f"The target is label {measurement.target}, but the measurement names {size} classes.")
    names = [row.name for row in measurement.rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"Two rows of the measurement are named {twice!r:.80}; row names must be unique.")
    for row in measurement.rows:
        if row.confusion and {len(row.confusion), *map(len, row.confusion)} != {size}:
            raise DataError(f"The confusion matrix of row {row.name!r:.80} is not {size} x {size}, as classes are.")


def baseline(measurement: Measurement) -> Row | None:
    """Return the clean baseline, or ``None`` where none was trained."""
    return next((row for row in measurement.rows if row.clean_label is None), None)


def attacks(measurement: Measurement, *, clean_label: bool) -> list[Row]:
    """Return the rows of the attacks that keep the labels true (or that do not)."""
    return [row for row in measurement.rows if row.clean_label is clean_label]


def strongest(rows: list[Row]) -> Row | None:
    """Return the row of the highest ASR, the last one of equals; ``None`` if there is no row."""

    def rate(row: Row) -> float:
        mean = number(row.asr.mean)
        return -1.0 if mean is None else mean

    return max(reversed(rows), key=rate, default=None)


def main_row(measurement: Measurement) -> Row:
    """Return the row the report is about: the strongest clean-label one, else any other."""
    clean_label = strongest(attacks(measurement, clean_label=True))
    return clean_label or strongest(attacks(measurement, clean_label=False)) or measurement.rows[0]


def judge(row: Row, clean: Row | None) -> Judgement:
    """Judge one row against the clean baseline."""
    return Judgement(_effect(row, clean), _accuracy(row, clean), labels(row.label_check))


def labels(check: LabelCheck | None) -> Labels:
    """Judge what the label check flagged: poisons against clean images."""
    flagged = number(check.poisons) if check else None
    usual = number(check.clean) if check else None
    if flagged is None or usual is None:
        return Labels.UNKNOWN
    if flagged - usual >= CHECK_LIT - _ROUNDING:
        return Labels.LIT
    return Labels.RAISED if flagged - usual > CHECK_SILENT + _ROUNDING else Labels.SILENT


def _effect(row: Row, clean: Row | None) -> Effect:
    if row.clean_label is None:
        return Effect.BASELINE
    rate = number(row.asr.mean)
    if rate is None:
        return Effect.UNKNOWN
    if rate >= ASR_WORKS - _ROUNDING:
        return Effect.WORKS
    seen = number(row.visibility)
    if seen is not None and seen < BLIND:
        return Effect.UNSEEN
    usual = number(clean.asr.mean) if clean else None
    return Effect.FAILS if rate <= (usual or 0.0) + ASR_NOISE + _ROUNDING else Effect.PARTLY


def _accuracy(row: Row, clean: Row | None) -> Accuracy:
    before = number(clean.ca.mean) if clean else None
    after = number(row.ca.mean)
    if before is None or after is None or row.clean_label is None:
        return Accuracy.UNKNOWN
    return Accuracy.LOST if before - after > CA_KEPT + _ROUNDING else Accuracy.KEPT
